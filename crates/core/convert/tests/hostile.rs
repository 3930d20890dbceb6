//! Databases that etcd did not write, or that something else wrote to.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use convert::import;
use disk::{Dir, File, MemDir, OpenMode};
use proptest::prelude::*;
use store::{Bucket, Options, Store};
use types::{Index, LeaseId, Record, RecordKey, Revision, Term};

type Pairs = Vec<(Vec<u8>, Bytes)>;

fn new_file() -> Arc<dyn File> {
    MemDir::new().open("db", OpenMode::CreateNew).unwrap()
}

/// A database of these buckets, which are in the order of their names.
fn database(buckets: &[(&str, Pairs)]) -> Arc<dyn File> {
    let file = new_file();
    let mut writer = boltfile::Writer::new(Arc::clone(&file), 4096);
    for (name, pairs) in buckets {
        let pairs = pairs.iter();
        let pairs =
            pairs.map(|(key, value)| Ok::<_, Infallible>((key.clone().into(), value.clone())));
        writer.bucket(name.as_bytes(), pairs).unwrap();
    }
    writer.finish().unwrap();
    file
}

fn key(main: i64, sub: i64, tombstone: bool) -> Vec<u8> {
    let revision = Revision::new(main, sub);
    RecordKey {
        revision,
        tombstone,
    }
    .with_bytes(<[u8]>::to_vec)
}

fn record(revision: i64) -> Record {
    Record {
        key: Bytes::from("k"),
        create_revision: revision,
        mod_revision: revision,
        version: 1,
        value: Bytes::from("v"),
        lease: LeaseId::NONE,
    }
}

fn good() -> Pairs {
    vec![
        (key(2, 0, false), record(2).encode()),
        (key(3, 0, true), Record::encode_tombstone(b"k")),
    ]
}

