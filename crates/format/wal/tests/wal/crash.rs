//! Power lost at every operation, then every kind of damage that it can leave.
//!
//! After each crash the log must open and hold a prefix of the records that were appended: all that
//! a flush reported as durable, perhaps more of them, nothing else.

use std::ops::ControlFlow;

use disk::{Crash, Dir, Faults, MemDir};
use types::Index;
use wal::{OpenError, Options, Wal, WalError, scan};

use crate::model::*;

const CRASHES: u64 = 20;

fn crashes() -> impl Iterator<Item = Crash> {
    [Crash::LoseAll, Crash::KeepAll]
        .into_iter()
        .chain((0..CRASHES).map(Crash::Seeded))
}

/// Runs a script until it is done or the power goes; how many records were durable, and appended.
fn run(dir: &MemDir, options: Options, script: &[Group]) -> (Option<usize>, usize) {
    let Ok(mut wal) = Wal::create(dir, "wal", options, &METADATA) else {
        return (None, 0);
    };
    let (mut durable, mut appended) = (0, 0);
    for (number, group) in script.iter().enumerate() {
        append(&mut wal, group).unwrap();
        appended += group.len();
        match wal.flush(false) {
            Ok(flushed) if flushed.synced => durable = appended,
            Ok(_) => {}
            Err(WalError::Fault(_)) => return (Some(durable), appended),
            Err(WalError::Poisoned { .. }) => panic!("poisoned before a fault"),
        }
        // Prepared in time for some cuts and not for others.
        if number % 3 == 0 && wal.preparer().prepare().is_err() {
            return (Some(durable), appended);
        }
        if let Some(Step::Mark(mark)) = group.last() {
            wal.release(mark.index);
            if wal::purge(&*wal_dir(dir), 3).is_err() {
                return (Some(durable), appended);
            }
        }
    }
    (Some(durable), appended)
}

/// Opens what a crash left and compares; the log goes on from there.
fn check_survivor(survivor: &MemDir, options: Options, steps: &[Step], durable: Option<usize>) {
    let opened = Wal::open(wal_dir(survivor), options);
    let (mut wal, recovered) = match (opened, durable) {
        (Err(OpenError::NotFound { .. }), None) => return,
        (opened, _) => opened.unwrap(),
    };
    let mut found = recovered.clone();
    found.repaired = None;
    let durable = durable.unwrap_or(0);
    let kept = (durable..=steps.len())
        .find(|kept| replay(&steps[..*kept]) == found)
        .unwrap_or_else(|| {
            panic!(
                "no prefix of {} to {} records: {found:?}",
                durable,
                steps.len()
            )
        });
    // What was opened is durable, and the log can be continued.
    let index = Index(found.snapshot.index.0 + found.entries.len() as u64 + 1);
    let more = [
        Step::Entry(entry(1000, index.0, vec![7; 900])),
        Step::State(state(1000, found.state.commit.0)),
    ];
    append(&mut wal, &more).unwrap();
    assert!(wal.flush(false).unwrap().synced);
    drop(wal);
    let again = Wal::open(wal_dir(&survivor.crash(Crash::LoseAll)), options).unwrap();
    let expected = replay((steps[..kept].iter()).chain(&more));
    assert_eq!(again.1, expected);
}

fn check_cuts(seed: u64, options: Options) {
    let script = script(seed, 24);
    let steps: Vec<_> = script.concat();
    let whole = MemDir::new();
    let (durable, appended) = run(&whole, options, &script);
    assert_eq!((appended, durable.is_some()), (steps.len(), true));
    let segments = whole.list("wal").unwrap().len();
    assert!(segments >= 3, "the script crosses segments: {segments}");
    for cut_at in 1..=whole.counts().operations {
        let dir = MemDir::new();
        dir.set_faults(Faults {
            cut_at: Some(cut_at),
            ..Faults::default()
        });
        let (durable, appended) = run(&dir, options, &script);
        for crash in crashes() {
            check_survivor(&dir.crash(crash), options, &steps[..appended], durable);
        }
    }
}

/// A member that answered "durable" and forgot splits the cluster.
#[test]
fn every_operation_cut_in_prepared_segments() {
    for seed in 0..8 {
        check_cuts(seed, small(true));
    }
}

/// Where there is no room to prepare segments, files grow with every write, and lengths get lost.
#[test]
fn every_operation_cut_in_growing_segments() {
    for seed in 8..16 {
        check_cuts(seed, small(false));
    }
}

