//! Power is lost at every operation that changes the disk, in every way the disk can lose it: what
//! is found afterwards is a prefix that includes every commit that returned.

use disk::{Crash, Faults, MemDir};
use store::{Batch, Bucket, OpenError, Store, StoreFault};

use crate::world::{Model, delete, open, put, reclaim_all};

/// Small enough that a short history rolls and reclaims several times.
const SEGMENT_BYTES: u64 = 3000;

/// What a run has achieved when the power goes.
#[derive(Default)]
struct Progress {
    /// What is committed for sure.
    committed: Model,
    /// What the commit that was under way would make of it.
    attempted: Option<Model>,
}

/// Commits, gives up, reclaims; stops at the first fault.
fn run(dir: &MemDir, progress: &mut Progress) -> Result<(), OpenError> {
    let (mut store, _) = open(dir, SEGMENT_BYTES)?;
    for round in 0..24_u16 {
        let shapes: Vec<_> = (0..round % 5 * 3)
            .map(|n| (n, usize::from(round * 37 % 256), n % 5 == 4))
            .collect();
        let mut changes = vec![put(Bucket::Lease, round, 30)];
        if round > 3 {
            changes.push(delete(Bucket::Lease, round - 3));
        }
        commit(&mut store, progress, &shapes, changes)?;
        if round % 4 == 3 {
            let keys = progress.committed.records.keys().copied();
            let dead: Vec<_> = keys.filter(|revision| revision.main % 4 > 0).collect();
            store.mark_dead(&dead)?;
            progress.committed.dead.extend(dead);
            store.reclaim(1000)?;
        }
        if round % 8 == 6 {
            store.defragment();
            reclaim_all(&mut store, 2000)?;
        }
    }
    Ok(())
}

fn commit(
    store: &mut Store,
    progress: &mut Progress,
    shapes: &[(u16, usize, bool)],
    changes: Vec<store::Change>,
) -> Result<(), StoreFault> {
    let batch = progress.committed.batch(shapes, changes);
    let mut attempted = progress.committed.clone();
    attempted.apply(&batch);
    progress.attempted = Some(attempted);
    store.commit(&batch)?;
    progress.committed = progress.attempted.take().expect("set above");
    Ok(())
}

/// Opens what a crash left and goes on with it; returns the disk after that.
fn check_recovers(dir: &MemDir, progress: &Progress) {
    let (mut store, visited) = open(dir, SEGMENT_BYTES).expect("a crash never damages");
    let found = store.consistent_index();
    let attempted = progress.attempted.as_ref();
    let mut model = match attempted.filter(|model| model.position == found) {
        Some(attempted) => attempted.clone(),
        None => progress.committed.clone(),
    };
    model.check_visited(&visited);
    let dead: Vec<_> = model.dead.iter().copied().collect();
    store.mark_dead(&dead).expect("a sound disk");
    model.check(&store.reader());
    let batch = model.batch(&[(1, 100, false), (2, 20, true)], vec![]);
    store.commit(&batch).expect("a sound disk");
    model.apply(&batch);
    reclaim_all(&mut store, 5000).expect("a sound disk");
    model.check(&store.reader());
    drop(store);
    let (mut store, _) = open(&dir.crash(Crash::LoseAll), SEGMENT_BYTES).expect("all is synced");
    store.mark_dead(&dead).expect("a sound disk");
    model.check(&store.reader());
}

fn crashes(seed: u64) -> [Crash; 5] {
    let seeded = |n| Crash::Seeded(seed * 3 + n);
    [
        Crash::LoseAll,
        Crash::KeepAll,
        seeded(0),
        seeded(1),
        seeded(2),
    ]
}

fn operations() -> u64 {
    let dir = MemDir::new();
    run(&dir, &mut Progress::default()).expect("a sound disk");
    dir.counts().operations
}

/// What was added must be whole after a commit that has nothing to write itself.
#[test]
fn added_batches_are_durable_with_the_next_commit() {
    let dir = MemDir::new();
    let (mut store, _) = open(&dir, SEGMENT_BYTES).unwrap();
    let mut model = Model::default();
    // More than a segment, and then some.
    for _ in 0..12 {
        let batch = model.batch(&[(1, 200, false), (2, 200, false)], vec![]);
        store.add(&batch).unwrap();
        model.apply(&batch);
    }
    let (consistent_index, term) = model.position;
    let nothing = Batch {
        consistent_index,
        term,
        ..Batch::default()
    };
    store.commit(&nothing).unwrap();
    let syncs = dir.counts().syncs;
    store.commit(&nothing).unwrap();
    assert_eq!(dir.counts().syncs, syncs);
    drop(store);
    let (store, visited) = open(&dir.crash(Crash::LoseAll), SEGMENT_BYTES).unwrap();
    model.check_visited(&visited);
    model.check(&store.reader());
}

