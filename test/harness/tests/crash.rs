//! kill -9 under concurrent writers: nothing acknowledged is lost, nothing is invented, and no revision is
//! given out twice.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use client::{Client, ClientError, Config};
use harness::{Member, Stop};
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{
    CompactionRequest, HashKvRequest, PutRequest, RangeRequest, RequestOp, TxnRequest,
};

const ROUNDS: u32 = 50;
const WRITERS: usize = 8;

/// What one writer did: it writes ever higher numbers to a pair of keys of its own, both in one
/// transaction, so that a torn transaction would show.
#[derive(Default)]
struct Journal {
    attempted: u64,
    acknowledged: u64,
    /// Acknowledged numbers by the revision of their answer.
    revisions: BTreeMap<i64, u64>,
}

fn keys(writer: usize) -> [Bytes; 2] {
    ["left", "right"].map(|side| Bytes::from(format!("writer/{writer}/{side}")))
}

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

async fn write(client: &Client, writer: usize, number: u64) -> Result<i64, ClientError> {
    let put = |key: Bytes| {
        let value = Bytes::from(number.to_string());
        let put = PutRequest {
            key,
            value,
            ..PutRequest::default()
        };
        RequestOp {
            request: Some(Request::RequestPut(put)),
        }
    };
    let txn = TxnRequest {
        success: keys(writer).map(put).into(),
        ..TxnRequest::default()
    };
    Ok(client.txn(txn).await?.header.unwrap_or_default().revision)
}

/// Writes until the member is gone.
async fn run_writer(client: Client, writer: usize, mut journal: Journal) -> Journal {
    loop {
        journal.attempted += 1;
        match write(&client, writer, journal.attempted).await {
            Ok(revision) => {
                journal.acknowledged = journal.attempted;
                let again = journal.revisions.insert(revision, journal.attempted);
                assert_eq!(again, None, "revision {revision} was given out twice");
            }
            Err(_) => return journal,
        }
    }
}

/// The pair of numbers of a writer at a revision; zero when there are none.
async fn read(client: &Client, writer: usize, revision: i64) -> (u64, u64, i64) {
    let mut numbers = Vec::new();
    let mut mod_revision = 0;
    for key in keys(writer) {
        let range = RangeRequest {
            key,
            revision,
            ..RangeRequest::default()
        };
        let answer = client.range(range).await.unwrap();
        let kv = answer.kvs.first();
        mod_revision = kv.map_or(0, |kv| kv.mod_revision);
        let text = kv.map_or("0".to_owned(), |kv| {
            String::from_utf8(kv.value.to_vec()).unwrap()
        });
        numbers.push(text.parse().unwrap());
    }
    (numbers[0], numbers[1], mod_revision)
}

async fn check(client: &Client, journals: &[Journal], compacted: i64) {
    let mut all = BTreeSet::new();
    for (writer, journal) in journals.iter().enumerate() {
        let (left, right, mod_revision) = read(client, writer, 0).await;
        assert_eq!(left, right, "writer {writer}: half of a transaction");
        assert!(
            left >= journal.acknowledged,
            "writer {writer}: lost {}",
            journal.acknowledged
        );
        assert!(
            left <= journal.attempted,
            "writer {writer}: invented {left}"
        );
        if left == journal.acknowledged && left > 0 {
            assert_eq!(
                journal.revisions.get(&mod_revision),
                Some(&left),
                "writer {writer}"
            );
        }
        all.extend(journal.revisions.keys().copied());
        // History is what was acknowledged, too: look at a few of the newest revisions.
        for (revision, number) in journal.revisions.iter().rev().take(3) {
            if *revision >= compacted {
                let (left, right, _) = read(client, writer, *revision).await;
                assert_eq!(
                    (left, right),
                    (*number, *number),
                    "writer {writer} at {revision}"
                );
            }
        }
    }
    let given: usize = journals.iter().map(|journal| journal.revisions.len()).sum();
    assert_eq!(all.len(), given, "two writers got the same revision");
}

/// The promise of the whole.
#[tokio::test(flavor = "current_thread")]
async fn acknowledged_writes_survive_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let mut member = Member::start(dir.path(), &["--snapshot-count=500"]).unwrap();
    let mut journals: Vec<Journal> = (0..WRITERS).map(|_| Journal::default()).collect();
    let mut compacted = -1;
    let mut hashed: Option<(i64, u32)> = None;
    for round in 0..ROUNDS {
        let client = connect(&member).await;
        check(&client, &journals, compacted).await;
        if let Some((revision, hash)) = hashed {
            let again = client.hash_kv(HashKvRequest { revision }).await.unwrap();
            assert_eq!(
                again.hash, hash,
                "the state at {revision} changed over a restart"
            );
        }
        let writers: Vec<_> = (journals.drain(..).enumerate())
            .map(|(writer, journal)| tokio::spawn(run_writer(client.clone(), writer, journal)))
            .collect();
        tokio::time::sleep(Duration::from_millis(u64::from(30 + round * 37 % 140))).await;
        if round % 5 == 4 {
            // A compaction runs when the member dies.
            let revision = client.range(RangeRequest {
                key: "x".into(),
                ..RangeRequest::default()
            });
            let revision = revision.await.unwrap().header.unwrap().revision - 50;
            let request = CompactionRequest {
                revision,
                physical: false,
            };
            if revision > compacted && client.compact(request).await.is_ok() {
                compacted = revision;
            }
        }
        let hash = client.hash_kv(HashKvRequest { revision: 0 }).await.unwrap();
        hashed = (round % 5 != 4).then_some((hash.hash_revision, hash.hash));
        member.stop(Stop::Kill).unwrap();
        for writer in writers {
            journals.push(writer.await.unwrap());
        }
        member.restart().unwrap();
    }
    let client = connect(&member).await;
    check(&client, &journals, compacted).await;
    let writes: usize = journals.iter().map(|journal| journal.revisions.len()).sum();
    assert!(writes > 500, "only {writes} writes were acknowledged");
    println!("{ROUNDS} rounds of kill -9, {writes} acknowledged transactions, none lost");
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
