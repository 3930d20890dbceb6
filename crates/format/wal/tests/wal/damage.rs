//! Damage that no crash can cause is refused with file and offset, never cut off or read past.

use disk::{Dir, MemDir, OpenMode};
use wal::{Damage, OpenError, Start, Wal, read};

use crate::model::*;
use crate::tail::offsets;

const FIRST: &str = "wal/0000000000000000-0000000000000000.wal";

/// A log of twelve small entries, without a zero byte in their payloads.
fn small_log() -> MemDir {
    let dir = MemDir::new();
    let mut wal = create(&dir, small(true));
    for index in 1..13 {
        let data = vec![index as u8; 40];
        append(&mut wal, &[Step::Entry(entry(1, index, data))]).unwrap();
    }
    wal.flush(false).unwrap();
    dir
}

fn check_corrupt(dir: &MemDir, path: &str, at: u64, expected: impl Fn(&Damage) -> bool) {
    let opened = Wal::open(wal_dir(dir), small(true)).map(|(_, recovered)| recovered);
    for outcome in [opened, read(&*wal_dir(dir), Start::Newest)] {
        let Err(OpenError::Corrupt {
            file,
            offset,
            damage,
        }) = outcome
        else {
            panic!("damage at {at} is not refused: {outcome:?}");
        };
        assert_eq!((file.as_str(), offset), (path, at));
        assert!(expected(&damage), "{damage:?}");
    }
}

/// One bit of a failing disk, in the middle of acknowledged entries. To take it for the end of the
/// log would lose the entries behind it.
#[test]
fn every_flipped_bit_of_a_frame_is_refused() {
    let clean = small_log();
    let offsets = offsets(&clean);
    // From the middle of the segment, a frame that begins and ends in one sector.
    let is_whole = |at: &usize| offsets[*at] / 512 == (offsets[at + 1] - 1) / 512;
    let whole = (7..13).find(is_whole).unwrap();
    let (begin, end) = (offsets[whole], offsets[whole + 1]);
    let padding = u64::from(clean_byte(&clean, begin + 7) & 7);
    let kind = begin + 9;
    for offset in (begin..end - padding).filter(|offset| *offset != kind) {
        for bit in 0..8 {
            let dir = clean.crash(disk::Crash::KeepAll);
            dir.flip_bit(FIRST, offset, bit).unwrap();
            check_corrupt(&dir, FIRST, begin, |_| true);
        }
    }
}

fn clean_byte(dir: &MemDir, offset: u64) -> u8 {
    let mut byte = [0];
    let file = dir.open(FIRST, OpenMode::Read).unwrap();
    file.read_exact_at(&mut byte, offset).unwrap();
    byte[0]
}

/// The kind of a record is outside its checksum: an entry lost so shows as a gap behind it.
#[test]
fn flipped_kinds_are_refused() {
    let clean = small_log();
    let offsets = offsets(&clean);
    for bit in 0..8 {
        let dir = clean.crash(disk::Crash::KeepAll);
        dir.flip_bit(FIRST, offsets[9] + 9, bit).unwrap();
        assert!(Wal::open(wal_dir(&dir), small(true)).is_err());
    }
}

/// What is cut off in a segment that has a successor was durable once.
#[test]
fn older_segments_are_never_repaired() {
    let dir = MemDir::new();
    let mut wal = create(&dir, small(true));
    for index in 1..4 {
        append(&mut wal, &[Step::Entry(entry(1, index, vec![1; 3000]))]).unwrap();
        wal.flush(false).unwrap();
    }
    drop(wal);
    let last = offsets(&dir)[4];
    let file = dir.open(FIRST, OpenMode::Write).unwrap();
    let len = file.len().unwrap();
    for end in [len - 8, len - 500] {
        file.set_len(end).unwrap();
        check_corrupt(&dir, FIRST, last, |damage| *damage == Damage::Truncated);
    }
    // Cut between two records, only the checksum at the head of the next segment tells.
    file.set_len(last).unwrap();
    let next = "wal/0000000000000001-0000000000000003.wal";
    check_corrupt(&dir, next, 0, |damage| {
        matches!(damage, Damage::Checksum { .. })
    });
    dir.remove(FIRST).unwrap();
    let refused = Wal::open(wal_dir(&dir), small(true)).unwrap_err();
    assert!(matches!(refused, OpenError::MissingSnapshot { .. }));
}

/// A segment gets its name when its head is durable: an empty one was damaged.
#[test]
fn segments_without_head_are_refused() {
    let dir = small_log();
    let file = dir.open(FIRST, OpenMode::Write).unwrap();
    file.set_len(5).unwrap();
    check_corrupt(&dir, FIRST, 0, |damage| *damage == Damage::Truncated);
    file.set_len(0).unwrap();
    check_corrupt(&dir, FIRST, 0, |damage| *damage == Damage::Headless);
    file.set_len(6000).unwrap();
    check_corrupt(&dir, FIRST, 0, |damage| *damage == Damage::Headless);
}

