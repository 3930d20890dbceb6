//! What a member finds in its store when it starts again.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;

use bytes::Bytes;
use disk::MemDir;
use mvcc::{CompactStep, OpenError, Options, RangeQuery, Reader, Writer};
use store::{Batch, Bucket, Change, Entry, Store};
use types::{Index, KeyRange, LeaseId, Record, Revision, Term};

fn store_options() -> store::Options {
    store::Options {
        segment_bytes: 4096,
        ..store::Options::default()
    }
}

fn open(dir: &MemDir) -> Result<(Writer, Reader, Store), OpenError> {
    mvcc::open(Arc::new(dir.clone()), store_options(), Options::default())
}

fn put(writer: &mut Writer, key: &str, value: &[u8]) {
    let mut txn = writer.txn();
    txn.put(key.as_bytes(), value, LeaseId::NONE);
    assert!(txn.commit(false).events.is_none());
}

fn write(writer: &mut Writer, store: &mut Store) {
    if let Some(pending) = writer.take_batch() {
        pending.write(store).unwrap();
    }
}

fn compact(writer: &mut Writer, revision: i64) {
    writer.compact(revision).unwrap();
    loop {
        match writer.compact_step(1000) {
            CompactStep::Finished { .. } => break,
            CompactStep::Hash(job) => job.run().unwrap(),
            _ => {}
        }
    }
}

/// The store gives space back file by file. If a tombstone went before an older put of its key, that
/// put would be the key's newest record at the next start: a deleted key would be back.
#[test]
fn deleted_keys_stay_deleted() {
    let dir = MemDir::new();
    let (mut writer, reader, mut store) = open(&dir).unwrap();
    // The first file holds the put among records that stay.
    put(&mut writer, "deleted", &[0; 500]);
    for number in 0..40 {
        put(&mut writer, &format!("stays/{number:02}"), &[1; 100]);
    }
    write(&mut writer, &mut store);
    // The second holds the tombstone among garbage.
    let mut txn = writer.txn();
    assert_eq!(
        txn.delete_range(&KeyRange::Point(Bytes::from("deleted")))
            .len(),
        1
    );
    assert!(txn.commit(false).events.is_none());
    for _ in 0..2000 {
        put(&mut writer, "replaced", &[2; 100]);
    }
    write(&mut writer, &mut store);
    for _ in 0..40 {
        put(&mut writer, "replaced", &[3; 100]);
    }
    compact(&mut writer, reader.revisions().current);
    write(&mut writer, &mut store);
    let before = store.sizes().total;
    while store.reclaim(1 << 20).unwrap().more {}
    assert!(store.sizes().total < before);
    for _ in 0..3 {
        let all = reader.range(&RangeQuery::of(KeyRange::All)).unwrap();
        drop(store);
        (writer, _, store) = open(&dir).unwrap();
        assert_eq!(
            writer
                .reader()
                .range(&RangeQuery::of(KeyRange::All))
                .unwrap(),
            all
        );
        store.defragment();
        while store.reclaim(1 << 20).unwrap().more {}
    }
    // Once the put is gone the tombstone goes too.
    let scanned = store
        .reader()
        .scan(Revision::default(), i64::MAX, 1000, 1 << 20)
        .unwrap();
    assert_eq!(scanned.len(), 41);
}

/// What a snapshot holds up to the compacted revision is the newest record of each live key: etcd, which
/// counts lives and versions from the first record of a key that it finds, would else begin a new life of
/// the key behind a tombstone from before the compaction.
#[test]
fn snapshots_after_a_start_hold_no_remains() {
    for is_finished in [true, false] {
        let dir = MemDir::new();
        let (mut writer, reader, mut store) = open(&dir).unwrap();
        put(&mut writer, "old", &[0; 3000]);
        put(&mut writer, "key", &[0; 500]);
        for number in 0..40 {
            put(&mut writer, &format!("stays/{number:02}"), &[1; 100]);
        }
        let mut txn = writer.txn();
        let deleted = txn.delete_range(&KeyRange::Point(Bytes::from("key")));
        assert_eq!(deleted.len(), 1);
        assert!(txn.commit(false).events.is_none());
        for _ in 0..10 {
            put(&mut writer, "key", &[2; 1000]);
        }
        write(&mut writer, &mut store);
        let compacted = reader.revisions().current;
        if is_finished {
            compact(&mut writer, compacted);
        } else {
            writer.compact(compacted).unwrap();
        }
        put(&mut writer, "key", &[3; 100]);
        write(&mut writer, &mut store);
        drop((writer, reader, store));
        let (_writer, _reader, store) = open(&dir).unwrap();
        let found = store.reader().snapshot();
        let found = found.scan(Revision::default(), 1000, 1 << 20).unwrap();
        let of_key =
            |entry: &&Entry| entry.tombstone || Record::decode(&entry.record).unwrap().key == "key";
        let found: Vec<_> = found
            .iter()
            .filter(of_key)
            .map(|e| e.revision.main)
            .collect();
        assert_eq!(found, [compacted, compacted + 1], "{is_finished}");
    }
}