/// The error's text with its sources, and that nothing was left that looks whole.
fn refusal(file: Arc<dyn File>) -> String {
    let dir = MemDir::new();
    let error = import(file, Arc::new(dir.clone()), Options::default(), &mut |_| {}).unwrap_err();
    let store = Store::open(Arc::new(dir), Options::default(), &mut |_| {}).unwrap();
    assert_eq!(store.consistent_index(), (Index(0), Term(0)));
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

fn check_record(pair: (Vec<u8>, Bytes), expected: &str) {
    let mut pairs = good();
    pairs.push(pair);
    let text = refusal(database(&[("key", pairs), ("meta", Vec::new())]));
    assert_eq!(text, expected);
}

/// A record that is not what its revision says would be served as something that nobody wrote.
#[test]
fn bad_records_are_named() {
    check_record(
        (b"nonsense".to_vec(), Bytes::new()),
        r#"bucket "key": b"nonsense" is not a revision"#,
    );
    check_record(
        (key(5, 1 << 40, false), record(5).encode()),
        r#"bucket "key": b"\0\0\0\0\0\0\0\x05_\0\0\x01\0\0\0\0\0" is not a revision"#,
    );
    check_record(
        (key(5, 0, false), Bytes::from_static(&[0x0a, 9, 1])),
        r#"bucket "key": revision 5.0: bad field at byte 0 of the record"#,
    );
    check_record(
        (key(5, 0, false), record(4).encode()),
        r#"bucket "key": revision 5.0: the record says modification revision 4"#,
    );
    let strange = Record {
        create_revision: 9,
        ..record(5)
    };
    check_record(
        (key(5, 0, false), strange.encode()),
        r#"bucket "key": revision 5.0: the record says creation revision 9 and version 1"#,
    );
    check_record(
        (key(5, 0, true), Bytes::new()),
        r#"bucket "key": revision 5.0: the record has no key"#,
    );
}

/// One revision must not be a put and a deletion.
#[test]
fn a_revision_counts_once() {
    let pairs = vec![
        (key(2, 0, false), record(2).encode()),
        (key(2, 0, true), Record::encode_tombstone(b"k")),
    ];
    let text = refusal(database(&[("key", pairs), ("meta", Vec::new())]));
    assert_eq!(text, r#"bucket "key": revision 2.0 occurs twice"#);
}

/// What is not understood must not be lost in silence.
#[test]
fn only_etcds_buckets() {
    let text = refusal(database(&[("meta", Vec::new())]));
    assert_eq!(text, r#"no bucket "key": not a database of etcd"#);
    let text = refusal(database(&[
        ("key", good()),
        ("meta", Vec::new()),
        ("mine", Vec::new()),
    ]));
    assert_eq!(text, r#"unknown bucket b"mine""#);
    for (name, value) in [
        ("consistent_index", "1"),
        ("finishedCompactRev", "x"),
        ("scheduledCompactRev", ""),
        ("term", "123456789"),
    ] {
        let meta = vec![(name.as_bytes().to_vec(), Bytes::from(value))];
        let text = refusal(database(&[("key", good()), ("meta", meta)]));
        assert_eq!(
            text,
            format!("bucket \"meta\": bad value b{value:?} of {name}")
        );
    }
}

/// The mark of an offline restore is a record without a key; it makes the current revision.
#[test]
fn the_mark_of_a_restore_is_kept() {
    let mut pairs = good();
    pairs.push((key(1003, 0, false), Bytes::new()));
    let mark = Bytes::from(key(1003, 0, false));
    let meta = vec![
        (
            b"consistent_index".to_vec(),
            Bytes::from_static(&[0, 0, 0, 0, 0, 0, 0, 3]),
        ),
        (b"scheduledCompactRev".to_vec(), mark),
    ];
    let file = database(&[("key", pairs), ("meta", meta)]);
    let dir = MemDir::new();
    let imported = import(file, Arc::new(dir.clone()), Options::default(), &mut |_| {}).unwrap();
    assert_eq!(imported.current_revision, 1003);
    assert_eq!(imported.compacted_revision, 1003);
    assert_eq!(imported.consistent_index, Index(3));
    assert_eq!(imported.storage_version, None);
    let options = mvcc::Options::default();
    let (_, reader, _) = mvcc::open(Arc::new(dir), Options::default(), options).unwrap();
    assert_eq!(reader.revisions().current, 1003);
}

/// Pairs enough for a tree of several levels, and pages that run on.
fn large() -> Vec<u8> {
    let mut pairs = Pairs::new();
    for main in 2..400 {
        let value = if main % 50 == 0 { 9000 } else { 100 };
        let record = Record {
            value: vec![7; value].into(),
            ..record(main)
        };
        pairs.push((key(main, 0, false), record.encode()));
    }
    let leases = (0..200_u64).map(|id| (id.to_be_bytes().to_vec(), Bytes::from("lease")));
    let file = database(&[
        ("key", pairs),
        ("lease", leases.collect()),
        ("meta", Vec::new()),
    ]);
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Damage anywhere ends in an error or in a store, never in a panic: the directory is what an
    /// operator has, whatever happened to it.
    #[test]
    fn survives_damage(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let mut bytes = large();
        // The newer meta stays: without it there is little to look at.
        for (at, byte) in damage {
            let at = 4096 + at.index(bytes.len() - 4096);
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(4096 + cut.index(bytes.len() - 4096));
        }
        let file = new_file();
        file.write_all_at(&bytes, 0).unwrap();
        let dir: Arc<dyn Dir> = Arc::new(MemDir::new());
        if import(file, Arc::clone(&dir), Options::default(), &mut |_| {}).is_ok() {
            prop_assert!(mvcc::open(dir, Options::default(), mvcc::Options::default()).is_ok());
        }
    }
}

/// The buckets of the store are all known to the import.
#[test]
fn all_buckets_are_carried() {
    let mut names: Vec<&str> = Bucket::ALL.iter().map(|bucket| bucket.name()).collect();
    names.push("key");
    names.sort_unstable();
    let buckets: Vec<(&str, Pairs)> = names
        .iter()
        .map(|name| match *name {
            "key" => (*name, good()),
            "meta" => (*name, Vec::new()),
            _ => (*name, vec![(b"a".to_vec(), Bytes::from("b"))]),
        })
        .collect();
    let dir = MemDir::new();
    import(
        database(&buckets),
        Arc::new(dir.clone()),
        Options::default(),
        &mut |_| {},
    )
    .unwrap();
    let store = Store::open(Arc::new(dir), Options::default(), &mut |_| {}).unwrap();
    for bucket in Bucket::ALL
        .into_iter()
        .filter(|bucket| *bucket != Bucket::Meta)
    {
        assert_eq!(store.reader().bucket(bucket).len(), 1, "{}", bucket.name());
    }
}
