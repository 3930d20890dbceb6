//! What is written is read back, whatever its shape, and passes the check.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use boltfile::{OpenError, Outline, PAGE_SIZE, Reader, WriteError, Writer};
use bytes::Bytes;
use disk::{Crash, Dir, Faults, File, MemDir, OpenMode};
use proptest::prelude::*;

type Buckets = BTreeMap<Bytes, BTreeMap<Bytes, Bytes>>;

fn new_file(dir: &MemDir) -> Arc<dyn File> {
    dir.open("db", OpenMode::CreateNew).unwrap()
}

fn write(file: &Arc<dyn File>, page_size: u32, buckets: &Buckets) -> Result<u64, WriteError> {
    Ok(fill(Writer::new(file.clone(), page_size), buckets)?.bytes())
}

fn fill(mut writer: Writer<'_>, buckets: &Buckets) -> Result<Outline, WriteError> {
    for (name, pairs) in buckets {
        let items = pairs
            .iter()
            .map(|(key, value)| Ok((key.clone(), value.clone())));
        writer.bucket(name, items)?;
    }
    writer.finish()
}

fn read(reader: &Reader) -> Buckets {
    let buckets = reader.buckets().unwrap();
    buckets
        .into_iter()
        .map(|(name, bucket)| (name, bucket.items().map(Result::unwrap).collect()))
        .collect()
}

fn whole(file: &Arc<dyn File>) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// What is handed over is the file, byte by byte.
fn check_streamed(page_size: u32, buckets: &Buckets, file: &[u8]) {
    let outline = fill(Writer::measure(page_size), buckets).unwrap();
    assert_eq!(outline.bytes(), file.len() as u64);
    let mut bytes = Vec::new();
    let writer = Writer::stream(outline, &mut bytes).unwrap();
    assert_eq!(fill(writer, buckets).unwrap(), outline);
    assert!(bytes == file, "another database of {} bytes", bytes.len());
}

fn check(page_size: u32, buckets: &Buckets) {
    let file = new_file(&MemDir::new());
    let total = write(&file, page_size, buckets).unwrap();
    assert_eq!(file.len().unwrap(), total);
    let reader = Reader::open(file.clone()).unwrap();
    assert_eq!((reader.size(), reader.page_size()), (total, page_size));
    let faults = reader.check();
    assert!(faults.is_empty(), "{faults:?}");
    check_streamed(page_size, buckets, &whole(&file));
    assert_eq!(&read(&reader), buckets);
    for (name, pairs) in buckets {
        let bucket = reader.bucket(name).unwrap().unwrap();
        for (key, value) in pairs {
            assert_eq!(bucket.get(key).unwrap().as_ref(), Some(value));
        }
        let mut beyond = pairs.keys().next_back().map_or(vec![], |key| key.to_vec());
        beyond.push(0);
        assert_eq!(bucket.get(&beyond).unwrap(), None);
    }
    assert!(reader.bucket(b"no such bucket").unwrap().is_none());
}

fn bytes(range: std::ops::Range<usize>) -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), range).prop_map(Bytes::from)
}

