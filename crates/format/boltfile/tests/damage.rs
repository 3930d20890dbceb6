//! Damaged files: never a panic, never a silent difference that the check can see.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::convert::Infallible;
use std::sync::Arc;

use boltfile::{OpenError, PageFault, ReadError, Reader, Writer};
use bytes::Bytes;
use disk::{Dir, File, MemDir, OpenMode};
use proptest::prelude::*;

const PAGE: usize = 1024;

/// Three buckets: a tree of two levels with an overflowing value, an inline one, an empty one.
fn image() -> Vec<u8> {
    let file = file(&[]);
    let mut writer = Writer::new(file.clone(), 1024);
    let pairs = (0..400_u32).map(|number| {
        let size = if number == 100 { 3000 } else { 30 };
        let key = Bytes::copy_from_slice(&number.to_be_bytes());
        Ok::<_, Infallible>((key, Bytes::from(vec![7; size])))
    });
    writer.bucket(b"a", pairs).unwrap();
    let small = [Ok::<_, Infallible>((Bytes::from("k"), Bytes::from("v")))];
    writer.bucket(b"b", small).unwrap();
    writer.bucket::<Infallible>(b"c", []).unwrap();
    let len = writer.finish().unwrap().bytes();
    let mut bytes = vec![0; usize::try_from(len).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

fn file(bytes: &[u8]) -> Arc<dyn File> {
    let file = MemDir::new().open("db", OpenMode::CreateNew).unwrap();
    file.write_all_at(bytes, 0).unwrap();
    file
}

/// Reads whatever can be read; the tests are about not panicking and ending.
fn read_all(bytes: &[u8]) -> Option<usize> {
    let reader = Reader::open(file(bytes)).ok()?;
    let faults = reader.check();
    for (_, bucket) in reader.buckets().unwrap_or_default() {
        let items = bucket.items();
        let count = items.filter_map(Result::ok).count();
        assert!(count <= bytes.len());
        for key in [&b""[..], b"k", &[0, 0, 0, 100], &[255; 9]] {
            let _ = bucket.get(key);
        }
    }
    Some(faults.len())
}

fn faults_of(bytes: &[u8]) -> Vec<(u64, PageFault)> {
    let reader = Reader::open(file(bytes)).unwrap();
    let faults = reader.check().into_iter();
    faults
        .map(|error| match error {
            ReadError::Page { page, fault } => (page, fault),
            ReadError::File { page, source } => panic!("page {page}: {source}"),
        })
        .collect()
}

/// The root of bucket `a`, and the first and second of its leaves.
fn pages(image: &[u8]) -> (usize, usize, usize) {
    let number = |at: usize| u64::from_le_bytes(image[at..at + 8].try_into().unwrap()) as usize;
    let buckets = number(32) * PAGE;
    let root = number(buckets + 16 + 3 * 16 + 1);
    let child = |index: usize| number(root * PAGE + 16 + 16 * index + 8);
    (root, child(0), child(1))
}

fn patched(at: usize, patch: &[u8]) -> Vec<u8> {
    let mut bytes = image();
    bytes[at..at + patch.len()].copy_from_slice(patch);
    bytes
}

/// The operator must learn which page is bad, or cannot tell a bad disk from a bad program.
#[test]
fn faults_name_their_page() {
    let whole = image();
    assert_eq!(faults_of(&whole), []);
    let (root, first, second) = pages(&whole);
    let check = |at: usize, patch: &[u8], page: usize, fault: PageFault| {
        let found = faults_of(&patched(at, patch));
        assert_eq!(found.first(), Some(&(page as u64, fault)));
        assert!(read_all(&patched(at, patch)).unwrap() > 0);
    };
    let high_water = (whole.len() / PAGE) as u64;
    let at = first * PAGE;
    check(at, &[99], first, PageFault::Id { found: 99 });
    check(at + 8, &[4], first, PageFault::Kind { flags: 4 });
    check(at + 10, &[255, 1], first, PageFault::Count { count: 511 });
    check(at + 10, &[0, 0], first, PageFault::Empty);
    let bounds = PageFault::OutOfBounds { high_water };
    check(at + 14, &[1], first, bounds);
    check(at + 16 + 5, &[4], first, PageFault::Element { index: 0 });
    check(at + 32 + 4, &[1], first, PageFault::Element { index: 1 });
    let flags = PageFault::Flags { index: 0, flags: 1 };
    check(at + 16, &[1], first, flags);
    let order = |index| PageFault::KeyOrder { index };
    check(root * PAGE + 16 + 16 + 4, &[0], root, order(1));
    let child = root * PAGE + 16 + 16 + 8;
    check(
        child,
        &(first as u64).to_le_bytes(),
        first,
        PageFault::Shared,
    );
    check(child, &(root as u64).to_le_bytes(), root, PageFault::Shared);
    check(child, &u64::MAX.to_le_bytes(), u64::MAX as usize, bounds);
    check(child, &[0; 8], 0, bounds);
    let last_key = PAGE * second - 1;
    assert!(last_key > at);
    // A leaf key below what the parent promises.
    let keys = second * PAGE + 16;
    let count = usize::from(whole[second * PAGE + 10]);
    check(keys + 16 * count + 2, &[0, 0], second, order(0));
}

/// Half a file or a text file must be refused at once, not read as an empty database.
#[test]
fn what_is_no_database_does_not_open() {
    let whole = image();
    let open = |bytes: &[u8]| Reader::open(file(bytes)).err();
    assert!(matches!(open(b""), Some(OpenError::NotBolt)));
    assert!(matches!(open(&[0; 8192]), Some(OpenError::NotBolt)));
    let cut = &whole[..whole.len() - 1];
    assert!(matches!(open(cut), Some(OpenError::Truncated { .. })));
    let mut long = whole.clone();
    long.extend_from_slice(&[9; 32]);
    assert!(open(&long).is_none());
}

/// bbolt keeps two metas so that a torn write of one costs nothing.
#[test]
fn one_meta_is_enough() {
    for at in [20, PAGE + 20] {
        let bytes = patched(at, &[9]);
        assert_eq!(faults_of(&bytes), [], "{at}");
    }
    let mut bytes = patched(20, &[9]);
    bytes[PAGE + 70] ^= 1;
    assert!(matches!(
        Reader::open(file(&bytes)),
        Err(OpenError::NotBolt)
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// A backup from a bad disk must not take the program down with it.
    #[test]
    fn flipped_bytes(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = image();
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        read_all(&bytes);
    }

    /// The same where every byte matters: in headers and elements.
    #[test]
    fn flipped_structure(flips in prop::collection::vec((any::<prop::sample::Index>(), 0..80_usize, any::<u8>()), 1..6)) {
        let mut bytes = image();
        for (page, at, value) in flips {
            let page = 2 + page.index(bytes.len() / PAGE - 2);
            bytes[page * PAGE + at] = value;
        }
        read_all(&bytes);
    }

    /// Noise behind valid metas is the worst a file can be.
    #[test]
    fn noise(seed in prop::collection::vec(any::<u8>(), 64)) {
        let mut bytes = image();
        for (at, byte) in bytes[2 * PAGE..].iter_mut().enumerate() {
            if at % PAGE >= 12 {
                *byte = seed[at * 7 % 64] & 0x0f;
            }
        }
        read_all(&bytes);
    }
}
