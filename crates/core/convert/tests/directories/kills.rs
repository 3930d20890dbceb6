//! A takeover that is killed, at every operation that changes the disk.

use disk::{Crash, Dir, Faults, MemDir};

use crate::world::{etcds, find, ours, take};

/// Nothing may be different on the way to etcd and back: ids, revisions, leases, entries that are
/// not applied yet.
#[test]
fn there_and_back_again() {
    let start = MemDir::new();
    ours(&start);
    let mut expected = find(&start);
    let taken = etcds();
    let outcome = take(&taken).unwrap().unwrap();
    assert_eq!(
        outcome.imported.current_revision,
        expected.hash.hash_revision
    );
    // The log for etcd says that what was applied is committed.
    expected.state.commit = crate::world::APPLIED;
    assert_eq!(find(&taken), expected);
    assert!(taken.exists("member/snap/db.etcd").unwrap());
    assert!(!taken.exists("member/snap/db").unwrap());
    assert!(take(&taken).unwrap().is_none());
}

/// Whatever moment the machine dies at, the next start finishes the takeover with everything.
#[test]
fn cut_at_every_operation() {
    let whole = etcds();
    let before = whole.counts().operations;
    take(&whole).unwrap();
    let operations = whole.counts().operations - before;
    let expected = find(&whole);
    assert!(operations > 10, "{operations}");
    for cut in 1..=operations {
        let disk = etcds();
        disk.set_faults(Faults {
            cut_at: Some(disk.counts().operations + cut),
            ..Faults::default()
        });
        assert!(take(&disk).is_err(), "{cut}");
        for crash in [
            Crash::LoseAll,
            Crash::KeepAll,
            Crash::Seeded(cut),
            Crash::Seeded(cut * 1000),
        ] {
            let disk = disk.crash(crash);
            // A second kill, in the attempt to go on.
            disk.set_faults(Faults {
                cut_at: Some(disk.counts().operations + 1 + cut % 7),
                ..Faults::default()
            });
            let _ = take(&disk);
            let disk = disk.crash(crash);
            take(&disk).unwrap();
            assert_eq!(find(&disk), expected, "{cut} {crash:?}");
            let kept =
                ["member/snap/db", "member/snap/db.etcd"].map(|path| disk.exists(path).unwrap());
            assert_eq!(kept, [false, true], "{cut} {crash:?}");
        }
    }
}

/// A full disk must leave the operator with what he had.
#[test]
fn a_full_disk_changes_nothing() {
    let disk = etcds();
    disk.set_faults(Faults {
        full_after: Some(disk.counts().bytes + 3000),
        ..Faults::default()
    });
    assert!(take(&disk).is_err());
    assert!(disk.exists("member/snap/db").unwrap());
    assert!(!disk.exists("member/store").unwrap());
    assert!(!disk.exists("member/store.new").unwrap());
    disk.set_faults(Faults::default());
    assert!(take(&disk).unwrap().is_some());
}
