//! From a database of etcd to a store.

use std::collections::BTreeMap;
use std::sync::Arc;

use boltfile::{ReadError, Reader};
use bytes::Bytes;
use disk::{Dir, File};
use store::{Bucket, Entry, Options, Store};
use types::{Index, RecordKey, Revision, Term};

use crate::error::ImportError;
use crate::pack::Packer;
use crate::record;

/// Where a compaction that is to be finished is marked.
const SCHEDULED: &str = "scheduledCompactRev";
/// The bucket of records.
const KEY: &str = "key";
/// Buckets without which a file is not a database of etcd.
const REQUIRED: [&str; 2] = [KEY, "meta"];

/// How far an import is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Records that are written.
    pub records: u64,
    /// Bytes that are written.
    pub bytes: u64,
    /// Bytes of the database's pages; what is written is less, by what pages leave empty.
    pub total_bytes: u64,
}

/// What was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The last entry of the log whose effects are in it; 0 if the database does not say.
    pub consistent_index: Index,
    /// The term of that entry; 0 if the database does not say.
    pub term: Term,
    /// The current revision.
    pub current_revision: i64,
    /// The revision of the last compaction, finished or not; -1 if there was none.
    pub compacted_revision: i64,
    /// The version of the storage; none before etcd 3.6.
    pub storage_version: Option<String>,
    /// Records.
    pub records: u64,
    /// Bytes of records and pairs.
    pub bytes: u64,
}

/// Reads the database `db` and makes a store of it in the empty directory `to`, which need not exist.
///
/// What the file has behind its pages is ignored, so a snapshot with its checksum may be given. The
/// name of `to` in its parent is made durable by the caller. `progress` is called after each batch.
///
/// # Errors
/// [`ImportError`]; what is in `to` is of no use then, and is at consistent index 0.
pub fn import(
    db: Arc<dyn File>,
    to: Arc<dyn Dir>,
    options: Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Imported, ImportError> {
    import_edited(db, to, options, Edits::default(), progress)
}

/// What an import changes on the way.
#[derive(Debug, Default)]
pub(crate) struct Edits {
    /// Buckets whose pairs are left behind.
    pub(crate) without: &'static [Bucket],
    /// Pairs that are put after all others.
    pub(crate) pairs: Vec<(Bucket, Bytes, Bytes)>,
    /// By how much the newest revision is raised: everything up to there is marked as compacted, so
    /// that no watcher takes what comes for a continuation of what it has seen.
    pub(crate) bump: Option<i64>,
    /// The position to put instead of the database's own.
    pub(crate) position: Option<(Index, Term)>,
}

/// As [`import`], with changes.
pub(crate) fn import_edited(
    db: Arc<dyn File>,
    to: Arc<dyn Dir>,
    options: Options,
    edits: Edits,
    progress: &mut dyn FnMut(Progress),
) -> Result<Imported, ImportError> {
    let reader = Reader::open(db)?;
    let buckets = buckets(&reader)?;
    let mut meta = Meta::read(&buckets)?;
    if let Some((index, term)) = edits.position {
        (meta.index, meta.term) = (index, term);
    }
    let store = empty_store(to, options)?;
    let mut packer = Packer::new(store);
    let report = |packer: &Packer| Progress {
        records: packer.records,
        bytes: packer.committed_bytes,
        total_bytes: reader.size(),
    };
    let mut newest = None;
    for pair in buckets[KEY].items() {
        let (key, value) = pair.map_err(|source| page(KEY, source))?;
        let entry = record::entry(&key, value, newest)?;
        newest = Some(entry.revision);
        if packer.record(entry)? {
            progress(report(&packer));
        }
    }
    let mut pairs = edits.pairs;
    if let Some(bump) = edits.bump {
        let mark = bumped(newest, bump)?;
        newest = Some(mark);
        meta.compacted = mark.main;
        packer.record(Entry {
            revision: mark,
            tombstone: false,
            record: Bytes::new(),
        })?;
        pairs.push((Bucket::Meta, Bytes::from(SCHEDULED), mark_bytes(mark)));
    }
    for bucket in Bucket::ALL {
        let Some(pairs) = buckets.get(bucket.name()) else {
            continue;
        };
        if edits.without.contains(&bucket) {
            continue;
        }
        for pair in pairs.items() {
            let (key, value) = pair.map_err(|source| page(bucket.name(), source))?;
            if packer.pair(bucket, key, value)? {
                progress(report(&packer));
            }
        }
    }
    for (bucket, key, value) in pairs {
        packer.pair(bucket, key, value)?;
    }
    let packer = packer.finish(meta.index, meta.term)?;
    progress(report(&packer));
    Ok(meta.imported(newest, &packer))
}

/// The mark that an offline restore leaves above the newest revision.
fn bumped(newest: Option<Revision>, bump: i64) -> Result<Revision, ImportError> {
    let newest = newest.map_or(0, |revision| revision.main);
    newest
        .checked_add(bump)
        .filter(|main| *main > newest)
        .map(|main| Revision::new(main, 0))
        .ok_or(ImportError::Bump { newest, bump })
}

fn mark_bytes(revision: Revision) -> Bytes {
    let mark = RecordKey {
        revision,
        tombstone: false,
    };
    mark.with_bytes(Bytes::copy_from_slice)
}

/// What a database says about itself.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) index: Index,
    pub(crate) term: Term,
    pub(crate) storage_version: Option<String>,
    /// The pairs of the bucket that holds the cluster version and the downgrade.
    pub(crate) cluster: BTreeMap<Bytes, Bytes>,
}

