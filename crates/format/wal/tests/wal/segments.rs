//! Cutting, preparing, releasing and purging segments.

use std::ops::ControlFlow;

use disk::{Dir, Faults, MemDir, OpenMode};
use types::{Index, Term};
use wal::{CreateError, OpenError, Options, Progress, RecordKind, Start, Wal, purge, read, scan};

use crate::model::*;

fn names(dir: &MemDir) -> Vec<String> {
    dir.list("wal").unwrap()
}

/// Fills one segment with one entry, which is flushed.
fn fill(wal: &mut Wal, index: u64) {
    let group = [
        Step::Entry(entry(1, index, vec![index as u8; 6000])),
        Step::State(state(1, index)),
    ];
    append(wal, &group).unwrap();
    assert!(wal.flush(false).unwrap().cut);
}

/// The names and heads that a real server looks for.
#[test]
fn segments_have_etcds_names_and_heads() {
    let dir = MemDir::new();
    let mut wal = create(&dir, small(true));
    fill(&mut wal, 1);
    fill(&mut wal, 2);
    let expected = [
        "0000000000000000-0000000000000000.wal",
        "0000000000000001-0000000000000002.wal",
        "0000000000000002-0000000000000003.wal",
    ];
    assert_eq!(names(&dir), expected);
    let mut kinds = Vec::new();
    scan(&*wal_dir(&dir), &mut |item| {
        kinds.push((item.file.to_owned(), item.kind));
        ControlFlow::Continue(())
    })
    .unwrap();
    let head = [RecordKind::Crc, RecordKind::Metadata, RecordKind::State];
    for name in &expected[1..] {
        let of_file = kinds.iter().filter(|(file, _)| file.ends_with(name));
        let found: Vec<_> = of_file.map(|(_, kind)| *kind).take(3).collect();
        assert_eq!(found, head);
    }
    let first = dir.open("wal/0000000000000000-0000000000000000.wal", OpenMode::Read);
    let tail = dir.open("wal/0000000000000002-0000000000000003.wal", OpenMode::Read);
    assert!(first.unwrap().len().unwrap() > 6000);
    assert_eq!(tail.unwrap().len().unwrap(), 6000);
}

/// The log thread must find the next segment ready and write nothing but its head.
#[test]
fn prepared_segments_are_used() {
    let dir = MemDir::new();
    let mut wal = create(&dir, small(true));
    let mut preparer = wal.preparer();
    assert_eq!(preparer.step().unwrap(), Progress::Working);
    assert!(names(&dir).contains(&"0.tmp".to_owned()));
    // Not ready yet: the log makes its own under the other name.
    fill(&mut wal, 1);
    assert_eq!(names(&dir).len(), 3);
    preparer.prepare().unwrap();
    assert_eq!(preparer.step().unwrap(), Progress::Ready);
    assert_eq!(wal.preparer().step().unwrap(), Progress::Ready);
    fill(&mut wal, 2);
    assert_eq!(names(&dir).len(), 3, "{:?}", names(&dir));
    preparer.prepare().unwrap();
    fill(&mut wal, 3);
    let expected = replay(&[
        Step::Entry(entry(1, 1, vec![1; 6000])),
        Step::Entry(entry(1, 2, vec![2; 6000])),
        Step::Entry(entry(1, 3, vec![3; 6000])),
        Step::State(state(1, 3)),
    ]);
    assert_eq!(read(&*wal_dir(&dir), Start::Newest).unwrap(), expected);
}

/// A full disk must not stop a log that still has room in its segment.
#[test]
fn a_failed_preparation_does_no_harm() {
    let dir = MemDir::new();
    let mut wal = create(&dir, small(true));
    let mut preparer = wal.preparer();
    dir.set_faults(Faults {
        full_after: Some(dir.counts().bytes + 100),
        ..Faults::default()
    });
    assert!(preparer.prepare().is_err());
    dir.set_faults(Faults::default());
    fill(&mut wal, 1);
    preparer.prepare().unwrap();
    fill(&mut wal, 2);
    // A preparer that goes away gives its name back.
    let mut other = wal.preparer();
    assert_eq!(other.step().unwrap(), Progress::Working);
    drop(other);
    preparer.prepare().unwrap();
    fill(&mut wal, 3);
    assert_eq!(names(&dir).len(), 4);
}