fn buckets() -> impl Strategy<Value = Buckets> {
    let small = (bytes(1..40), bytes(0..60));
    let large = (bytes(1..900), bytes(0..6000));
    let pair = prop_oneof![20 => small, 1 => large];
    let pairs = prop_oneof![
        prop::collection::btree_map(bytes(1..8), bytes(0..8), 0..6),
        prop::collection::vec(pair, 0..400).prop_map(|pairs| pairs.into_iter().collect()),
    ];
    prop::collection::btree_map(bytes(1..10), pairs, 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// A snapshot that loses or mixes up a pair is a backup that lies.
    #[test]
    fn random_buckets(buckets in buckets(), page_size in prop::sample::select(vec![1024, 4096, 65536])) {
        check(page_size, &buckets);
    }
}

/// Levels of branches, and the largest bucket names that share no leaf.
#[test]
fn deep_trees() {
    let mut pairs = BTreeMap::new();
    for number in 0..60_000_u64 {
        let mut key = number.to_be_bytes().to_vec();
        key.resize(40 + (number % 50) as usize, b'x');
        pairs.insert(Bytes::from(key), Bytes::from(number.to_string()));
    }
    let name = |number: u64| Bytes::from(format!("{number:0600}"));
    let mut buckets: Buckets = (0..50)
        .map(|number| (name(number), BTreeMap::new()))
        .collect();
    buckets.insert(name(50), pairs);
    check(1024, &buckets);
    check(4096, &Buckets::new());
}

/// Seeking must land on the first key that is not below, at every edge of every page.
#[test]
fn items_from_a_key() {
    let key = |number: u32| Bytes::copy_from_slice(&(number * 2).to_be_bytes());
    let pairs: BTreeMap<_, _> = (1..5000)
        .map(|number| (key(number), Bytes::new()))
        .collect();
    let file = new_file(&MemDir::new());
    write(&file, 1024, &[(Bytes::from("b"), pairs)].into()).unwrap();
    let bucket = Reader::open(file).unwrap().bucket(b"b").unwrap().unwrap();
    for start in 0..10_000_u32 {
        let first = bucket.items_from(&start.to_be_bytes()).unwrap().next();
        let found = first.map(|pair| pair.unwrap().0);
        let expect = (start.div_ceil(2).max(1) < 5000).then(|| key(start.div_ceil(2).max(1)));
        assert_eq!(found, expect, "{start}");
    }
}

/// The inline form of a small bucket, byte for byte as a real database has it.
#[test]
fn inline_bucket_matches_bbolt() {
    let pairs = [
        (Bytes::from("authEnabled"), Bytes::from_static(b"\0")),
        (
            Bytes::from("authRevision"),
            Bytes::from_static(b"\0\0\0\0\0\0\0\x08"),
        ),
    ];
    let buckets: Buckets = [(Bytes::from("auth"), pairs.into())].into();
    let file = new_file(&MemDir::new());
    let total = write(&file, PAGE_SIZE, &buckets).unwrap();
    assert_eq!(total, 3 * u64::from(PAGE_SIZE));
    let mut page = [0; 16 + 16 + 4 + 96];
    file.read_exact_at(&mut page, 2 * u64::from(PAGE_SIZE))
        .unwrap();
    let hex: String = page[36..]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(
        hex,
        "00000000000000000000000000000000\
         00000000000000000200020000000000\
         00000000200000000b00000001000000\
         000000001c0000000c00000008000000\
         61757468456e61626c65640061757468\
         5265766973696f6e0000000000000008"
    );
}

/// Keys that do not ascend would make a file that bbolt reads wrongly without noticing.
#[test]
fn refuses_what_bbolt_cannot_read() {
    let file = new_file(&MemDir::new());
    let mut writer = Writer::new(file, PAGE_SIZE);
    let mut bucket = |name: &[u8], keys: &[&'static [u8]]| {
        let items = keys
            .iter()
            .map(|key| Ok::<_, Infallible>((Bytes::from_static(key), Bytes::new())));
        writer.bucket(name, items)
    };
    assert!(bucket(b"b", &[b"a", b"b"]).is_ok());
    for (name, keys) in [
        (&b"c"[..], &[&b"b"[..], b"a"][..]),
        (b"c", &[b"a", b"a"]),
        (b"c", &[b""]),
        (b"a", &[]),
        (b"", &[]),
    ] {
        let refused = bucket(name, keys);
        assert!(
            matches!(refused, Err(WriteError::Order { .. })),
            "{refused:?}"
        );
    }
    let refused = bucket(b"c", &[&[0; 40_000]]);
    assert!(matches!(refused, Err(WriteError::TooLarge { .. })));
}

/// The metas would lie about what follows them.
#[test]
fn a_stream_of_other_pairs_is_refused() {
    let buckets = |len| {
        let pairs = BTreeMap::from([(Bytes::from_static(b"k"), Bytes::from(vec![7; len]))]);
        Buckets::from([(Bytes::from_static(b"b"), pairs)])
    };
    let outline = fill(Writer::measure(PAGE_SIZE), &buckets(3000)).unwrap();
    let mut bytes = Vec::new();
    let writer = Writer::stream(outline, &mut bytes).unwrap();
    let refused = fill(writer, &buckets(5000));
    assert!(
        matches!(refused, Err(WriteError::Changed { .. })),
        "{refused:?}"
    );
}

/// A taker that goes away ends the work, wherever it is.
#[test]
fn a_taker_that_goes_away_is_named() {
    let pairs = (0..1000_u32).map(|key| (Bytes::from(key.to_be_bytes().to_vec()), Bytes::new()));
    let buckets = Buckets::from([(Bytes::from_static(b"b"), pairs.collect())]);
    let outline = fill(Writer::measure(PAGE_SIZE), &buckets).unwrap();
    let len = usize::try_from(outline.bytes()).unwrap();
    for room in [0, 5000, len - 1] {
        let mut bytes = vec![0; room];
        let mut taker = &mut bytes[..];
        let begun = Writer::stream(outline, &mut taker);
        let refused = begun.and_then(|writer| fill(writer, &buckets));
        assert!(matches!(refused, Err(WriteError::File { .. })), "{room}");
    }
}

/// A backup that was cut off at any point must never look like a whole one.
#[test]
fn an_unfinished_file_does_not_open() {
    let pairs: BTreeMap<_, _> = (0..40_000_u32)
        .map(|number| {
            (
                Bytes::copy_from_slice(&number.to_be_bytes()),
                Bytes::from(vec![7; 60]),
            )
        })
        .collect();
    let buckets: Buckets = [(Bytes::from("key"), pairs)].into();
    let whole = MemDir::new();
    write(&new_file(&whole), PAGE_SIZE, &buckets).unwrap();
    let operations = whole.counts().operations;
    for cut in 2..=operations {
        let dir = MemDir::new();
        let file = new_file(&dir);
        dir.sync_dir("").unwrap();
        dir.set_faults(Faults {
            cut_at: Some(cut + 1),
            ..Faults::default()
        });
        let written = write(&file, PAGE_SIZE, &buckets);
        assert!(matches!(written, Err(WriteError::File { .. })));
        for seed in 0..10 {
            let found = dir
                .crash(Crash::Seeded(seed))
                .open("db", OpenMode::Read)
                .unwrap();
            match Reader::open(found) {
                Ok(reader) => {
                    // One of the two metas is enough, and the pages were synced before.
                    assert!(cut >= operations - 2, "opens after operation {cut}");
                    assert!(reader.check().is_empty());
                    assert_eq!(read(&reader), buckets);
                }
                Err(error) => assert!(matches!(error, OpenError::NotBolt), "{error:?}"),
            }
        }
    }
}