/// The power may go again while a log is being repaired.
#[test]
fn every_operation_of_a_restart_cut() {
    let options = small(true);
    let script = script(6, 12);
    let steps: Vec<_> = script.concat();
    let dir = MemDir::new();
    run(&dir, options, &script[..8]);
    let before = dir.counts().operations;
    append_unsynced(&dir, options, &script[8..], before);
    let durable: usize = script[..8].concat().len();
    for first in 0..40 {
        let torn = dir.crash(Crash::Seeded(first));
        let undisturbed = torn.crash(Crash::KeepAll);
        drop(Wal::open(wal_dir(&undisturbed), options).unwrap());
        for cut_at in 1..=undisturbed.counts().operations {
            let again = torn.crash(Crash::KeepAll);
            again.set_faults(Faults {
                cut_at: Some(cut_at),
                ..Faults::default()
            });
            assert!(Wal::open(wal_dir(&again), options).is_err());
            for crash in [Crash::LoseAll, Crash::KeepAll, Crash::Seeded(first)] {
                check_survivor(&again.crash(crash), options, &steps, Some(durable));
            }
        }
    }
}

/// Goes on with the rest of a script and leaves it un-synced: the cut hits the sync.
fn append_unsynced(dir: &MemDir, options: Options, rest: &[Group], before: u64) {
    let (mut wal, _) = Wal::open(wal_dir(dir), options).unwrap();
    append(&mut wal, &rest.concat()).unwrap();
    let opened = dir.counts().operations;
    assert!(opened > before);
    dir.set_faults(Faults {
        cut_at: Some(opened + 2),
        ..Faults::default()
    });
    assert!(wal.flush(false).is_err());
}

/// A failed write or sync leaves the disk in a state that nobody knows: no second try.
#[test]
fn a_fault_ends_the_log() {
    let group = [Step::Entry(entry(1, 1, "x")), Step::State(state(1, 0))];
    let dir = MemDir::new();
    drop(create(&dir, small(true)));
    let counts = dir.counts();
    let faults = [
        Faults {
            fail_write: Some(counts.writes + 1),
            ..Faults::default()
        },
        Faults {
            // One sync of the file and one of the directory are the opening's own.
            fail_sync: Some(counts.syncs + 3),
            ..Faults::default()
        },
        Faults {
            full_after: Some(counts.bytes),
            ..Faults::default()
        },
    ];
    for faults in faults {
        let dir = MemDir::new();
        drop(create(&dir, small(true)));
        let (mut wal, _) = Wal::open(wal_dir(&dir), small(true)).unwrap();
        dir.set_faults(faults);
        append(&mut wal, &group).unwrap();
        let Err(WalError::Fault(fault)) = wal.flush(false) else {
            panic!("{faults:?} is not noticed");
        };
        let path = "wal/0000000000000000-0000000000000000.wal";
        assert_eq!(fault.file, path);
        dir.set_faults(Faults::default());
        let poisoned = |outcome| matches!(outcome, Err(WalError::Poisoned { .. }));
        assert!(poisoned(wal.flush(false).map(drop)));
        assert!(poisoned(append(&mut wal, &group)));
        drop(wal);
        Wal::open(wal_dir(&dir), small(true)).unwrap();
    }
}

/// Losing a commit index is allowed and saves a sync; losing a vote is not.
#[test]
fn syncs_only_when_something_could_be_lost() {
    let dir = MemDir::new();
    let mut wal = create(&dir, Options::default());
    let mut check = |group: &[Step], sync, expected: (u64, u64)| {
        let before = dir.counts();
        append(&mut wal, group).unwrap();
        let flushed = wal.flush(sync).unwrap();
        let after = dir.counts();
        let done = (after.writes - before.writes, after.syncs - before.syncs);
        assert_eq!(done, expected);
        assert_eq!(flushed.synced, sync || expected.1 > 0);
    };
    let entries: Vec<_> = (1..100)
        .map(|index| Step::Entry(entry(1, index, "x")))
        .collect();
    check(&[], false, (0, 0));
    // The first one also fills the file with zeros ahead of the log.
    check(&entries, false, (2, 1));
    check(&[Step::State(state(1, 0))], false, (1, 1));
    check(&[Step::State(state(1, 5))], false, (1, 0));
    check(&[], true, (0, 1));
    check(&[], true, (0, 0));
    check(&[Step::State(state(2, 5))], false, (1, 1));
    check(&[Step::Mark(mark(1, 5))], false, (1, 1));
}

/// `--unsafe-no-fsync` must not sync anywhere, or it would not be fast.
#[test]
fn no_sync_when_told_so() {
    let dir = MemDir::new();
    let options = Options {
        sync: false,
        ..small(true)
    };
    run(&dir, options, &script(1, 24));
    drop(Wal::open(wal_dir(&dir), options).unwrap());
    // Purging syncs the removals.
    let purged = dir.counts().syncs;
    let mut records = 0;
    scan(&*wal_dir(&dir), &mut |_| {
        records += 1;
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(records > 0 && purged < 10, "{purged} syncs");
}
