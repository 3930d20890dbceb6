//! Hashes over what is stored, which members compare to find that one of them differs.
//!
//! HashKV(R) on a member compacted to C is the CRC-32C of `"key"` and, for each record in order
//! up to R, its 17 or 18 byte revision key and its bytes, where of the records at or below C only
//! those count that are the newest of a key that is live at R. If no key at all is live at R, the
//! newest records at or below C count unless they are tombstones: etcd takes an empty set for "no
//! restriction", and those are what its compaction has left.
//!
//! Which records these are is decided from the index and so does not depend on how far a compaction
//! has come in giving them up.
//!
//! A compaction from C to K remembers HashKV(K) as it was before it, because members that have
//! compacted to different revisions have nothing else to compare. For it a key that is deleted at K
//! exactly is as good as a live one: the set of what it keeps is not empty.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use types::{KeyRange, RecordKey, Revision};

use crate::index::{Cursor, View};
use crate::key::KeyEntry;
use crate::query::{Fault, RangeError};
use crate::shared::Shared;
use store::{Bucket, Entry};

/// Compaction hashes that are remembered, etcd's number.
const REMEMBERED_MAX: usize = 10;
/// Records read in one step.
const SCAN_RECORDS: usize = 4096;
/// Bytes read in one step.
const SCAN_BYTES: usize = 4 << 20;
/// Name of the bucket of records.
const KEY_BUCKET: &[u8] = b"key";
/// Keys of the meta bucket that differ between equal members.
const META_LEFT_OUT: [&[u8]; 3] = [b"consistent_index", b"storageVersion", b"term"];

/// A hash of the key space and what it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashKv {
    /// CRC-32C.
    pub hash: u32,
    /// The compacted revision that decided what counts; -1 for none.
    pub compact_revision: i64,
    /// The newest revision covered.
    pub hash_revision: i64,
}

/// The hashes of the last compactions, by ascending revision.
#[derive(Debug, Default)]
pub(crate) struct Remembered(Vec<HashKv>);

impl Remembered {
    fn get(&self, revision: i64) -> Option<HashKv> {
        self.0
            .iter()
            .find(|hash| hash.hash_revision == revision)
            .copied()
    }

    pub(crate) fn all(&self) -> &[HashKv] {
        &self.0
    }

    fn insert(&mut self, hash: HashKv) {
        let position = self
            .0
            .partition_point(|other| other.hash_revision < hash.hash_revision);
        self.0.insert(position, hash);
        if self.0.len() > REMEMBERED_MAX {
            self.0.remove(0);
        }
    }
}

/// Which of the records at or below the compacted revision count.
#[derive(Clone, Copy, Debug)]
enum Rule {
    /// The newest of each key that is live at the hashed revision. A compaction to that revision
    /// keeps tombstones of exactly that revision, too.
    Live { compacting: bool },
    /// What the compaction leaves of each key, tombstones included or not.
    Left { tombstones: bool },
}

/// A hash in the making.
#[derive(Debug)]
struct HashWalk {
    compacted: i64,
    at: i64,
    phase: Phase,
    hash: u32,
}

#[derive(Debug)]
enum Phase {
    /// Collecting the revisions at or below the compacted one that count.
    Keep {
        rule: Rule,
        cursor: Cursor<'static>,
        keep: Vec<Revision>,
        any: bool,
    },
    /// Hashing the records from `next` on.
    Scan {
        next: Revision,
        keep: Vec<Revision>,
    },
    Done,
}

impl HashWalk {
    fn new(hash: u32, compacted: i64, at: i64, rule: Rule) -> Self {
        Self {
            compacted,
            at,
            phase: Phase::keep(rule),
            hash,
        }
    }

    fn hash_kv(compacted: i64, at: i64, compacting: bool) -> Self {
        let rule = Rule::Live { compacting };
        Self::new(crc32c::crc32c(KEY_BUCKET), compacted, at, rule)
    }

