//! From a store to a database and back: the same records, buckets, position and hashes.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;

use bytes::Bytes;
use convert::{Progress, export, import, measure, stream};
use disk::{Dir, File, MemDir, OpenMode};
use mvcc::{CompactStep, Options, Reader, Writer};
use proptest::prelude::*;
use store::{Bucket, Store};
use types::{Index, KeyRange, LeaseId, Revision, Term};

fn options() -> store::Options {
    store::Options {
        segment_bytes: 16 << 10,
        ..store::Options::default()
    }
}

fn open(dir: &MemDir) -> (Writer, Reader, Store) {
    mvcc::open(Arc::new(dir.clone()), options(), Options::default()).unwrap()
}

fn new_file(name: &str) -> Arc<dyn File> {
    MemDir::new().open(name, OpenMode::CreateNew).unwrap()
}

type Pairs = Vec<(Bytes, Bytes)>;

/// Everything in a store, in a form that can be compared.
fn contents(store: &Store) -> (Vec<store::Entry>, Vec<(Bucket, Pairs)>) {
    let snapshot = store.reader().snapshot();
    let entries = snapshot.scan(Revision::default(), usize::MAX, usize::MAX);
    let buckets = Bucket::ALL.map(|bucket| {
        let pairs = snapshot.bucket(bucket).clone();
        (bucket, pairs.into_iter().collect())
    });
    (entries.unwrap(), buckets.into())
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8, usize, i64),
    Delete(u8, u8),
    Txn(Vec<u8>),
    Compact(u8),
    Pair(u8, Vec<u8>, Vec<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    let value = prop_oneof![8 => 0..200_usize, 1 => 5000..9000_usize];
    prop_oneof![
        6 => (0..20_u8, value, 0..3_i64).prop_map(|(key, len, lease)| Step::Put(key, len, lease)),
        2 => (0..20_u8, 0..5_u8).prop_map(|(from, len)| Step::Delete(from, len)),
        1 => prop::collection::vec(0..20_u8, 1..10).prop_map(Step::Txn),
        1 => any::<u8>().prop_map(Step::Compact),
        1 => (0..9_u8, prop::collection::vec(any::<u8>(), 1..9), prop::collection::vec(any::<u8>(), 0..90))
            .prop_map(|(bucket, key, value)| Step::Pair(bucket, key, value)),
    ]
}

fn key(number: u8) -> Vec<u8> {
    format!("key/{number:03}").into_bytes()
}

/// Does the steps, each as an entry of the log.
fn run(steps: &[Step], writer: &mut Writer, store: &mut Store) {
    for (index, step) in steps.iter().enumerate() {
        let mut txn = writer.txn();
        match step {
            Step::Put(number, len, lease) => {
                txn.put(&key(*number), &vec![*number; *len], LeaseId(*lease));
            }
            Step::Delete(from, len) => {
                let (from, to) = (key(*from), key(from.saturating_add(*len)));
                txn.delete_range(&KeyRange::Span {
                    start: from.into(),
                    end: to.into(),
                });
            }
            Step::Txn(keys) => {
                for number in keys {
                    txn.put(&key(*number), b"txn", LeaseId::NONE);
                }
            }
            Step::Compact(_) | Step::Pair(..) => {}
        }
        let _ = txn.commit(false);
        match step {
            Step::Compact(part) => {
                let current = writer.reader().revisions().current;
                let _ = writer.compact(current * i64::from(*part) / 255);
                loop {
                    match writer.compact_step(100) {
                        CompactStep::Idle => break,
                        CompactStep::Hash(job) => job.run().unwrap(),
                        _ => {}
                    }
                }
            }
            Step::Pair(number, key, value) => {
                let bucket = Bucket::ALL[usize::from(*number)];
                writer.put_bucket(bucket, key.clone().into(), Some(value.clone().into()));
            }
            _ => {}
        }
        writer.set_applied(Index(index as u64 + 1), Term(3));
        if index % 7 == 0 {
            flush(writer, store);
        }
    }
    flush(writer, store);
}

fn flush(writer: &mut Writer, store: &mut Store) {
    if let Some(pending) = writer.take_batch() {
        pending.write(store).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A member that is handed over to etcd or taken over from it must answer as before, at every
    /// revision, or the corruption check of its cluster stops it.
    #[test]
    fn nothing_changes(steps in prop::collection::vec(step(), 0..120)) {
        let (mut writer, reader, mut store) = open(&MemDir::new());
        run(&steps, &mut writer, &mut store);
        let file = new_file("db");
        let len = export(&store.reader().snapshot(), Arc::clone(&file)).unwrap();
        prop_assert_eq!(file.len().unwrap(), len);
        prop_assert!(boltfile::Reader::open(Arc::clone(&file)).unwrap().check().is_empty());
        let snapshot = store.reader().snapshot();
        let outline = measure(&snapshot, &mut || {}).unwrap();
        prop_assert_eq!(outline.bytes(), len);
        let (mut streamed, mut written) = (Vec::new(), vec![0; usize::try_from(len).unwrap()]);
        stream(&snapshot, outline, &mut streamed, &mut || {}).unwrap();
        file.read_exact_at(&mut written, 0).unwrap();
        prop_assert!(streamed == written);

        let copy = MemDir::new();
        let mut last = Progress::default();
        let imported = import(file, Arc::new(copy.clone()), options(), &mut |progress| {
            assert!(progress.records >= last.records && progress.bytes >= last.bytes);
            last = progress;
        })
        .unwrap();
        prop_assert_eq!(last.records, imported.records);
        prop_assert_eq!((imported.consistent_index, imported.term), store.consistent_index());
        let revisions = reader.revisions();
        prop_assert_eq!(imported.current_revision, revisions.current);
        prop_assert_eq!(imported.compacted_revision, revisions.compacted);

        let (_writer, copied, store_copy) = open(&copy);
        let (mut records, mut buckets) = contents(&store);
        // An exported database always says which version it has.
        let meta = &mut buckets[Bucket::Meta as usize].1;
        if !meta.iter().any(|(key, _)| key == "storageVersion") {
            meta.push((Bytes::from("storageVersion"), Bytes::from("3.7.0")));
            meta.sort();
        }
        let copies = contents(&store_copy);
        // Records that a compaction gave up and no reclaim has removed are not exported.
        records.retain(|record| copies.0.contains(record) || record.revision.main > revisions.compacted);
        prop_assert_eq!((records, buckets), copies);
        for revision in revisions.compacted.max(1)..=revisions.current {
            let (a, b) = (reader.hash_kv(revision), copied.hash_kv(revision));
            // A compaction's own hash is remembered until the next start.
            if let (Ok(a), Ok(b)) = (&a, &b) && a.compact_revision == b.compact_revision {
                prop_assert_eq!(a, b);
            }
        }
        prop_assert_eq!(reader.hash_kv(0).unwrap(), copied.hash_kv(0).unwrap());
    }
}

/// A directory that holds something must not become a mixture.
#[test]
fn refuses_a_store_that_is_there() {
    let (mut writer, _reader, mut store) = open(&MemDir::new());
    run(&[Step::Put(1, 10, 0)], &mut writer, &mut store);
    let file = new_file("db");
    export(&store.reader().snapshot(), Arc::clone(&file)).unwrap();
    let dir = MemDir::new();
    let root = || -> Arc<dyn Dir> { Arc::new(dir.clone()) };
    import(Arc::clone(&file), root(), options(), &mut |_| {}).unwrap();
    let error = import(file, root(), options(), &mut |_| {}).unwrap_err();
    assert!(error.to_string().ends_with("is not empty"), "{error}");
}
