//! The model must lose what a disk can lose, and nothing that was synced: every crash test of the
//! formats rests on it.

use std::collections::BTreeSet;
use std::io::ErrorKind;

use super::*;

fn read(dir: &MemDir, path: &str) -> Vec<u8> {
    let file = dir.open(path, OpenMode::Read).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// A disk with the synced file `f` of 2048 bytes of 1, all of it overwritten with 2 since.
fn overwritten() -> (MemDir, Arc<dyn File>) {
    let dir = MemDir::new();
    let file = dir.open("f", OpenMode::CreateNew).unwrap();
    file.write_all_at(&[1; 2048], 0).unwrap();
    file.sync_data().unwrap();
    dir.sync_dir("").unwrap();
    file.write_all_at(&[2; 2048], 0).unwrap();
    (dir, file)
}

/// Losing synced bytes would fail correct programs; keeping un-synced ones would pass wrong ones.
#[test]
fn crash_decides_about_every_sector() {
    let (dir, _file) = overwritten();
    assert_eq!(read(&dir, "f"), [2; 2048]);
    assert_eq!(read(&dir.crash(Crash::LoseAll), "f"), [1; 2048]);
    assert_eq!(read(&dir.crash(Crash::KeepAll), "f"), [2; 2048]);
    let mut seen = BTreeSet::new();
    for seed in 0..1000 {
        let bytes = read(&dir.crash(Crash::Seeded(seed)), "f");
        assert_eq!(bytes, read(&dir.crash(Crash::Seeded(seed)), "f"));
        for sector in bytes.chunks(512) {
            assert!(sector.iter().all(|byte| *byte == sector[0]));
        }
        seen.insert(bytes);
    }
    assert_eq!(seen.len(), 16, "every selection of four sectors");
}

/// A file that grows can lose its length, its data, or neither.
#[test]
fn crash_decides_about_length() {
    let dir = MemDir::new();
    let file = dir.open("f", OpenMode::CreateNew).unwrap();
    dir.sync_dir("").unwrap();
    file.write_all_at(&[3; 700], 0).unwrap();
    let seen: BTreeSet<_> = (0..200)
        .map(|seed| read(&dir.crash(Crash::Seeded(seed)), "f"))
        .collect();
    assert!(seen.contains(&Vec::new()));
    assert!(seen.contains(&vec![3; 700]));
    assert!(seen.contains(&vec![0; 700]));
    assert!(seen.contains(&vec![3; 512]));
    file.sync_data().unwrap();
    for seed in 0..50 {
        assert_eq!(read(&dir.crash(Crash::Seeded(seed)), "f"), [3; 700]);
    }
}

/// Stale bytes must not come back where a file was cut and grew again.
#[test]
fn cut_content_reads_as_zeros() {
    let (dir, file) = overwritten();
    file.set_len(100).unwrap();
    file.set_len(5000).unwrap();
    let mut expected = vec![0; 5000];
    expected[..100].fill(2);
    assert_eq!(read(&dir, "f"), expected);
    file.sync_data().unwrap();
    assert_eq!(read(&dir.crash(Crash::LoseAll), "f"), expected);
}

/// A rename that was not synced may be undone, and a created name may be lost with its file.
#[test]
fn names_need_a_sync_of_their_directory() {
    let dir = MemDir::new();
    dir.create_dir_all("a/b").unwrap();
    dir.sync_dir("").unwrap();
    dir.sync_dir("a").unwrap();
    let file = dir.open("a/b/0.tmp", OpenMode::CreateNew).unwrap();
    file.write_all_at(b"x", 0).unwrap();
    file.sync_data().unwrap();
    assert!(!dir.crash(Crash::LoseAll).exists("a/b/0.tmp").unwrap());
    dir.sync_dir("a/b").unwrap();
    dir.rename("a/b/0.tmp", "a/b/f").unwrap();
    dir.remove("a/b/f").unwrap();
    let seen: BTreeSet<_> = (0..200)
        .map(|seed| dir.crash(Crash::Seeded(seed)).list("a/b").unwrap())
        .collect();
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    // Keeping only the removal leaves the old name: the steps are independent without a sync.
    assert_eq!(
        seen,
        BTreeSet::from([names(&[]), names(&["0.tmp"]), names(&["f"])])
    );
    dir.sync_dir("a/b").unwrap();
    assert!(dir.crash(Crash::LoseAll).list("a/b").unwrap().is_empty());
}

/// Each fault hits the operation that it names, once; a cut ends everything.
#[test]
fn faults_hit_what_they_name() {
    let (dir, file) = overwritten();
    let counts = dir.counts();
    assert_eq!((counts.writes, counts.syncs, counts.operations), (2, 2, 5));
    dir.set_faults(Faults {
        fail_write: Some(3),
        fail_sync: Some(3),
        full_after: Some(4096 + 1400 + 600),
        ..Faults::default()
    });
    assert!(file.write_all_at(&[4; 1400], 100).is_err());
    let torn = [&[2; 100][..], &[4; 412], &[2; 1536]].concat();
    assert_eq!(read(&dir, "f"), torn);
    assert!(file.sync_data().is_err());
    assert_eq!(read(&dir.crash(Crash::LoseAll), "f"), [1; 2048]);
    file.sync_data().unwrap();
    let full = file.write_all_at(&[5; 1024], 0).unwrap_err();
    assert_eq!(full.kind(), ErrorKind::StorageFull);
    dir.set_faults(Faults {
        cut_at: Some(dir.counts().operations + 1),
        ..Faults::default()
    });
    assert!(dir.rename("f", "g").is_err());
    assert!(dir.exists("g").is_err());
    assert!(file.len().is_err());
    assert!(dir.crash(Crash::LoseAll).exists("f").unwrap());
    assert!(dir.crash(Crash::KeepAll).exists("g").unwrap());
}

/// Two members on one directory would destroy it.
#[test]
fn locks_exclude_until_dropped() {
    let (dir, file) = overwritten();
    let other = dir.open("f", OpenMode::Write).unwrap();
    file.try_lock(LockKind::Ofd).unwrap();
    file.try_lock(LockKind::Ofd).unwrap();
    other.try_lock(LockKind::Flock).unwrap();
    let refused = other.try_lock(LockKind::Ofd).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::WouldBlock);
    drop(file);
    other.try_lock(LockKind::Ofd).unwrap();
    let after = dir.crash(Crash::KeepAll);
    let file = after.open("f", OpenMode::Write).unwrap();
    file.try_lock(LockKind::Ofd).unwrap();
}

/// A flipped bit is on the medium, not in a cache.
#[test]
fn flipped_bits_stay() {
    let (dir, _file) = overwritten();
    dir.flip_bit("f", 513, 3).unwrap();
    assert_eq!(read(&dir, "f")[513], 2 ^ 8);
    assert_eq!(read(&dir.crash(Crash::LoseAll), "f")[513], 1 ^ 8);
    assert!(dir.flip_bit("f", 2048, 0).is_err());
}
