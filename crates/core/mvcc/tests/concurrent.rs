//! Readers on other threads while the writer writes, compacts and flushes.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use disk::MemDir;
use mvcc::{CompactStep, Options, RangeError, RangeQuery, Reader, Writer};
use store::Store;
use types::{Index, KeyRange, LeaseId, Record, Term};

const KEYS: i64 = 1500;
const ROUNDS: i64 = 150;

fn key(number: i64) -> Bytes {
    Bytes::from(format!("key/{number:05}"))
}

fn open() -> (Writer, Reader, Store) {
    let store_options = store::Options {
        segment_bytes: 1 << 16,
        ..store::Options::default()
    };
    let options = Options {
        value_cache_bytes: 1 << 16,
    };
    mvcc::open(Arc::new(MemDir::new()), store_options, options).unwrap()
}

/// Every round puts one value into all keys, and in odd rounds an additional key; all in one
/// transaction, so that nobody may see two values or the wrong number of keys.
fn write(mut writer: Writer, mut store: Store) {
    for round in 1..=ROUNDS {
        let mut txn = writer.txn();
        // The first round fills the tree, the others touch a part of it.
        let step = if round == 1 { 1 } else { 7 };
        for number in (0..KEYS).step_by(step) {
            txn.put(&key(number), round.to_string().as_bytes(), LeaseId::NONE);
        }
        if round % 2 == 0 {
            txn.delete_range(&KeyRange::Point(Bytes::from("key/odd")));
        } else {
            txn.put(b"key/odd", b"", LeaseId::NONE);
        }
        assert_eq!(txn.commit(false).revision, round + 1);
        writer.set_applied(Index(1), Term(1));
        writer.take_batch().unwrap().write(&mut store).unwrap();
        if round % 10 == 0 {
            writer.compact(round - 1).unwrap();
        }
        for _ in 0..4 {
            if let CompactStep::Hash(job) = writer.compact_step(200) {
                job.run().unwrap();
            }
        }
        store.reclaim(1 << 20).unwrap();
    }
}

/// What a reader sees is one transaction's state, however long the read takes.
fn read(reader: &Reader, seen: &mut i64) {
    let result = reader
        .range(&RangeQuery::of(KeyRange::FromKey(key(0))))
        .unwrap();
    assert!(result.revision >= *seen, "revisions never go back");
    *seen = result.revision;
    if result.revision == 1 {
        assert_eq!(result.count, 0);
        return;
    }
    let round = result.revision - 1;
    assert_eq!(result.count, KEYS + round % 2);
    assert_eq!(result.kvs.len() as i64, result.count);
    for (number, kv) in (0..KEYS).zip(&result.kvs) {
        let record = Record::decode(kv).unwrap();
        assert_eq!(record.key, key(number));
        let want = if number % 7 == 0 { round } else { 1 };
        assert_eq!(record.value, want.to_string());
    }
}

/// The same revision has the same answer, until it is compacted.
fn read_old(reader: &Reader) {
    let revisions = reader.revisions();
    let revision = revisions.current - 5;
    if revision <= revisions.compacted.max(1) {
        return;
    }
    let query = RangeQuery {
        revision,
        ..RangeQuery::of(KeyRange::All)
    };
    match reader.range(&query) {
        Ok(result) => assert_eq!(result.count, KEYS + (revision - 1) % 2),
        Err(RangeError::Compacted { at }) => assert!(at > revision),
        Err(error) => panic!("{error}"),
    }
    match reader.history(&KeyRange::All, revision, 2, usize::MAX) {
        Ok(history) => {
            let events = &history.events[0];
            assert_eq!(events.revision, revision);
            // The first transaction puts all keys, later ones every seventh.
            let puts = if revision == 2 { KEYS } else { (KEYS + 6) / 7 };
            assert_eq!(events.events.len() as i64, puts + 1);
        }
        Err(RangeError::Compacted { at }) => assert!(at > revision),
        Err(error) => panic!("{error}"),
    }
}

/// Ends the readers even if the writer panics.
struct DoneOnDrop<'a>(&'a AtomicBool);

impl Drop for DoneOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Half a transaction, a missing record or a wrong count would be a wrong answer to a client.
#[test]
fn readers_see_whole_transactions() {
    let (writer, reader, store) = open();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for number in 0..3 {
            let (reader, done) = (reader.clone(), &done);
            scope.spawn(move || {
                let mut seen = 0;
                while !done.load(Ordering::Relaxed) {
                    match number {
                        0 => read(&reader, &mut seen),
                        1 => read_old(&reader),
                        _ => assert!(reader.hash_kv(0).unwrap().hash_revision >= 1),
                    }
                }
                read(&reader, &mut seen);
                assert_eq!(seen, ROUNDS + 1);
            });
        }
        let _done = DoneOnDrop(&done);
        write(writer, store);
    });
}

/// A change without a commit would stay invisible in memory and yet be written to the store.
#[test]
#[should_panic(expected = "a transaction with changes is committed")]
fn a_changed_transaction_must_be_committed() {
    let (mut writer, _reader, _store) = open();
    let mut txn = writer.txn();
    txn.put(b"k", b"v", LeaseId::NONE);
    drop(txn);
}

/// A transaction that only reads must not make a revision or a batch.
#[test]
fn reading_transactions_leave_no_trace() {
    let (mut writer, reader, _store) = open();
    let mut txn = writer.txn();
    assert!(txn.delete_range(&KeyRange::All).is_empty());
    assert_eq!(txn.range(&RangeQuery::of(KeyRange::All)).unwrap().count, 0);
    assert!(txn.get(b"k").is_none());
    drop(txn);
    let committed = writer.txn().commit(true);
    assert!(committed.events.is_none());
    assert_eq!((committed.revision, reader.revisions().current), (1, 1));
    assert!(writer.take_batch().is_none());
}