    /// Does a bounded part of the work; true when all is done.
    fn step(&mut self, shared: &Shared) -> Result<bool, Fault> {
        match &mut self.phase {
            Phase::Keep {
                rule,
                cursor,
                keep,
                any,
            } if !cursor.is_done() => {
                let (rule, compacted, at) = (*rule, self.compacted, self.at);
                shared.with_index(|index| {
                    cursor.step_entries(index, |entry| {
                        *any |= rule.keeps(entry, compacted, at);
                        keep.extend(rule.counts(entry, compacted, at));
                        ControlFlow::Continue(())
                    });
                    if let Some(revision) = index.unnamed.at(at).filter(|_| cursor.is_done()) {
                        *any = true;
                        keep.extend((revision.main <= compacted).then_some(revision));
                    }
                });
            }
            Phase::Keep {
                rule: Rule::Live { .. },
                any: false,
                ..
            } => {
                self.phase = Phase::keep(Rule::Left { tombstones: false });
            }
            Phase::Keep { keep, .. } => {
                let mut keep = std::mem::take(keep);
                keep.sort_unstable();
                self.phase = Phase::Scan {
                    next: Revision::default(),
                    keep,
                };
            }
            Phase::Scan { next, keep } => {
                let entries = shared.scan(*next, self.at, SCAN_RECORDS, SCAN_BYTES)?;
                let Some(last) = entries.last() else {
                    self.phase = Phase::Done;
                    return Ok(true);
                };
                *next = Revision::new(last.revision.main, last.revision.sub + 1);
                self.hash = add_entries(self.hash, &entries, self.compacted, keep);
            }
            Phase::Done => return Ok(true),
        }
        Ok(false)
    }

    fn result(&self) -> HashKv {
        HashKv {
            hash: self.hash,
            compact_revision: self.compacted,
            hash_revision: self.at,
        }
    }
}

impl Phase {
    fn keep(rule: Rule) -> Self {
        let cursor = Cursor::new(&KeyRange::All, i64::MAX, None);
        Self::Keep {
            rule,
            cursor,
            keep: Vec::new(),
            any: false,
        }
    }
}

impl Rule {
    /// Whether anything of a key is kept at the hashed revision. Of a key that was deleted in that
    /// very revision that is the tombstone, even if the same transaction put the key again.
    fn keeps(self, entry: &KeyEntry, compacted: i64, at: i64) -> bool {
        match self {
            Self::Live { compacting } if is_deleted_in(entry, compacted, at) => compacting,
            _ => entry.at(at).is_some(),
        }
    }

    /// The record of a key at or below the compacted revision that counts, if any does.
    fn counts(self, entry: &KeyEntry, compacted: i64, at: i64) -> Option<Revision> {
        match self {
            Self::Live { .. } => {
                let revision = entry.at(at)?.revision;
                let counts = revision.main <= compacted && !is_deleted_in(entry, compacted, at);
                counts.then_some(revision)
            }
            Self::Left { tombstones } => {
                let newest = entry.newest_change_at(compacted)?;
                let left = !newest.tombstone || (tombstones && newest.main == compacted);
                left.then(|| newest.revision())
            }
        }
    }
}

/// Whether a change of exactly that main revision deleted the key. At the compacted one only the
/// newest change counts, whether or not the compaction has given up the others yet.
fn is_deleted_in(entry: &KeyEntry, compacted: i64, main: i64) -> bool {
    if main == compacted {
        let newest = entry.newest_change_at(main);
        return newest.is_some_and(|change| change.tombstone);
    }
    let changes = entry.changes_from(main);
    let mut then = changes.take_while(|change| change.main == main);
    then.any(|change| change.tombstone)
}

fn add_entries(hash: u32, entries: &[Entry], compacted: i64, keep: &[Revision]) -> u32 {
    let counts = |entry: &&Entry| {
        entry.revision.main > compacted || keep.binary_search(&entry.revision).is_ok()
    };
    entries.iter().filter(counts).fold(hash, add_entry)
}

fn add_entry(hash: u32, entry: &Entry) -> u32 {
    let key = RecordKey {
        revision: entry.revision,
        tombstone: entry.tombstone,
    };
    let hash = key.with_bytes(|key| crc32c::crc32c_append(hash, key));
    crc32c::crc32c_append(hash, &entry.record)
}

/// The hash that a compaction remembers, as work for a thread that may take its time.
///
/// As long as it exists the compaction gives nothing up; dropping it unfinished only forgets the
/// hash.
#[derive(Debug)]
pub struct HashJob {
    shared: Arc<Shared>,
    walk: HashWalk,
    _gate: Arc<()>,
}

