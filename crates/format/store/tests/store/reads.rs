//! What readers may rely on while the writer goes on.

use std::sync::Arc;

use disk::{Dir, MemDir, RealDir};
use store::{Batch, Bucket, OpenError, Options, Store};
use types::{Index, Revision, Term};

use crate::world::{Model, files, open, put, reclaim_all};

const SEGMENT_BYTES: u64 = 20_000;

fn filled(dir: &MemDir) -> (Store, Model) {
    let (mut store, _) = open(dir, SEGMENT_BYTES).expect("a sound disk");
    let mut model = Model::default();
    for _ in 0..40 {
        let shapes: Vec<_> = (0..10).map(|n| (n, 100, false)).collect();
        let batch = model.batch(&shapes, vec![put(Bucket::Auth, 1, 5)]);
        store.commit(&batch).expect("a sound disk");
        model.apply(&batch);
    }
    (store, model)
}

/// Two processes on one store would destroy it.
#[test]
fn second_open_is_refused() {
    let dir = MemDir::new();
    let (store, _) = open(&dir, SEGMENT_BYTES).expect("a sound disk");
    let second = open(&dir, SEGMENT_BYTES);
    assert!(matches!(second, Err(OpenError::Locked { file }) if file.contains("LOCK")));
    drop(store);
    assert!(open(&dir, SEGMENT_BYTES).is_ok());
}

/// A backup that lasts for minutes must not change under the hands, nor lose its files.
#[test]
fn snapshot_outlives_reclaim() {
    let dir = MemDir::new();
    let (mut store, model) = filled(&dir);
    let snapshot = store.reader().snapshot();
    let mut later = model.clone();
    let dead: Vec<_> = model.records.keys().copied().collect();
    let batch = later.batch(&[(1, 1, false)], vec![put(Bucket::Auth, 1, 9)]);
    store.commit(&batch).expect("a sound disk");
    later.apply(&batch);
    later.dead.extend(&dead);
    assert_eq!(store.mark_dead(&dead).expect("a sound disk"), dead.len());
    assert_eq!(store.mark_dead(&dead).expect("a sound disk"), 0);
    let before = store.sizes();
    assert!(before.in_use < before.total / 10, "{before:?}");
    store.defragment();
    reclaim_all(&mut store, 1 << 20).expect("a sound disk");
    assert!(files(&dir).len() > 3, "the snapshot needs them");
    later.check(&store.reader());
    let all = snapshot.scan(Revision::default(), usize::MAX, usize::MAX);
    assert_eq!(all.expect("a sound disk"), model.live());
    assert_eq!(snapshot.bucket(Bucket::Auth)[&b"1"[..]].len(), 5);
    assert_eq!(snapshot.last_revision(), model.newest);
    assert_eq!(snapshot.consistent_index(), model.position);
    drop(snapshot);
    let freed = store.reclaim(1).expect("a sound disk").bytes_freed;
    assert!(freed > before.total / 2, "{freed}");
    assert!(files(&dir).len() <= 2, "{:?}", files(&dir));
    assert!(store.sizes().total < before.total / 10);
}

/// A page of a history must be neither empty too early nor without bound.
#[test]
fn scan_keeps_its_limits() {
    let dir = MemDir::new();
    let (store, model) = filled(&dir);
    let reader = store.reader();
    let all: Vec<_> = model.records.values().cloned().collect();
    let scan = |from, to, records, bytes| {
        let found = reader.scan(from, to, records, bytes);
        found.expect("a sound disk")
    };
    let zero = Revision::default();
    assert_eq!(scan(zero, i64::MAX, usize::MAX, usize::MAX), all);
    assert_eq!(scan(zero, i64::MAX, 5, usize::MAX), all[..5]);
    assert_eq!(scan(zero, i64::MAX, 5, 1), all[..1]);
    assert_eq!(scan(zero, i64::MAX, 0, 0), all[..1]);
    let first_two = all[0].record.len() + 1;
    assert_eq!(scan(zero, i64::MAX, 5, first_two), all[..2]);
    assert_eq!(scan(zero, 0, 5, 1), []);
    let last = all.last().expect("filled");
    let found = scan(last.revision, i64::MAX, 5, 1);
    assert_eq!(found, std::slice::from_ref(last));
    let middle = &all[all.len() / 2];
    let main = middle.revision.main;
    let expected: Vec<_> = all
        .iter()
        .filter(|e| e.revision.main == main)
        .cloned()
        .collect();
    let from = Revision::new(main, 0);
    assert_eq!(scan(from, main, usize::MAX, usize::MAX), expected);
}

/// A batch that says nothing must cost nothing: the caller commits by the clock.
#[test]
fn empty_batch_is_not_written() {
    let dir = MemDir::new();
    let (mut store, model) = filled(&dir);
    let batch = Batch {
        consistent_index: model.position.0,
        term: model.position.1,
        ..Batch::default()
    };
    let before = dir.counts();
    store.commit(&batch).expect("a sound disk");
    assert_eq!(dir.counts(), before);
    let batch = Batch {
        consistent_index: Index(model.position.0.0 + 1),
        term: Term(9),
        ..Batch::default()
    };
    store.commit(&batch).expect("a sound disk");
    let after = dir.counts();
    assert_eq!(
        (after.writes, after.syncs),
        (before.writes + 1, before.syncs + 1)
    );
    assert_eq!(store.consistent_index(), (batch.consistent_index, Term(9)));
}

/// Revisions that go back would make two records of one number.
#[test]
#[should_panic(expected = "cannot be committed after")]
fn revisions_must_rise() {
    let dir = MemDir::new();
    let (mut store, model) = filled(&dir);
    let entry = Model::entry(model.newest.main, model.newest.sub, 1, 1, false);
    let batch = Batch {
        entries: vec![entry],
        ..Batch::default()
    };
    let _ = store.commit(&batch);
}

/// What holds in the model of a disk must hold on a file system too.
#[test]
fn works_on_real_files() {
    let temp = tempfile::tempdir().expect("a temporary directory");
    let dir: Arc<dyn Dir> = Arc::new(RealDir::new(temp.path().join("store")));
    let options = Options {
        segment_bytes: 30_000,
        ..Options::default()
    };
    let open = |visit: &mut dyn FnMut(store::DirectoryEntry<'_>)| {
        Store::open(Arc::clone(&dir), options.clone(), visit).expect("a sound disk")
    };
    let mut store = open(&mut |_| {});
    let mut model = Model::default();
    for round in 0..20 {
        let shapes: Vec<_> = (0..20).map(|n| (n, 200, n == 7)).collect();
        let batch = model.batch(&shapes, vec![put(Bucket::Cluster, round, 30)]);
        store.commit(&batch).expect("a sound disk");
        model.apply(&batch);
    }
    let dead: Vec<_> = model.records.keys().copied().step_by(2).collect();
    store.mark_dead(&dead).expect("a sound disk");
    model.dead.extend(&dead);
    reclaim_all(&mut store, 10_000).expect("a sound disk");
    model.check(&store.reader());
    drop(store);
    let mut count = 0;
    let store = open(&mut |_| count += 1);
    assert!(count >= model.live().len());
    assert_eq!(store.consistent_index(), model.position);
}
