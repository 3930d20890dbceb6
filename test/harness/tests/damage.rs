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

async fn get(client: &Client, key: &str) -> Option<Bytes> {
    let range = RangeRequest {
        key: Bytes::from(key.to_owned()),
        ..RangeRequest::default()
    };
    let found = client.range(range).await.unwrap();
    found.kvs.first().map(|kv| kv.value.clone())
}

/// A member that has acknowledged `puts` numbered puts and was stopped.
async fn stopped_member(dir: &Path, puts: u32, how: Stop) -> Member {
    let mut member = Member::start(dir, &[]).unwrap();
    let client = connect(&member).await;
    for number in 0..puts {
        put(
            &client,
            &format!("key {number}"),
            &format!("value {number}"),
        )
        .await;
    }
    member.stop(how).unwrap();
    member
}

async fn wants_all(client: &Client, puts: u32) {
    for number in 0..puts {
        let value = format!("value {number}");
        assert_eq!(get(client, &format!("key {number}")).await.unwrap(), value);
    }
}

/// A power loss in the middle of a write leaves a part of it: what is torn is cut off, and all that came
/// before is there.
#[tokio::test(flavor = "current_thread")]
async fn torn_tails_are_cut_off() {
    const PUTS: u32 = 20;
    let dir = tempfile::tempdir().unwrap();
    let mut member = stopped_member(dir.path(), PUTS, Stop::Terminate).await;
    let data = member.data_dir().to_path_buf();
    let before = dir.path().join("before");
    copy(&data, &before);
    let log = segments(&data).pop().unwrap();
    let begin = end_of(&log).next_multiple_of(8) as usize;
    // What the member writes after that is what the power cuts.
    member.restart().unwrap();
    put(&connect(&member).await, "last", &"x".repeat(4_000)).await;
    member.stop(Stop::Kill).unwrap();
    let whole = std::fs::read(&log).unwrap();
    let end = end_of(&log) as usize;
    let mut torn = 0;
    for cut in [
        begin + 8,
        begin + 30,
        begin + 200,
        end - 3_000,
        end - 1_000,
        end - 1,
    ] {
        for missing_reads_as_zeros in [false, true] {
            let case = dir.path().join(format!("{cut} {missing_reads_as_zeros}"));
            copy(&before, &case.join("data"));
            let log = segments(&case.join("data")).pop().unwrap();
            let file = OpenOptions::new().write(true).open(&log).unwrap();
            // A disk writes sectors, a file system gives a file its length.
            let cut = match missing_reads_as_zeros {
                true => cut / 512 * 512,
                false => cut,
            };
            file.write_all_at(&whole[begin..cut.max(begin)], begin as u64)
                .unwrap();
            if !missing_reads_as_zeros {
                file.set_len(cut as u64).unwrap();
            }
            torn += u32::from(survives(&case, PUTS).await);
            std::fs::remove_dir_all(&case).unwrap();
        }
    }
    assert!(torn >= 6, "only {torn} tails had to be repaired");
}

/// A member on a torn log serves what is whole and goes on; whether it had to repair anything.
async fn survives(case: &Path, puts: u32) -> bool {
    let mut member = Member::start_on(&case.join("data"), case, &[]).unwrap();
    let repaired = member.has_logged("repaired").unwrap();
    let client = connect(&member).await;
    wants_all(&client, puts).await;
    assert_eq!(get(&client, "last").await, None);
    put(&client, "after", "repair").await;
    member.stop(Stop::Kill).unwrap();
    member.restart().unwrap();
    assert_eq!(
        get(&connect(&member).await, "after").await.unwrap(),
        "repair"
    );
    repaired
}

/// Copies a data directory.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o700)).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &target),
            false => drop(std::fs::copy(&path, &target).unwrap()),
        }
    }
}