impl HashJob {
    pub(crate) fn new(shared: Arc<Shared>, previous: i64, revision: i64, gate: Arc<()>) -> Self {
        Self {
            shared,
            walk: HashWalk::hash_kv(previous, revision, true),
            _gate: gate,
        }
    }

    /// Computes and remembers the hash.
    ///
    /// # Errors
    /// [`Fault`] when the store cannot be read.
    pub fn run(mut self) -> Result<(), Fault> {
        while !self.step()? {}
        Ok(())
    }

    /// Does a bounded part of the work, some milliseconds; true when the hash is remembered.
    ///
    /// # Errors
    /// [`Fault`] when the store cannot be read.
    pub fn step(&mut self) -> Result<bool, Fault> {
        let done = self.walk.step(&self.shared)?;
        let result = self.walk.result();
        if done
            && self
                .shared
                .hashes
                .lock()
                .get(result.hash_revision)
                .is_none()
        {
            self.shared.hashes.lock().insert(result);
        }
        Ok(done)
    }
}

/// HashKV of `revision`, or of the current revision for zero. There is nothing up to a negative one.
pub(crate) fn hash_kv(shared: &Shared, revision: i64) -> Result<HashKv, RangeError> {
    if revision < 0 {
        return Ok(HashKv {
            hash: crc32c::crc32c(KEY_BUCKET),
            compact_revision: shared.revisions().compacted,
            hash_revision: revision,
        });
    }
    if revision > 0
        && let Some(remembered) = shared.hashes.lock().get(revision)
    {
        return Ok(remembered);
    }
    loop {
        let (at, compacted) = shared
            .with_index(|index| Ok::<_, RangeError>((index.resolve(revision)?, index.compacted)))?;
        let mut walk = HashWalk::hash_kv(compacted, at, false);
        while !walk.step(shared)? {}
        // A compaction in the meantime may have taken records away: then the result means nothing.
        if shared.revisions().compacted == compacted {
            return Ok(walk.result());
        }
    }
}

/// The hash of all buckets with everything applied, in the order of their names.
pub(crate) fn hash_all(shared: &Shared) -> Result<u32, Fault> {
    loop {
        let (current, compacted, buckets) =
            shared.with_index(|index| (index.current, index.compacted, applied_buckets(shared)));
        let (before, after) = buckets.split_at(BUCKETS_BEFORE_KEY);
        let hash = before.iter().fold(0, add_bucket);
        let hash = crc32c::crc32c_append(hash, KEY_BUCKET);
        let mut walk = HashWalk::new(hash, compacted, current, Rule::Left { tombstones: true });
        while !walk.step(shared)? {}
        if shared.revisions().compacted == compacted {
            return Ok(after.iter().fold(walk.hash, add_bucket));
        }
    }
}

/// The small buckets in the order of their names.
const BUCKETS: [Bucket; 9] = [
    Bucket::Alarm,
    Bucket::Auth,
    Bucket::AuthRoles,
    Bucket::AuthUsers,
    Bucket::Cluster,
    Bucket::Lease,
    Bucket::Members,
    Bucket::MembersRemoved,
    Bucket::Meta,
];
/// How many of them come before the bucket of records.
const BUCKETS_BEFORE_KEY: usize = 5;

type Contents = BTreeMap<Bytes, Bytes>;

/// The small buckets with what is applied but not written yet.
fn applied_buckets(shared: &Shared) -> Vec<(Bucket, Contents)> {
    // No batch can be taken, and so none can be written, that is not among the changes seen here.
    let buffer = shared.buffer.read();
    let contents = |bucket| {
        let mut contents = shared.store.bucket(bucket);
        for change in buffer
            .unflushed_changes()
            .filter(|change| change.bucket == bucket)
        {
            match &change.value {
                Some(value) => contents.insert(change.key.clone(), value.clone()),
                None => contents.remove(&change.key),
            };
        }
        contents
    };
    BUCKETS.map(|bucket| (bucket, contents(bucket))).into()
}

fn add_bucket(hash: u32, (bucket, contents): &(Bucket, Contents)) -> u32 {
    let hash = crc32c::crc32c_append(hash, bucket.name().as_bytes());
    contents
        .iter()
        .filter(|(key, _)| *bucket != Bucket::Meta || !META_LEFT_OUT.contains(&key.as_ref()))
        .fold(hash, |hash, (key, value)| {
            crc32c::crc32c_append(crc32c::crc32c_append(hash, key), value)
        })
}
