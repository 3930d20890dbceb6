//! Bits that rot are found and named, or stand where nobody reads them; they are never served.

use disk::{Crash, Dir, MemDir, OpenMode};
use proptest::prelude::*;
use store::{Bucket, OpenError, StoreFault};

use crate::world::{Model, Visited, delete, file_len, files, open, put, read_all, reclaim_all};

const SEGMENT_BYTES: u64 = 2500;

/// A store with rewritten, sealed and active segments, and the same before its last commit.
fn build() -> (MemDir, MemDir) {
    let dir = MemDir::new();
    let (mut store, _) = open(&dir, SEGMENT_BYTES).expect("a sound disk");
    let mut model = Model::default();
    let mut before = dir.crash(Crash::KeepAll);
    for round in 0..26_u16 {
        let shapes: Vec<_> = (0..4)
            .map(|n| (n, 40 + usize::from(round), false))
            .collect();
        let mut changes = vec![put(Bucket::Members, round, 10)];
        if round > 2 {
            changes.push(delete(Bucket::Members, round - 2));
        }
        before = dir.crash(Crash::KeepAll);
        let batch = model.batch(&shapes, changes);
        store.commit(&batch).expect("a sound disk");
        model.apply(&batch);
        if round == 8 {
            let dead: Vec<_> = model.records.keys().copied().step_by(3).collect();
            store.mark_dead(&dead).expect("a sound disk");
            store.defragment();
            reclaim_all(&mut store, 1 << 20).expect("a sound disk");
        }
    }
    (dir, before)
}

/// All that can be seen of a store, or the first fault.
fn read(dir: &MemDir) -> Result<(Vec<Visited>, Model), OpenError> {
    let (store, visited) = open(dir, SEGMENT_BYTES)?;
    let reader = store.reader();
    let mut model = Model {
        newest: reader.last_revision(),
        position: reader.consistent_index(),
        buckets: crate::world::buckets(|bucket| reader.bucket(bucket)),
        ..Model::default()
    };
    for entry in read_all(&reader)? {
        model.records.insert(entry.revision, entry);
    }
    for entry in &visited {
        let found = reader.get(entry.revision)?;
        let scanned = model.records.get(&entry.revision);
        assert_eq!(found, scanned.map(|entry| entry.record.clone()));
    }
    Ok((visited, model))
}

/// Checks that a fault names the file that was damaged and a place in it.
fn check_names(error: &OpenError, name: &str, len: u64) {
    match error {
        OpenError::Fault(StoreFault::Damaged { file, offset, .. }) => {
            assert!(file.contains(name), "{file} is not {name}");
            assert!(*offset <= len, "{offset} is not in {len}");
        }
        other => panic!("{other:?}"),
    }
}

/// A wrong value that nobody notices is the worst that a database can do.
#[test]
fn every_flipped_bit_is_found_or_not_read() {
    let (dir, before) = build();
    let all = files(&dir);
    assert!(all.len() > 4, "{all:?}");
    assert!(all[0].0.ends_with("1.seg"), "one is rewritten: {all:?}");
    let (expected, model) = read(&dir.crash(Crash::KeepAll)).expect("undamaged");
    let (_, before) = read(&before).expect("undamaged");
    let newest = all.last().map(|(name, _)| name.clone());
    let mut found = 0;
    for (name, len) in &all {
        for offset in 0..*len {
            let damaged = dir.crash(Crash::KeepAll);
            let bit = (offset % 8) as u8;
            damaged.flip_bit(name, offset, bit).expect("in the file");
            match read(&damaged) {
                Err(error) => {
                    check_names(&error, name, *len);
                    found += 1;
                }
                // The last batch cannot be told from a torn one.
                Ok((_, read_back)) if Some(name) == newest.as_ref() => {
                    assert!(read_back == before, "{name} {offset}");
                    assert_eq!(file_len(&damaged, name), last_batch_begin(&dir, name));
                    assert!(offset >= last_batch_begin(&dir, name));
                }
                Ok((visited, read_back)) => {
                    assert!(visited == expected, "{name} {offset}");
                    assert!(read_back == model, "{name} {offset}");
                }
            }
        }
    }
    let bytes: u64 = all.iter().map(|(_, len)| len).sum();
    assert!(found > bytes * 2 / 3, "{found} of {bytes}");
}

/// Where the last batch of a log segment begins.
fn last_batch_begin(dir: &MemDir, name: &str) -> u64 {
    let file = dir.open(name, OpenMode::Read).expect("there");
    let mut bytes = vec![0; file.len().expect("there") as usize];
    file.read_exact_at(&mut bytes, 0).expect("there");
    let begin = bytes.windows(8).rposition(|bytes| bytes == b"mgBATCH\0");
    begin.expect("a batch") as u64
}

/// Missing files must be missed: without them old values would come back.
#[test]
fn missing_and_strange_files_are_refused() {
    let (dir, _) = build();
    let all = files(&dir);
    for (number, (name, _)) in all.iter().enumerate() {
        let dir = dir.crash(Crash::KeepAll);
        dir.remove(name).expect("there");
        let result = open(&dir, SEGMENT_BYTES);
        if number + 1 < all.len() {
            assert!(
                matches!(result, Err(OpenError::MissingSegment { .. })),
                "{name}: {result:?}"
            );
        }
    }
    let cases: [(&[&str], &str); 3] = [
        (
            &["0000000000000001-0000000000000002-0000000000000000.seg"],
            "is not the name of a segment",
        ),
        (&["x.seg"], "x.seg is not the name of a segment"),
        (
            &[
                "0000000000000001-0000000000000002-0000000000000009.seg",
                "0000000000000002-0000000000000003-0000000000000009.seg",
            ],
            "0000000000000002-0000000000000003-0000000000000009.seg overlaps",
        ),
    ];
    for (names, text) in cases {
        let dir = dir.crash(Crash::KeepAll);
        for name in names {
            dir.open(name, OpenMode::CreateNew).expect("created");
        }
        let error = open(&dir, SEGMENT_BYTES).map(|_| ()).expect_err("refused");
        assert!(error.to_string().contains(text), "{error}");
    }
}

/// A file that is cut short is as damaged as one with other bytes.
#[test]
fn cut_files_are_refused() {
    let (dir, _) = build();
    let all = files(&dir);
    for (name, len) in &all[..all.len() - 1] {
        for cut in (0..*len).step_by(97) {
            let dir = dir.crash(Crash::KeepAll);
            let file = dir.open(name, OpenMode::Write).expect("there");
            file.set_len(cut).expect("a sound disk");
            let error = open(&dir, SEGMENT_BYTES).map(|_| ()).expect_err("refused");
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}

proptest! {
    /// Bytes of any origin are an error or nothing, never a panic.
    #[test]
    fn random_files_are_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        at in 0_usize..2000,
        newest in any::<bool>(),
    ) {
        let (dir, _) = build();
        let all = files(&dir);
        let (name, _) = &all[if newest { all.len() - 1 } else { 1 }];
        let file = dir.open(name, OpenMode::Write).expect("there");
        file.write_all_at(&bytes, at as u64).expect("a sound disk");
        let _ = read(&dir);
        file.set_len(0).expect("a sound disk");
        file.write_all_at(&bytes, 0).expect("a sound disk");
        assert!(read(&dir).is_err());
    }
}
