//! Readers on other threads while the writer commits, rolls, reclaims and removes files.

use std::sync::atomic::{AtomicBool, Ordering};

use disk::MemDir;
use store::{Reader, Store};
use types::Revision;

use crate::world::{Model, buckets, open, put};

const SEGMENT_BYTES: u64 = 20_000;

/// Every fourth revision stays; the others are given up in time.
fn is_kept(revision: Revision) -> bool {
    revision.main % 4 == 0
}

fn write(store: &mut Store) {
    let mut model = Model::default();
    for round in 0..400_u16 {
        let shapes: Vec<_> = (0..8).map(|n| (n, 120, false)).collect();
        let batch = model.batch(&shapes, vec![put(store::Bucket::Alarm, 1, round as usize)]);
        store.commit(&batch).expect("a sound disk");
        let dead: Vec<_> = batch.entries.iter().map(|entry| entry.revision).collect();
        let dead: Vec<_> = dead.into_iter().filter(|r| !is_kept(*r)).collect();
        store.mark_dead(&dead).expect("a sound disk");
        store.reclaim(10_000).expect("a sound disk");
        model.apply(&batch);
    }
}

/// Reads at random places what must be there, and checks that it is right.
fn read(reader: &Reader, seed: i64, is_done: &AtomicBool) {
    let mut at = seed;
    while !is_done.load(Ordering::Relaxed) {
        let newest = reader.last_revision();
        at = (at.wrapping_mul(1_103_515_245) + 12_345) & 0xffff_ffff;
        let revision = Revision::new((at >> 8) % (newest.main + 1) / 4 * 4, 0);
        if revision.main > 1 {
            let found = reader.get(revision).expect("a sound disk");
            let found = found.expect("it is kept");
            let record = types::Record::decode(&found).expect("a record");
            assert_eq!(record.mod_revision, revision.main);
        }
        let piece = reader.scan(revision, newest.main, 20, usize::MAX);
        let mut previous = None;
        for entry in piece.expect("a sound disk") {
            // A batch may end within a revision, and the next may be committed by now.
            assert!(entry.revision.main <= newest.main, "{}", entry.revision);
            assert!(Some(entry.revision) > previous, "{}", entry.revision);
            previous = Some(entry.revision);
        }
        let snapshot = reader.snapshot();
        let (index, _) = snapshot.consistent_index();
        let alarms = buckets(|bucket| snapshot.bucket(bucket).clone());
        let alarm = alarms
            .values()
            .next()
            .map_or(0, |value| value.len() as u64 + 1);
        assert_eq!(alarm, index.0, "buckets and index are of one commit");
        let last = snapshot.last_revision();
        let tail = snapshot.scan(Revision::new(last.main, 0), usize::MAX, usize::MAX);
        assert!(
            tail.expect("a sound disk")
                .iter()
                .all(|e| e.revision <= last)
        );
    }
}

/// A read that meets a swap or a removal half-way would fail a request, or answer it wrongly.
#[test]
fn readers_never_notice_the_writer() {
    let dir = MemDir::new();
    let (mut store, _) = open(&dir, SEGMENT_BYTES).expect("a sound disk");
    let is_done = AtomicBool::new(false);
    let reader = store.reader();
    std::thread::scope(|scope| {
        for seed in 1..3 {
            let (reader, is_done) = (reader.clone(), &is_done);
            scope.spawn(move || read(&reader, seed, is_done));
        }
        write(&mut store);
        is_done.store(true, Ordering::Relaxed);
    });
}

/// A snapshot that lacks a deletion but has what was deleted would restore it. Marks and swaps are
/// quick, so it takes many rounds to meet one half-way.
#[test]
fn snapshots_never_undo_a_deletion() {
    (0..800).for_each(|_| mark_under_snapshots());
}

fn mark_under_snapshots() {
    const KEYS: u16 = 40;
    let dir = MemDir::new();
    let (mut store, _) = open(&dir, 1000).expect("a sound disk");
    let mut model = Model::default();
    let mut commit = |key, tombstone| {
        let batch = model.batch(&[(key, 60, tombstone)], vec![]);
        store.commit(&batch).expect("a sound disk");
        model.apply(&batch);
        batch.entries[0].revision
    };
    let puts: Vec<_> = (0..KEYS).map(|key| commit(key, false)).collect();
    let deletes: Vec<_> = (0..KEYS).map(|key| commit(key, true)).collect();
    let is_done = AtomicBool::new(false);
    let reader = store.reader();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                let snapshot = reader.snapshot();
                let all = snapshot.scan(Revision::default(), usize::MAX, usize::MAX);
                let all = all.expect("a sound disk");
                let is_live = |r| all.binary_search_by_key(&r, |e| e.revision).is_ok();
                for (put, delete) in puts.iter().zip(&deletes) {
                    assert!(!is_live(*put) || is_live(*delete), "{put}");
                }
            }
        });
        for (n, pair) in puts.iter().zip(&deletes).enumerate() {
            let marked = store.mark_dead(&[*pair.0, *pair.1]);
            assert_eq!(marked.expect("a sound disk"), 2);
            if n % 4 == 3 {
                store.defragment();
                store.reclaim(10_000).expect("a sound disk");
            }
        }
        is_done.store(true, Ordering::Relaxed);
    });
}
