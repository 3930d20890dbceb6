//! Damaged files, foreign processes and full disks: a member repairs what a crash can do to its files,
//! refuses what it cannot vouch for, and never destroys anything.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs::OpenOptions;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use client::{Client, Config};
use harness::{Member, Stop};
use proto::etcdserverpb::{PutRequest, RangeRequest};

async fn connect(member: &Member) -> Client {
    let config = Config {
        endpoints: vec![member.endpoint()],
        ..Config::default()
    };
    Client::connect(config)
        .await
        .unwrap()
        .within(Duration::from_secs(20))
}

/// The segments of the log, oldest first.
fn segments(data: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data.join("member/wal")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "wal"));
    paths.sort();
    paths
}

/// The end of what was written to a segment: after the last byte that is not zero.
fn end_of(path: &Path) -> u64 {
    let bytes = std::fs::read(path).unwrap();
    bytes.iter().rposition(|byte| *byte != 0).unwrap() as u64 + 1
}

async fn put(client: &Client, key: &str, value: &str) {
    let (key, value) = (Bytes::from(key.to_owned()), Bytes::from(value.to_owned()));
    client
        .put(PutRequest {
            key,
            value,
            ..PutRequest::default()
        })
        .await
        .unwrap();
}

/// A power loss in the middle of a write leaves a torn record: it was not acknowledged, and is cut off.
#[tokio::test(flavor = "current_thread")]
async fn a_torn_tail_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let mut member = Member::start(dir.path(), &[]).unwrap();
    put(&connect(&member).await, "k", "kept").await;
    member.stop(Stop::Terminate).unwrap();
    let log = segments(member.data_dir()).pop().unwrap();
    let file = OpenOptions::new().write(true).open(&log).unwrap();
    // A frame that claims 4,000 bytes, of which the first 100 were written.
    let end = end_of(&log).next_multiple_of(8);
    file.write_all_at(&4_000_u64.to_le_bytes(), end).unwrap();
    file.write_all_at(&[0x5a; 100], end + 8).unwrap();
    file.set_len(end + 108).unwrap();
    member.restart().unwrap();
    assert!(
        member.has_logged("repaired").unwrap(),
        "{}",
        member.log_end()
    );
    let client = connect(&member).await;
    put(&client, "l", "after").await;
    let range = RangeRequest {
        key: "k".into(),
        ..RangeRequest::default()
    };
    assert_eq!(client.range(range).await.unwrap().kvs[0].value, "kept");
}

/// Damage in the middle of the log is not a torn write: going on would lose what was acknowledged.
#[tokio::test(flavor = "current_thread")]
async fn a_flipped_bit_is_refused_with_file_and_offset() {
    let dir = tempfile::tempdir().unwrap();
    let mut member = Member::start(dir.path(), &[]).unwrap();
    let client = connect(&member).await;
    for number in 0..20 {
        put(&client, "k", &format!("value {number}")).await;
    }
    member.stop(Stop::Kill).unwrap();
    let log = segments(member.data_dir()).pop().unwrap();
    let bytes = std::fs::read(&log).unwrap();
    let at = bytes
        .windows(8)
        .position(|window| window == b"value 10")
        .unwrap() as u64;
    let file = OpenOptions::new().write(true).open(&log).unwrap();
    file.write_all_at(b"X", at).unwrap();
    let refused = member.restart().unwrap_err().to_string();
    assert!(refused.contains("exit status: 1"), "{refused}");
    assert!(
        refused.contains(log.file_name().unwrap().to_str().unwrap()),
        "{refused}"
    );
    assert!(
        refused.contains("offset") || refused.contains("byte"),
        "{refused}"
    );
}

/// Keys and values are nobody else's business.
#[test]
fn files_are_private() {
    let dir = tempfile::tempdir().unwrap();
    let member = Member::start(dir.path(), &[]).unwrap();
    let mut folders = vec![member.data_dir().to_path_buf()];
    while let Some(folder) = folders.pop() {
        let mode = std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o700, "{}", folder.display());
        for entry in std::fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
                assert_eq!(mode, 0o600, "{}", entry.path().display());
            }
        }
    }
}
