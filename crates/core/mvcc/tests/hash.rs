//! Hashes as etcd's members exchange them.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;

use bytes::Bytes;
use disk::MemDir;
use mvcc::{CompactStep, HashKv, Options, RangeError, Reader, Writer};
use store::{Bucket, Store};
use types::{Index, KeyRange, LeaseId, Record, RecordKey, Revision, Term};

fn open() -> (Writer, Reader, Store) {
    let dir = Arc::new(MemDir::new());
    mvcc::open(dir, store::Options::default(), Options::default()).unwrap()
}

fn put(writer: &mut Writer, key: &str, value: &str) {
    let mut txn = writer.txn();
    txn.put(key.as_bytes(), value.as_bytes(), LeaseId::NONE);
    assert!(txn.commit(false).events.is_none());
}

fn delete(writer: &mut Writer, key: &'static str) {
    let mut txn = writer.txn();
    txn.delete_range(&KeyRange::Point(Bytes::from(key)));
    assert!(txn.commit(false).events.is_none());
}

/// Steps to the end; whether a hash was to be computed.
fn finish(writer: &mut Writer) -> bool {
    let mut hashed = false;
    loop {
        match writer.compact_step(100) {
            CompactStep::Finished { .. } | CompactStep::Idle => return hashed,
            CompactStep::Hash(job) => {
                hashed = true;
                job.run().unwrap();
            }
            _ => {}
        }
    }
}

/// CRC-32C of "key" and of what is given, as HashKV does it.
fn crc(records: &[(RecordKey, Bytes)]) -> u32 {
    records
        .iter()
        .fold(crc32c::crc32c(b"key"), |hash, (key, record)| {
            let hash = key.with_bytes(|key| crc32c::crc32c_append(hash, key));
            crc32c::crc32c_append(hash, record)
        })
}

fn record_key(main: i64, tombstone: bool) -> RecordKey {
    RecordKey {
        revision: Revision::new(main, 0),
        tombstone,
    }
}

fn record(key: &'static str, create: i64, main: i64, version: i64, value: &'static str) -> Bytes {
    let record = Record {
        key: Bytes::from(key),
        create_revision: create,
        mod_revision: main,
        version,
        value: Bytes::from(value),
        lease: LeaseId::NONE,
    };
    record.encode()
}

/// Members that have compacted to different revisions compare what their compactions remembered:
/// a triple that differs from etcd's would raise the CORRUPT alarm in a mixed cluster.
#[test]
fn compactions_remember_what_was_before() {
    let (mut writer, reader, mut store) = open();
    for round in 0..4 {
        put(&mut writer, "a", &round.to_string());
        put(&mut writer, "b", "");
    }
    delete(&mut writer, "b");
    assert_eq!(reader.revisions().current, 10);
    let before = reader.hash_kv(9).unwrap();
    assert_eq!((before.compact_revision, before.hash_revision), (-1, 9));
    writer.compact(9).unwrap();
    assert!(finish(&mut writer));
    writer.take_batch().unwrap().write(&mut store).unwrap();
    assert_eq!(reader.hash_kv(9).unwrap(), before);
    let after = reader.hash_kv(0).unwrap();
    let left = [
        (record_key(8, false), record("a", 2, 8, 4, "3")),
        (record_key(10, true), Record::encode_tombstone(b"b")),
    ];
    let want = HashKv {
        hash: crc(&left),
        compact_revision: 9,
        hash_revision: 10,
    };
    assert_eq!(after, want);
    assert!(matches!(
        reader.hash_kv(5),
        Err(RangeError::Compacted { at: 9 })
    ));
    assert!(matches!(
        reader.hash_kv(11),
        Err(RangeError::Future { current: 10 })
    ));
    writer.compact(10).unwrap();
    assert!(finish(&mut writer));
    assert_eq!(reader.hash_kv(9).unwrap(), before);
    assert_eq!(reader.hash_kv(10).unwrap(), want);
    let now = reader.hash_kv(0).unwrap();
    assert_eq!((now.hash, now.compact_revision), (crc(&left[..1]), 10));
}