/// Zeros that end the log cannot be followed by something in the same sector.
#[test]
fn stray_bytes_are_refused() {
    let dir = small_log();
    let last = *offsets(&dir).last().unwrap();
    let file = dir.open(FIRST, OpenMode::Write).unwrap();
    file.write_all_at(&[0; 8], last).unwrap();
    check_corrupt(&dir, FIRST, last, |damage| *damage == Damage::Stray);
}

/// CVE-2020-15106: a length that somebody made up, whatever it claims, is refused or cut off at the
/// end of the log; nothing of that size is read or allocated.
#[test]
fn cve_2020_15106_hostile_lengths() {
    let clean = small_log();
    let offsets = offsets(&clean);
    let (middle, last) = (offsets[8], offsets[offsets.len() - 2]);
    let padded = 0x8700_0000_0000_0000;
    for length in [
        1 << 20,
        1 << 40,
        (1 << 56) - 1,
        i64::MAX as u64,
        u64::MAX,
        padded | 1 << 40,
    ] {
        for at in [middle, last] {
            let dir = clean.crash(disk::Crash::KeepAll);
            let file = dir.open(FIRST, OpenMode::Write).unwrap();
            file.write_all_at(&length.to_le_bytes(), at).unwrap();
            match Wal::open(wal_dir(&dir), small(true)) {
                Err(OpenError::Corrupt { offset, .. }) => assert_eq!(offset, at),
                Ok((_, recovered)) => {
                    assert_eq!(at, last, "acknowledged entries are gone");
                    assert_eq!(recovered.repaired.unwrap().offset, at);
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
}

/// CVE-2020-15112: an entry that is missing in the middle is said, and not stepped over or read from
/// where it is not, also when a snapshot is said to stand for what went before.
#[test]
fn cve_2020_15112_gaps() {
    let is_gap = |damage: &Damage| matches!(damage, Damage::Gap { .. });
    for (first, second) in [(1, 3), (1, 1000), (1, u64::MAX)] {
        let gap = [
            Step::Entry(entry(1, first, "a")),
            Step::Entry(entry(1, second, "c")),
        ];
        check_contradiction(&gap, is_gap);
    }
    let behind_a_mark = [
        Step::Entry(entry(1, 1, "a")),
        Step::State(state(1, 1)),
        Step::Mark(mark(1, 1)),
        Step::Entry(entry(1, 9, "c")),
    ];
    check_contradiction(&behind_a_mark, is_gap);
}

/// Entries that do not follow each other, two owners, a mark with another term: all checksums are
/// right, and the log is wrong all the same.
#[test]
fn contradictions_are_refused() {
    let gap = [Step::Entry(entry(1, 1, "a")), Step::Entry(entry(1, 3, "c"))];
    check_contradiction(&gap, |damage| matches!(damage, Damage::Gap { .. }));
    let terms = [
        Step::Entry(entry(1, 1, "a")),
        Step::State(state(2, 1)),
        Step::Mark(mark(1, 1)),
        Step::Mark(mark(2, 1)),
    ];
    check_contradiction(&terms, |damage| {
        matches!(damage, Damage::SnapshotTerm { .. })
    });
}

fn check_contradiction(steps: &[Step], expected: impl Fn(&Damage) -> bool) {
    let dir = MemDir::new();
    let mut wal = create(&dir, small(true));
    append(&mut wal, steps).unwrap();
    wal.flush(false).unwrap();
    drop(wal);
    // The later of the two records is the one refused, or the first that is not the chosen one.
    let refused = Wal::open(wal_dir(&dir), small(true)).unwrap_err();
    let OpenError::Corrupt { file, damage, .. } = refused else {
        panic!("{refused}");
    };
    assert_eq!(file, FIRST);
    assert!(expected(&damage), "{damage:?}");
}

/// A segment that is missing, or of another log.
#[test]
fn foreign_segments_are_refused() {
    let dir = MemDir::new();
    let mut wal = create(&dir, small(true));
    for index in 1..7 {
        append(&mut wal, &[Step::Entry(entry(1, index, vec![1; 4000]))]).unwrap();
        wal.flush(false).unwrap();
    }
    drop(wal);
    let names = dir.list("wal").unwrap();
    dir.remove(&format!("wal/{}", names[1])).unwrap();
    let refused = Wal::open(wal_dir(&dir), small(true)).unwrap_err();
    let OpenError::MissingSegment { sequence, .. } = refused else {
        panic!("{refused}");
    };
    assert_eq!(sequence, 1);
}