/// Damage in the middle of the log is not a torn write: going on would lose what was acknowledged.
#[tokio::test(flavor = "current_thread")]
async fn flipped_bits_in_the_log_are_refused_with_file_and_offset() {
    let dir = tempfile::tempdir().unwrap();
    let mut member = stopped_member(dir.path(), 20, Stop::Kill).await;
    let log = segments(member.data_dir()).pop().unwrap();
    let whole = std::fs::read(&log).unwrap();
    let record = whole
        .windows(8)
        .position(|window| window == b"value 10")
        .unwrap();
    // In the value, in the key before it, and in the first record of the file.
    for at in [record, record - 6, 20] {
        let file = OpenOptions::new().write(true).open(&log).unwrap();
        file.write_all_at(&[whole[at] ^ 0x10], at as u64).unwrap();
        let refused = member.restart().unwrap_err().to_string();
        assert!(refused.contains("exit status: 1"), "at {at}: {refused}");
        let name = log.file_name().unwrap().to_str().unwrap();
        assert!(refused.contains(name), "at {at}: {refused}");
        // The offset is that of the damaged record.
        let offset = offset_in(&refused);
        assert!(
            (at.saturating_sub(200)..=at).contains(&offset),
            "at {at}: {refused}"
        );
        file.write_all_at(&whole[at..=at], at as u64).unwrap();
    }
    member.restart().unwrap();
    wants_all(&connect(&member).await, 20).await;
}

/// The number after the word `byte`.
fn offset_in(text: &str) -> usize {
    let (_, rest) = text.split_once("byte ").unwrap();
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
    digits.unwrap().parse().unwrap()
}

/// The store's own files are checked as they are read: what is damaged is written again from the log, or
/// refused, but never served.
#[tokio::test(flavor = "current_thread")]
async fn flipped_bits_in_the_store_are_never_served() {
    let dir = tempfile::tempdir().unwrap();
    let mut member = stopped_member(dir.path(), 20, Stop::Terminate).await;
    let mut damaged = 0;
    for path in files(&member.data_dir().join("member")) {
        let bytes = std::fs::read(&path).unwrap();
        let is_log = path.extension().is_some_and(|extension| extension == "wal");
        let values = bytes.windows(8).enumerate();
        for (at, _) in values.filter(|(_, window)| !is_log && *window == b"value 10") {
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            file.write_all_at(b"W", at as u64).unwrap();
            damaged += 1;
        }
    }
    assert!(damaged > 0, "the value is in no file");
    if member.restart().is_ok() {
        let client = connect(&member).await.within(Duration::from_secs(5));
        let range = RangeRequest {
            key: "key 10".into(),
            ..RangeRequest::default()
        };
        if let Ok(answer) = client.range(range).await {
            assert_eq!(answer.kvs[0].value, "value 10");
            wants_all(&client, 20).await;
            return;
        }
        let status = member.wait(Duration::from_secs(10)).unwrap();
        assert_eq!(status.code(), Some(1), "{}", member.log_end());
    }
    let end = member.log_end();
    assert!(end.contains("byte ") || end.contains("offset"), "{end}");
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => found.push(entry.path()),
            }
        }
    }
    found
}

/// Keys and values are nobody else's business.
#[tokio::test(flavor = "current_thread")]
async fn files_are_private() {
    let dir = tempfile::tempdir().unwrap();
    let mut member = stopped_member(dir.path(), 1, Stop::Terminate).await;
    member.restart().unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let files = files(member.data_dir());
    assert!(files.len() > 2, "{files:?}");
    for path in files {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        for folder in path.ancestors().skip(1) {
            if folder.starts_with(member.data_dir()) {
                assert_eq!(mode(folder), 0o700, "{}", folder.display());
            }
        }
    }
}

/// Two processes on one directory would destroy it: the second one says so and ends.
#[tokio::test(flavor = "current_thread")]
async fn a_second_process_is_refused() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut member = Member::start(dir.path(), &[]).unwrap();
    let client = connect(&member).await;
    put(&client, "k", "mine").await;
    let refused = Member::start_on(member.data_dir(), other.path(), &[]).unwrap_err();
    let refused = refused.to_string();
    assert!(refused.contains("exit status: 1"), "{refused}");
    assert!(refused.contains("locked by another process"), "{refused}");
    let data = member.data_dir().to_str().unwrap();
    assert!(refused.contains(data), "{refused}");
    assert_eq!(get(&client, "k").await.unwrap(), "mine");
    // The lock goes with the process.
    member.stop(Stop::Kill).unwrap();
    let second = Member::start_on(member.data_dir(), other.path(), &[]).unwrap();
    assert_eq!(get(&connect(&second).await, "k").await.unwrap(), "mine");
}