/// Losing a commit that returned, or half of one that did not, would make this member differ from
/// its peers for good.
#[test]
fn cut_at_every_operation() {
    let operations = operations();
    assert!(operations > 150, "{operations}");
    for cut in 1..=operations {
        let dir = MemDir::new();
        dir.set_faults(Faults {
            cut_at: Some(cut),
            ..Faults::default()
        });
        let mut progress = Progress::default();
        assert!(run(&dir, &mut progress).is_err());
        for crash in crashes(cut) {
            check_recovers(&dir.crash(crash), &progress);
        }
    }
}

/// A crash during recovery must not turn a torn end into damage.
#[test]
fn cut_again_during_recovery() {
    for cut in (1..=operations()).step_by(3) {
        let dir = MemDir::new();
        dir.set_faults(Faults {
            cut_at: Some(cut),
            ..Faults::default()
        });
        let mut progress = Progress::default();
        let _ = run(&dir, &mut progress);
        for again in 1..8 {
            let dir = dir.crash(Crash::Seeded(cut * 100 + again));
            dir.set_faults(Faults {
                cut_at: Some(again),
                ..Faults::default()
            });
            let is_cut = open(&dir, SEGMENT_BYTES).is_err();
            check_recovers(&dir.crash(Crash::Seeded(cut + again)), &progress);
            if !is_cut {
                break;
            }
        }
    }
}

/// A write or sync that fails may have happened or not; going on after it could lose a commit.
#[test]
fn failed_write_or_sync_stops_the_store() {
    let dir = MemDir::new();
    run(&dir, &mut Progress::default()).expect("a sound disk");
    let counts = dir.counts();
    let writes = (1..=counts.writes).map(|n| Faults {
        fail_write: Some(n),
        ..Faults::default()
    });
    let syncs = (1..=counts.syncs).map(|n| Faults {
        fail_sync: Some(n),
        ..Faults::default()
    });
    let full = (0..counts.bytes).step_by(997).map(|n| Faults {
        full_after: Some(n),
        ..Faults::default()
    });
    for (seed, faults) in writes.chain(syncs).chain(full).enumerate() {
        let dir = MemDir::new();
        dir.set_faults(faults);
        let mut progress = Progress::default();
        let _ = run(&dir, &mut progress);
        dir.set_faults(Faults::default());
        check_recovers(&dir.crash(Crash::Seeded(seed as u64)), &progress);
        check_recovers(&dir, &progress);
    }
}

/// What was seen after a restart of the process must not vanish when the machine loses power: the
/// log may have been cut by then, or another member told.
#[test]
fn what_was_seen_survives() {
    for failing in 0..8 {
        let dir = MemDir::new();
        let (mut store, _) = open(&dir, SEGMENT_BYTES).expect("a sound disk");
        let mut model = Model::default();
        for _ in 0..failing {
            let batch = model.batch(&[(1, 600, false)], vec![]);
            store.commit(&batch).expect("a sound disk");
            model.apply(&batch);
        }
        dir.set_faults(Faults {
            fail_sync: Some(dir.counts().syncs + 1),
            ..Faults::default()
        });
        let batch = model.batch(&[(1, 600, false)], vec![]);
        store.commit(&batch).expect_err("the sync failed");
        drop(store);
        let (store, _) = open(&dir, SEGMENT_BYTES).expect("a sound disk");
        let seen = store.consistent_index();
        if seen != model.position {
            model.apply(&batch);
        }
        model.check(&store.reader());
        let (store, _) = open(&dir.crash(Crash::LoseAll), SEGMENT_BYTES).expect("a sound disk");
        model.check(&store.reader());
    }
}

/// Once a commit has failed nothing else may be written behind it.
#[test]
fn nothing_is_retried() {
    let dir = MemDir::new();
    let (mut store, _) = open(&dir, SEGMENT_BYTES).expect("a sound disk");
    let model = Model::default();
    let batch = model.batch(&[(1, 10, false)], vec![]);
    dir.set_faults(Faults {
        fail_sync: Some(dir.counts().syncs + 1),
        ..Faults::default()
    });
    let fault = store.commit(&batch).expect_err("the sync failed");
    let text = fault.to_string();
    assert!(
        text.contains(".seg at byte ") && text.starts_with("cannot write"),
        "{text}"
    );
    let before = dir.counts();
    assert!(matches!(store.commit(&batch), Err(StoreFault::Stopped)));
    assert!(matches!(store.reclaim(1), Err(StoreFault::Stopped)));
    assert!(matches!(store.mark_dead(&[]), Err(StoreFault::Stopped)));
    assert_eq!(dir.counts(), before);
    model.check(&store.reader());
}