/// A purge must not take what a restart needs.
#[test]
fn purge_stops_at_what_is_needed() {
    let dir = MemDir::new();
    let mut wal = create(&dir, small(true));
    for index in 1..6 {
        fill(&mut wal, index);
    }
    assert_eq!(names(&dir).len(), 6);
    assert!(purge(&*wal_dir(&dir), 2).unwrap().is_empty());
    append(&mut wal, &[Step::Mark(mark(1, 3))]).unwrap();
    wal.flush(false).unwrap();
    // Segments begin at 0, 2, 3, 4, 5, 6. As in etcd, one more than needed is kept.
    wal.release(Index(3));
    assert!(purge(&*wal_dir(&dir), 0).unwrap().is_empty());
    assert_eq!(
        purge(&*wal_dir(&dir), 2).unwrap(),
        ["0000000000000000-0000000000000000.wal"]
    );
    drop(wal);
    let (mut wal, recovered) = Wal::open(wal_dir(&dir), small(true)).unwrap();
    assert_eq!(recovered.snapshot, mark(1, 3));
    let indexes: Vec<_> = recovered.entries.iter().map(|e| e.index.0).collect();
    assert_eq!(indexes, [4, 5]);
    // A restart holds only what it read.
    assert_eq!(purge(&*wal_dir(&dir), 1).unwrap().len(), 1);
    wal.release(Index(100));
    assert_eq!(purge(&*wal_dir(&dir), 1).unwrap().len(), 3);
    assert_eq!(names(&dir).len(), 1);
}

/// Which mark a restart takes, and that the caller can take an older one.
#[test]
fn marks() {
    let dir = MemDir::new();
    let mut wal = create(&dir, small(true));
    let steps = [
        Step::Entry(entry(1, 1, "a")),
        Step::Entry(entry(1, 2, "b")),
        Step::Mark(mark(1, 1)),
        Step::Mark(mark(1, 2)),
        Step::State(state(1, 1)),
    ];
    append(&mut wal, &steps).unwrap();
    wal.flush(false).unwrap();
    let read = |start| read(&*wal_dir(&dir), start);
    // The mark at 2 is not known to be committed.
    assert_eq!(read(Start::Newest).unwrap(), replay(&steps));
    assert_eq!(read(Start::Newest).unwrap().snapshot, mark(1, 1));
    let all = read(Start::At(Index(0), Term(0))).unwrap();
    assert_eq!(all.entries.len(), 2);
    let none = read(Start::At(Index(5), Term(1)));
    assert!(matches!(none, Err(OpenError::MissingSnapshot { .. })));
}

/// Bootstrap must not run over a log.
#[test]
fn create_refuses_an_existing_log() {
    let dir = MemDir::new();
    let missing = Wal::open(wal_dir(&dir), small(true));
    assert!(matches!(missing, Err(OpenError::NotFound { .. })));
    assert!(!wal::exists(&*wal_dir(&dir)).unwrap());
    dir.create_dir_all("wal").unwrap();
    dir.open("wal/0.tmp", OpenMode::CreateNew).unwrap();
    let missing = Wal::open(wal_dir(&dir), small(true));
    assert!(matches!(missing, Err(OpenError::NotFound { .. })));
    drop(create(&dir, small(true)));
    assert!(wal::exists(&*wal_dir(&dir)).unwrap());
    let again = Wal::create(&dir, "wal", small(true), &METADATA);
    assert!(matches!(again, Err(CreateError::Exists { .. })));
}

/// Blocks are allocated ahead of the log, so that most syncs write data only.
#[test]
fn sparse_segments_are_filled_ahead() {
    let dir = MemDir::new();
    let mut wal = create(&dir, Options::default());
    let mut longer = 0;
    for index in 1..2000 {
        let before = dir.counts().bytes;
        append(&mut wal, &[Step::Entry(entry(1, index, vec![1; 500]))]).unwrap();
        let flushed = wal.flush(false).unwrap();
        if dir.counts().bytes - before > flushed.bytes {
            longer += 1;
        }
    }
    assert_eq!(longer, 5, "the first one, then one in 256 KiB");
}