/// A key deleted at the compaction's own revision is kept by it, and so nothing older counts.
#[test]
fn a_tombstone_at_the_revision_counts_as_kept() {
    let (mut writer, reader, _store) = open();
    put(&mut writer, "a", "v");
    writer.compact(2).unwrap();
    finish(&mut writer);
    delete(&mut writer, "a");
    writer.compact(3).unwrap();
    assert!(finish(&mut writer));
    let left = [(record_key(3, true), Record::encode_tombstone(b"a"))];
    let want = HashKv {
        hash: crc(&left),
        compact_revision: 2,
        hash_revision: 3,
    };
    assert_eq!(reader.hash_kv(3).unwrap(), want);
}

/// Nothing is stored up to a negative revision.
#[test]
fn a_negative_revision_covers_nothing() {
    let (mut writer, reader, _store) = open();
    put(&mut writer, "a", "v");
    let want = HashKv {
        hash: crc32c::crc32c(b"key"),
        compact_revision: -1,
        hash_revision: -5,
    };
    assert_eq!(reader.hash_kv(-5).unwrap(), want);
}

/// etcd remembers a hash only if the compaction before had finished, and ten at most.
#[test]
fn only_orderly_compactions_are_remembered() {
    let (mut writer, reader, _store) = open();
    for round in 0..20 {
        put(&mut writer, "a", &round.to_string());
    }
    writer.compact(3).unwrap();
    writer.compact(5).unwrap();
    assert!(finish(&mut writer));
    assert_eq!(reader.hash_kv(3).unwrap().compact_revision, -1);
    assert!(!finish(&mut writer));
    // Not remembered, so computed as of now.
    assert_eq!(reader.hash_kv(5).unwrap().compact_revision, 5);
    for revision in 6..=16 {
        writer.compact(revision).unwrap();
        assert!(finish(&mut writer));
    }
    assert_eq!(reader.hash_kv(7).unwrap().compact_revision, 6);
    assert!(matches!(
        reader.hash_kv(3),
        Err(RangeError::Compacted { .. })
    ));
    assert!(matches!(
        reader.hash_kv(6),
        Err(RangeError::Compacted { .. })
    ));
}

/// Where no key is live etcd takes "nothing to keep" for "keep everything".
#[test]
fn nothing_live_hashes_what_is_left() {
    let (mut writer, reader, _store) = open();
    put(&mut writer, "a", "1");
    put(&mut writer, "b", "2");
    delete(&mut writer, "b");
    writer.compact(4).unwrap();
    finish(&mut writer);
    delete(&mut writer, "a");
    let left = [
        (record_key(2, false), record("a", 2, 2, 1, "1")),
        (record_key(5, true), Record::encode_tombstone(b"a")),
    ];
    assert_eq!(reader.hash_kv(0).unwrap().hash, crc(&left));
}

/// The hash of everything covers what is applied, whether it is written yet or not, but not what
/// differs between equal members.
#[test]
fn all_buckets_are_hashed_in_order() {
    let (mut writer, reader, mut store) = open();
    put(&mut writer, "a", "1");
    let entries = [
        (Bucket::Lease, "l", Some("1")),
        (Bucket::Meta, "storageVersion", Some("3.7.0")),
        (Bucket::Meta, "confState", Some("{}")),
        (Bucket::Alarm, "gone", Some("x")),
        (Bucket::Alarm, "gone", None),
    ];
    for (bucket, key, value) in entries {
        writer.put_bucket(bucket, Bytes::from(key), value.map(Bytes::from));
    }
    writer.set_applied(Index(9), Term(2));
    let first: &[&[u8]] = &[
        b"alarm",
        b"auth",
        b"authRoles",
        b"authUsers",
        b"cluster",
        b"key",
    ];
    let mut bytes = first.concat();
    record_key(2, false).with_bytes(|key| bytes.extend_from_slice(key));
    bytes.extend_from_slice(&record("a", 2, 2, 1, "1"));
    bytes.extend_from_slice(b"leasel1membersmembers_removedmetaconfState{}");
    let want = crc32c::crc32c(&bytes);
    assert_eq!(reader.hash().unwrap(), want);
    let pending = writer.take_batch().unwrap();
    assert_eq!(reader.hash().unwrap(), want);
    pending.write(&mut store).unwrap();
    assert_eq!(reader.hash().unwrap(), want);
}
