//! A store on a simulated disk together with a model of what it must hold.
#![expect(
    clippy::unwrap_used,
    reason = "a failure here is a failure of the test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use disk::{Dir, File, MemDir, OpenMode};
use store::{Batch, Bucket, Change, Entry, OpenError, Options, Reader, Store, StoreFault};
use types::{Index, LeaseId, Record, Revision, Term};

/// What the store must hold; each commit makes another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Model {
    pub(crate) records: BTreeMap<Revision, Entry>,
    pub(crate) dead: BTreeSet<Revision>,
    pub(crate) buckets: BTreeMap<(Bucket, Bytes), Bytes>,
    pub(crate) newest: Revision,
    pub(crate) position: (Index, Term),
}

/// The directory entry as the caller keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Visited {
    pub(crate) revision: Revision,
    pub(crate) tombstone: bool,
    pub(crate) key: Vec<u8>,
    pub(crate) create_revision: i64,
    pub(crate) version: i64,
    pub(crate) lease: LeaseId,
    pub(crate) record_len: u32,
}

impl Model {
    pub(crate) fn apply(&mut self, batch: &Batch) {
        for entry in &batch.entries {
            self.records.insert(entry.revision, entry.clone());
            self.newest = entry.revision;
        }
        for change in &batch.changes {
            let key = (change.bucket, change.key.clone());
            match &change.value {
                Some(value) => self.buckets.insert(key, value.clone()),
                None => self.buckets.remove(&key),
            };
        }
        self.position = (batch.consistent_index, batch.term);
    }

    pub(crate) fn live(&self) -> Vec<Entry> {
        let live = self.records.values();
        live.filter(|entry| !self.dead.contains(&entry.revision))
            .cloned()
            .collect()
    }

    /// A record made of a few numbers.
    pub(crate) fn entry(main: i64, sub: i64, key: u16, len: usize, tombstone: bool) -> Entry {
        let key = format!("key/{key}").into_bytes();
        let record = if tombstone {
            Record::encode_tombstone(&key)
        } else {
            let record = Record {
                key: key.into(),
                create_revision: main - main % 7,
                mod_revision: main,
                version: main % 7 + 1,
                value: vec![(main % 251) as u8; len].into(),
                lease: LeaseId(if main % 3 == 0 { main << 40 } else { 0 }),
            };
            record.encode()
        };
        Entry {
            revision: Revision::new(main, sub),
            tombstone,
            record,
        }
    }

    /// The next batch: `shapes` are key, value length and whether the key is deleted; every third
    /// record shares its main revision with the one before.
    pub(crate) fn batch(&self, shapes: &[(u16, usize, bool)], changes: Vec<Change>) -> Batch {
        let mut at = self.newest;
        let entries = shapes.iter().map(|(key, len, tombstone)| {
            at = match at {
                Revision { main, sub } if main % 3 == 2 && sub < 2 => Revision::new(main, sub + 1),
                Revision { main, .. } => Revision::new(main + 1, 0),
            };
            Self::entry(at.main, at.sub, *key, *len, *tombstone)
        });
        Batch {
            entries: entries.collect(),
            changes,
            consistent_index: Index(self.position.0.0 + 1),
            term: Term(self.position.0.0 / 10 + 1),
        }
    }

    /// Compares everything that can be read; dead records may be there or not.
    pub(crate) fn check(&self, reader: &Reader) {
        assert_eq!(reader.last_revision(), self.newest);
        assert_eq!(reader.consistent_index(), self.position);
        assert_eq!(read_all(reader).unwrap(), self.live());
        for (revision, entry) in &self.records {
            let found = reader.get(*revision).unwrap();
            if found.is_some() || !self.dead.contains(revision) {
                assert_eq!(found.as_ref(), Some(&entry.record), "{revision}");
            }
        }
        let after = Revision::new(self.newest.main, self.newest.sub + 1);
        assert_eq!(reader.get(after).unwrap(), None);
        self.check_many(reader);
        assert_eq!(self.buckets, buckets(|bucket| reader.bucket(bucket)));
        let (index, term) = self.position;
        let index = (index != Index(0)).then(|| Bytes::copy_from_slice(&index.0.to_be_bytes()));
        let term = (term != Term(0)).then(|| Bytes::copy_from_slice(&term.0.to_be_bytes()));
        assert_eq!(reader.bucket_get(Bucket::Meta, b"consistent_index"), index);
        assert_eq!(reader.bucket_get(Bucket::Meta, b"term"), term);
    }

