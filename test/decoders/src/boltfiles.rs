//! Database files in bbolt's format.

use std::convert::Infallible;

use boltfile::{Reader, Writer};
use bytes::Bytes;
use disk::{Dir as _, MemDir, OpenMode};

use crate::files;

const PAGE_BYTES: u32 = 1024;

/// Checks a file and reads all that it holds.
pub(crate) fn read(bytes: &[u8]) {
    let disk = MemDir::new();
    let file = files::write(&disk, "db", bytes);
    let Ok(reader) = Reader::open(file) else {
        return;
    };
    let faults = reader.check();
    let mut pairs = 0_usize;
    let mut is_whole = true;
    for (_, bucket) in reader.buckets().unwrap_or_default() {
        // A damaged file may loop through its pages: the reader must see that itself.
        for item in bucket.items() {
            pairs += 1;
            assert!(pairs <= bytes.len(), "more pairs than bytes");
            let Ok((key, value)) = item else {
                is_whole = false;
                break;
            };
            if faults.is_empty() {
                assert_eq!(bucket.get(&key).ok().flatten(), Some(value), "{key:?}");
            }
        }
    }
    assert!(
        is_whole || !faults.is_empty(),
        "the check has missed a fault"
    );
}

/// A file with two buckets, one of them of several pages.
pub(crate) fn sample() -> Vec<u8> {
    let disk = MemDir::new();
    let file = disk.open("db", OpenMode::CreateNew).expect("a file");
    let mut writer = Writer::new(file, PAGE_BYTES);
    let pair = |number: u32| {
        let key = Bytes::from(number.to_be_bytes().to_vec());
        Ok::<_, Infallible>((key, Bytes::from(vec![b'v'; 60])))
    };
    writer.bucket(b"key", (0..40).map(pair)).expect("a bucket");
    writer.bucket(b"meta", (0..2).map(pair)).expect("a bucket");
    writer.finish().expect("a file");
    files::read(&disk, "db")
}
