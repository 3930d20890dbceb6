//! A disk that runs full stops the member cleanly or makes it refuse writes, and destroys nothing.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use client::{Client, Config};
use harness::disk::Tmpfs;
use harness::{Member, Stop, tool};
use proto::etcdserverpb::{PutRequest, RangeRequest};

/// With the filler on it there is room for two segments of the log and little else.
const SIZE: &str = "250m";
const FILLER_BYTES: usize = 100 << 20;
const VALUE_BYTES: usize = 100_000;

async fn connect(member: &Member) -> Client {
    let config = Config {
        endpoints: vec![member.endpoint()],
        ..Config::default()
    };
    let client = Client::connect(config).await.unwrap();
    client.within(Duration::from_secs(20))
}

/// The value of a number: long, and different in every byte that matters.
fn value(number: u32) -> Bytes {
    let mut value = number.to_string().into_bytes();
    value.resize(VALUE_BYTES, b'.');
    Bytes::from(value)
}

/// The system's reason, as it or as etcd writes it.
fn is_full(text: &str) -> bool {
    text.to_lowercase().contains("no space left on device")
}

/// Writes numbered values until the member refuses; how many it acknowledged.
async fn fill(client: &Client) -> u32 {
    for number in 0.. {
        let put = PutRequest {
            key: Bytes::from(format!("key {number:06}")),
            value: value(number),
            ..PutRequest::default()
        };
        if client.put(put).await.is_err() {
            return number;
        }
    }
    unreachable!("no disk is endless");
}

/// Who is not root may mount in a namespace of its own: there the test runs itself again.
#[test]
fn a_full_disk_destroys_nothing() {
    if rustix::process::geteuid().is_root() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        return runtime.block_on(fill_and_free());
    }
    let test = std::env::current_exe().unwrap();
    let again = [
        "--user",
        "--map-root-user",
        "--mount",
        test.to_str().unwrap(),
        "--nocapture",
    ];
    tool::run(Path::new("/"), "unshare", &again).unwrap();
}

async fn fill_and_free() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let _tmpfs = Tmpfs::mount(disk.path(), SIZE).unwrap();
    let filler = disk.path().join("filler");
    std::fs::write(&filler, vec![1; FILLER_BYTES]).unwrap();
    let data = disk.path().join("data");
    let mut member = Member::start_on(&data, dir.path(), &[]).unwrap();
    let acknowledged = fill(&connect(&member).await).await;
    assert!(acknowledged > 100, "{acknowledged} values fit");
    // It has stopped with a reason that names a file, or goes on and refuses.
    if let Ok(status) = member.wait(Duration::from_secs(5)) {
        assert_eq!(status.code(), Some(1), "{}", member.log_end());
        let end = member.log_end();
        assert!(end.contains("member/") && is_full(&end), "{end}");
    } else {
        member.stop(Stop::Kill).unwrap();
    }
    // As long as the disk is full, a start fails with a reason or serves what there is.
    match member.restart() {
        Ok(()) => {
            member.stop(Stop::Kill).unwrap();
        }
        Err(refused) => assert!(is_full(&refused.to_string()), "{refused}"),
    }
    std::fs::remove_file(filler).unwrap();
    member.restart().unwrap();
    let client = connect(&member).await;
    for number in 0..acknowledged {
        let range = RangeRequest {
            key: Bytes::from(format!("key {number:06}")),
            ..RangeRequest::default()
        };
        let found = client.range(range).await.unwrap();
        assert_eq!(
            found.kvs[0].value,
            value(number),
            "value {number} of {acknowledged}"
        );
    }
    let more = PutRequest {
        key: "more".into(),
        ..PutRequest::default()
    };
    client.put(more).await.unwrap();
    drop(member);
    println!("{acknowledged} values on a full disk, none lost");
}