    /// Many records read at once are what each one is: scattered or together, there or not, in any
    /// order and wanted twice.
    fn check_many(&self, reader: &Reader) {
        for every in [1, 2, 7, 40] {
            let mut wanted: Vec<_> = self.records.keys().copied().step_by(every).collect();
            wanted.extend([0, 1, i64::MAX].map(|sub| Revision::new(self.newest.main, sub)));
            wanted.extend([Revision::default(), Revision::new(3, 9)]);
            wanted.extend_from_within(..wanted.len().min(3));
            let middle = wanted.len() / 2;
            wanted.rotate_left(middle);
            let each: Result<Vec<_>, _> = wanted.iter().map(|r| reader.get(*r)).collect();
            assert_eq!(reader.get_many(&wanted).unwrap(), each.unwrap());
        }
    }

    /// Compares the directory entries seen at open: all that is live, nothing that never was.
    pub(crate) fn check_visited(&self, visited: &[Visited]) {
        let mut missing: BTreeSet<_> = self.live().iter().map(|e| e.revision).collect();
        let mut previous = Revision::default();
        for entry in visited {
            assert!(previous < entry.revision);
            previous = entry.revision;
            missing.remove(&entry.revision);
            assert_eq!(*entry, directory_entry(&self.records[&entry.revision]));
        }
        assert_eq!(missing, BTreeSet::new());
    }
}

fn directory_entry(entry: &Entry) -> Visited {
    let record = Record::decode(&entry.record).unwrap();
    Visited {
        revision: entry.revision,
        tombstone: entry.tombstone,
        key: record.key.to_vec(),
        create_revision: record.create_revision,
        version: record.version,
        lease: record.lease,
        record_len: entry.record.len() as u32,
    }
}

/// All small buckets as one map, without what the batch header holds.
pub(crate) fn buckets(
    get: impl Fn(Bucket) -> BTreeMap<Bytes, Bytes>,
) -> BTreeMap<(Bucket, Bytes), Bytes> {
    let all = Bucket::ALL.into_iter().flat_map(|bucket| {
        let pairs = get(bucket).into_iter();
        pairs.map(move |(key, value)| ((bucket, key), value))
    });
    all.filter(|((bucket, key), _)| {
        *bucket != Bucket::Meta || !matches!(&key[..], b"consistent_index" | b"term")
    })
    .collect()
}

/// All live records, read in small pieces.
pub(crate) fn read_all(reader: &Reader) -> Result<Vec<Entry>, StoreFault> {
    let mut all: Vec<Entry> = Vec::new();
    loop {
        let last = all.last().map_or(Revision::default(), |e| e.revision);
        let from = Revision::new(last.main, last.sub + 1);
        let piece = reader.scan(from, i64::MAX, 13, 3000)?;
        if piece.is_empty() {
            return Ok(all);
        }
        all.extend(piece);
    }
}

pub(crate) fn options(segment_bytes: u64) -> Options {
    Options {
        segment_bytes,
        salt: 0x5a17,
        ..Options::default()
    }
}

pub(crate) fn open(dir: &MemDir, segment_bytes: u64) -> Result<(Store, Vec<Visited>), OpenError> {
    let mut visited = Vec::new();
    let dir: Arc<dyn Dir> = Arc::new(dir.clone());
    let store = Store::open(dir, options(segment_bytes), &mut |entry| {
        visited.push(Visited {
            revision: entry.revision,
            tombstone: entry.tombstone,
            key: entry.key.to_vec(),
            create_revision: entry.create_revision,
            version: entry.version,
            lease: entry.lease,
            record_len: entry.record_len,
        });
    })?;
    Ok((store, visited))
}

pub(crate) fn put(bucket: Bucket, key: u16, len: usize) -> Change {
    Change {
        bucket,
        key: key.to_string().into(),
        value: Some(vec![len as u8; len].into()),
    }
}

pub(crate) fn delete(bucket: Bucket, key: u16) -> Change {
    Change {
        bucket,
        key: key.to_string().into(),
        value: None,
    }
}

/// Reclaims until nothing is left to do.
pub(crate) fn reclaim_all(store: &mut Store, budget: u64) -> Result<(), StoreFault> {
    for _ in 0..10_000 {
        if !store.reclaim(budget)?.more {
            return Ok(());
        }
    }
    panic!("reclaim never ends");
}

/// The names and lengths of the segment files.
pub(crate) fn files(dir: &MemDir) -> Vec<(String, u64)> {
    let names = dir.list("").unwrap().into_iter();
    names
        .filter(|name| name != "LOCK")
        .map(|name| {
            let len = file_len(dir, &name);
            (name, len)
        })
        .collect()
}

pub(crate) fn file_len(dir: &MemDir, name: &str) -> u64 {
    let file: Arc<dyn File> = dir.open(name, OpenMode::Read).unwrap();
    file.len().unwrap()
}