impl Header {
    /// Reads it from a database of etcd.
    pub(crate) fn read(db: Arc<dyn File>) -> Result<Self, ImportError> {
        let buckets = buckets(&Reader::open(db)?)?;
        let Meta {
            index,
            term,
            storage_version,
            ..
        } = Meta::read(&buckets)?;
        let cluster = match buckets.get("cluster") {
            Some(cluster) => cluster.items().collect::<Result<_, _>>(),
            None => Ok(BTreeMap::new()),
        };
        Ok(Self {
            index,
            term,
            storage_version,
            cluster: cluster.map_err(|source| page("cluster", source))?,
        })
    }
}

/// The buckets by name; all of them are known.
fn buckets(reader: &Reader) -> Result<BTreeMap<&'static str, boltfile::Bucket>, ImportError> {
    let mut known = BTreeMap::new();
    for (name, bucket) in reader.buckets().map_err(|source| page("", source))? {
        let mut names = Bucket::ALL.iter().map(|bucket| bucket.name()).chain([KEY]);
        let Some(found) = names.find(|known| known.as_bytes() == name) else {
            return Err(ImportError::UnknownBucket { name });
        };
        known.insert(found, bucket);
    }
    match REQUIRED.iter().find(|name| !known.contains_key(**name)) {
        Some(name) => Err(ImportError::NoBucket { name }),
        None => Ok(known),
    }
}

fn empty_store(to: Arc<dyn Dir>, options: Options) -> Result<Store, ImportError> {
    let dir = to.describe("");
    let mut is_empty = true;
    let store = Store::open(to, options, &mut |_| is_empty = false)?;
    let files = store.reader();
    let has_pairs = Bucket::ALL
        .iter()
        .any(|bucket| !files.bucket(*bucket).is_empty());
    if !is_empty || has_pairs {
        return Err(ImportError::NotEmpty { dir });
    }
    Ok(store)
}

/// What the meta bucket says, as far as it matters here.
struct Meta {
    index: Index,
    term: Term,
    compacted: i64,
    storage_version: Option<String>,
}

impl Meta {
    fn read(buckets: &BTreeMap<&'static str, boltfile::Bucket>) -> Result<Self, ImportError> {
        let bucket = &buckets["meta"];
        let get = |key: &'static str| {
            let value = bucket.get(key.as_bytes());
            value.map_err(|source| page("meta", source))
        };
        let number = |key| get(key)?.map_or(Ok(0), |value| number(key, &value));
        let mark = |key| get(key)?.map_or(Ok(-1), |value| mark(key, &value));
        let scheduled = mark(SCHEDULED)?;
        let finished = mark("finishedCompactRev")?;
        Ok(Self {
            index: Index(number("consistent_index")?),
            term: Term(number("term")?),
            compacted: scheduled.max(finished),
            storage_version: get("storageVersion")?
                .map(|version| String::from_utf8_lossy(&version).into_owned()),
        })
    }

    fn imported(self, newest: Option<Revision>, packer: &Packer) -> Imported {
        let newest = newest.map_or(0, |revision| revision.main);
        Imported {
            consistent_index: self.index,
            term: self.term,
            current_revision: newest.max(self.compacted).max(1),
            compacted_revision: self.compacted,
            storage_version: self.storage_version,
            records: packer.records,
            bytes: packer.committed_bytes,
        }
    }
}

fn number(key: &'static str, value: &Bytes) -> Result<u64, ImportError> {
    let bytes: [u8; 8] = value[..].try_into().map_err(|_| bad_meta(key, value))?;
    Ok(u64::from_be_bytes(bytes))
}

fn mark(key: &'static str, value: &Bytes) -> Result<i64, ImportError> {
    let key: RecordKey = RecordKey::decode(value).map_err(|_| bad_meta(key, value))?;
    Ok(key.revision.main)
}

fn bad_meta(key: &'static str, value: &Bytes) -> ImportError {
    let value = value.clone();
    ImportError::Meta { key, value }
}

fn page(bucket: &'static str, source: ReadError) -> ImportError {
    let bucket = Bytes::from_static(bucket.as_bytes());
    ImportError::Page { bucket, source }
}