/// Locks and elections are keys that come and go for ever: their tombstones must go while the member
/// runs, and stay away from the index at the next start.
#[test]
fn keys_that_come_and_go_leave_nothing() {
    let dir = MemDir::new();
    let (mut writer, reader, mut store) = open(&dir).unwrap();
    for number in 0..100 {
        put(&mut writer, &format!("stays/{number:02}"), &[1; 100]);
    }
    let mut largest = 0;
    for round in 0..60 {
        for number in 0..50 {
            put(&mut writer, &format!("comes/{round}/{number}"), b"");
        }
        write(&mut writer, &mut store);
        let mut txn = writer.txn();
        assert_eq!(txn.delete_range(&prefix("comes/")).len(), 50);
        assert!(txn.commit(false).events.is_none());
        // Each file that stays gets a little garbage.
        put(&mut writer, &format!("stays/{round:02}"), &[2; 100]);
        write(&mut writer, &mut store);
        compact(&mut writer, reader.revisions().current);
        write(&mut writer, &mut store);
        while store.reclaim(1 << 20).unwrap().more {}
        largest = largest.max(store.sizes().total);
    }
    assert!(largest < 80_000, "{largest}");
    let all = reader.range(&RangeQuery::of(KeyRange::All)).unwrap();
    assert_eq!(all.kvs.len(), 100);
    drop((writer, store));
    let (writer, ..) = open(&dir).unwrap();
    let found = writer.reader().range(&RangeQuery::of(KeyRange::All));
    assert_eq!(found.unwrap(), all);
}

fn prefix(prefix: &'static str) -> KeyRange {
    let mut end = prefix.as_bytes().to_vec();
    *end.last_mut().unwrap() += 1;
    KeyRange::Span {
        start: Bytes::from(prefix),
        end: end.into(),
    }
}

/// An offline restore that bumps the revision leaves a record without a key, and a compaction to it. To etcd
/// that is a key like others, which nobody can delete: it counts in the hash.
#[test]
fn a_bumped_store_keeps_its_mark() {
    let dir = MemDir::new();
    let mut store = Store::open(Arc::new(dir.clone()), store_options(), &mut |_| {}).unwrap();
    let record = Record {
        key: Bytes::from("k"),
        create_revision: 2,
        mod_revision: 2,
        version: 1,
        value: Bytes::from("v"),
        lease: LeaseId(5),
    };
    let entry = |main, record| Entry {
        revision: Revision::new(main, 0),
        tombstone: false,
        record,
    };
    let key = |main| {
        let key = types::RecordKey {
            revision: Revision::new(main, 0),
            tombstone: false,
        };
        key.with_bytes(Bytes::copy_from_slice)
    };
    let encoded = record.encode();
    let hashed = [b"key", &*key(2), &*encoded, &*key(1000)].concat();
    let batch = Batch {
        entries: vec![entry(2, encoded), entry(1000, Bytes::new())],
        changes: vec![Change {
            bucket: Bucket::Meta,
            key: Bytes::from("scheduledCompactRev"),
            value: Some(key(1000)),
        }],
        consistent_index: Index(7),
        term: Term(1),
    };
    store.commit(&batch).unwrap();
    drop(store);
    let (mut writer, reader, mut store) = open(&dir).unwrap();
    let revisions = reader.revisions();
    assert_eq!((revisions.current, revisions.compacted), (1000, 1000));
    assert!(writer.is_compacting());
    assert_eq!(writer.attached_leases(), [(Bytes::from("k"), LeaseId(5))]);
    assert!(matches!(
        writer.compact_step(10),
        CompactStep::Finished {
            revision: 1000,
            dead: 0
        }
    ));
    write(&mut writer, &mut store);
    let scanned = store
        .reader()
        .scan(Revision::default(), i64::MAX, 10, 1000)
        .unwrap();
    assert_eq!(scanned.len(), 2);
    let hash = reader.hash_kv(0).unwrap().hash;
    assert_eq!(hash, crc32c::crc32c(&hashed));
    put(&mut writer, "next", b"");
    assert_eq!(reader.revisions().current, 1001);
    drop((writer, reader, store));
    let (writer, reader, _) = open(&dir).unwrap();
    assert!(!writer.is_compacting());
    assert_eq!(reader.revisions().compacted, 1000);
    // Taken by no batch, so not in the store.
    assert_eq!(reader.revisions().current, 1000);
}

/// A damaged mark is refused, not read as "never compacted".
#[test]
fn a_damaged_mark_is_refused() {
    let dir = MemDir::new();
    let (mut writer, reader, mut store) = open(&dir).unwrap();
    writer.put_bucket(
        Bucket::Meta,
        Bytes::from("finishedCompactRev"),
        Some(Bytes::from("short")),
    );
    write(&mut writer, &mut store);
    drop((writer, reader, store));
    assert!(matches!(
        open(&dir),
        Err(OpenError::NotARevision {
            name: "finishedCompactRev"
        })
    ));
}
