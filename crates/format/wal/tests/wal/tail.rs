//! How the end of a log looks after crashes and repairs.

use disk::{Dir, File, MemDir, OpenMode};
use std::sync::Arc;
use wal::{Damage, OpenError, Start, Wal, read, snapshots};

use crate::model::*;

const FIRST: &str = "wal/0000000000000000-0000000000000000.wal";

/// A log of five entries of 200 bytes in one segment of 6000; where each record begins.
fn five() -> (MemDir, Vec<u64>) {
    let dir = MemDir::new();
    let mut wal = create(&dir, small(true));
    for index in 1..6 {
        let data = vec![index as u8; 200];
        append(&mut wal, &[Step::Entry(entry(1, index, data))]).unwrap();
        wal.flush(false).unwrap();
    }
    drop(wal);
    (dir.clone(), offsets(&dir))
}

pub(crate) fn offsets(dir: &MemDir) -> Vec<u64> {
    let mut offsets = Vec::new();
    wal::scan(&*wal_dir(dir), &mut |item| {
        offsets.push(item.offset);
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    offsets
}

fn file(dir: &MemDir) -> Arc<dyn File> {
    dir.open(FIRST, OpenMode::Write).unwrap()
}

fn bytes(dir: &MemDir, path: &str) -> Vec<u8> {
    let file = dir.open(path, OpenMode::Read).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// Opens a log of which `entries` must be left and the rest cut off at `offset`.
fn check_repaired(dir: &MemDir, entries: usize, offset: u64, damage: &Damage) {
    let before = bytes(dir, FIRST);
    let reading = read(&*wal_dir(dir), Start::Newest).unwrap();
    assert_eq!(reading.entries.len(), entries);
    assert_eq!(bytes(dir, FIRST), before, "reading changes nothing");
    let (mut wal, recovered) = Wal::open(wal_dir(dir), small(true)).unwrap();
    assert_eq!(recovered.entries, reading.entries);
    let repair = recovered.repaired.unwrap();
    assert_eq!((repair.file.as_str(), repair.offset), (FIRST, offset));
    assert_eq!(&repair.damage, damage);
    let broken = format!("{FIRST}.broken");
    assert_eq!(bytes(dir, &broken), before, "the evidence is kept");
    let after = bytes(dir, FIRST);
    assert_eq!(after.len(), 6000);
    assert!(after[offset as usize..].iter().all(|byte| *byte == 0));
    append(&mut wal, &[Step::State(state(1, 1))]).unwrap();
    wal.flush(true).unwrap();
    drop(wal);
    let (_, again) = Wal::open(wal_dir(dir), small(true)).unwrap();
    assert_eq!((again.entries, again.repaired), (recovered.entries, None));
}

/// A file that ends inside a frame, wherever: the crash came before the file had its length.
#[test]
fn truncated_tails_are_repaired() {
    let (_, offsets) = five();
    for end in offsets[7] + 1..offsets[7] + 200 {
        let (dir, _) = five();
        file(&dir).set_len(end).unwrap();
        check_repaired(&dir, 4, offsets[7], &Damage::Truncated);
    }
}

/// The case tried on a real 3.7.1: a frame that claims 2008 bytes and has 107.
#[test]
fn frame_longer_than_the_file() {
    let (dir, offsets) = five();
    let begin = offsets[7];
    let file = file(&dir);
    let mut frame = vec![0xd8, 0x07, 0, 0, 0, 0, 0, 0];
    frame.extend([8, 2, 0x10, 0xcd, 0xc0, 0x9a, 0xcb, 8, 0x1a, 0xcd, 0x0f]);
    frame.resize(107, 1);
    file.set_len(begin).unwrap();
    file.write_all_at(&frame, begin).unwrap();
    check_repaired(&dir, 4, begin, &Damage::Truncated);
}

/// A sector that never reached the disk, in the middle of a large frame.
#[test]
fn lost_sectors_are_repaired() {
    for lost in 2..5 {
        let (dir, _) = five();
        let (mut wal, _) = Wal::open(wal_dir(&dir), small(true)).unwrap();
        append(&mut wal, &[Step::Entry(entry(1, 6, vec![6; 2500]))]).unwrap();
        wal.flush(false).unwrap();
        drop(wal);
        let begin = *offsets(&dir).last().unwrap();
        let sector = begin / 512 + lost;
        file(&dir).write_all_at(&[0; 512], sector * 512).unwrap();
        let (_, recovered) = Wal::open(wal_dir(&dir), small(true)).unwrap();
        assert_eq!(recovered.entries.len(), 5);
        assert_eq!(recovered.repaired.unwrap().offset, begin);
    }
}

/// The first sector of a write is lost and later ones are not: the log ends before, and the rest
/// must not be read as frames when the log has grown up to it.
#[test]
fn stale_frames_are_cleared() {
    let (dir, offsets) = five();
    let copy = bytes(&dir, FIRST)[offsets[7] as usize..][..400].to_vec();
    file(&dir).write_all_at(&copy, 2048).unwrap();
    let (wal, recovered) = Wal::open(wal_dir(&dir), small(true)).unwrap();
    assert_eq!((recovered.entries.len(), recovered.repaired), (5, None));
    drop(wal);
    let end = offsets[7] as usize + 232;
    assert!(bytes(&dir, FIRST)[end..].iter().all(|byte| *byte == 0));
}

/// Tools look at a log that a running server has locked.
#[test]
fn reading_needs_no_lock() {
    let (dir, _) = five();
    let (_wal, recovered) = Wal::open(wal_dir(&dir), small(true)).unwrap();
    assert_eq!(read(&*wal_dir(&dir), Start::Newest).unwrap(), recovered);
    assert_eq!(snapshots(&*wal_dir(&dir)).unwrap(), [recovered.snapshot]);
    let refused = Wal::open(wal_dir(&dir), small(true)).unwrap_err();
    let OpenError::Locked { file } = refused else {
        panic!("{refused}");
    };
    assert_eq!(file, FIRST);
}
