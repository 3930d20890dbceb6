//! Opening: the store's directories become the index, values are not read.
//!
//! The current revision is the highest that is stored or marked as compacted; the compacted one is
//! the mark "scheduled", because an unfinished compaction goes on where it was. What a finished
//! compaction has given up may still be in the files: it is found by applying the compaction's rule
//! once more, and the store is told.

use std::sync::Arc;

use disk::Dir;
use types::{RecordKey, Revision};

use crate::compact::{self, Compaction};
use crate::index::Index;
use crate::key::{self, Change, KeyEntry};
use crate::reader::Reader;
use crate::shared::Shared;
use crate::tree::Tree;
use crate::writer::Writer;
use store::{Bucket, DirectoryEntry, Store, StoreFault};

/// How the store is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Most bytes of records that are kept in memory to serve reads.
    pub value_cache_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            value_cache_bytes: 32 << 20,
        }
    }
}

/// The store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The files cannot be opened.
    #[error(transparent)]
    Store(#[from] store::OpenError),
    /// What compactions have given up could not be marked.
    #[error(transparent)]
    Mark(#[from] StoreFault),
    /// A mark of a compaction is not a revision.
    #[error("meta/{name} is not a revision")]
    NotARevision {
        /// The key in the meta bucket.
        name: &'static str,
    },
    /// A revision that no member can have written.
    #[error("revision {revision} has too high a sub-revision")]
    SubRevision {
        /// The revision.
        revision: Revision,
    },
}

/// Opens the store in `dir`, or creates it, and builds the index.
///
/// # Errors
/// [`OpenError`] when the files cannot be opened or hold what no member writes.
pub fn open(
    dir: Arc<dyn Dir>,
    store_options: store::Options,
    options: Options,
) -> Result<(Writer, Reader, Store), OpenError> {
    let mut loader = Loader::default();
    let mut store = Store::open(dir, store_options, &mut |entry| loader.add(&entry))?;
    let files = store.reader();
    let finished = mark(&files, compact::FINISHED, "finishedCompactRev")?;
    let scheduled = mark(&files, compact::SCHEDULED, "scheduledCompactRev")?.max(finished);
    let (index, unnamed, dead) = loader.finish(scheduled, finished)?;
    store.mark_dead(&dead)?;
    let shared = Shared::new(index, files, options.value_cache_bytes, finished);
    let shared = Arc::new(shared);
    let compaction = Compaction::new(scheduled, finished, unnamed);
    let writer = Writer::new(shared, store.consistent_index(), compaction);
    let reader = writer.reader();
    Ok((writer, reader, store))
}

/// The revision of a compaction's mark; -1 when there is none.
fn mark(files: &store::Reader, key: &[u8], name: &'static str) -> Result<i64, OpenError> {
    let Some(value) = files.bucket_get(Bucket::Meta, key) else {
        return Ok(-1);
    };
    let key: Result<RecordKey, _> = RecordKey::decode(&value);
    key.map(|key| key.revision.main)
        .map_err(|_| OpenError::NotARevision { name })
}

/// Builds the index from directory entries in the order of revisions.
#[derive(Default)]
struct Loader {
    tree: Tree,
    newest: i64,
    unnamed: Vec<Revision>,
    bad: Option<Revision>,
}

impl Loader {
    fn add(&mut self, entry: &DirectoryEntry<'_>) {
        let revision = entry.revision;
        self.newest = self.newest.max(revision.main);
        if entry.key.is_empty() {
            self.unnamed.push(revision);
            return;
        }
        let Some(sub) = key::sub(revision) else {
            self.bad = Some(revision);
            return;
        };
        let change = Change {
            main: revision.main,
            sub,
            tombstone: entry.tombstone,
        };
        let (create, version, lease) = (entry.create_revision, entry.version, entry.lease);
        self.tree.upsert(
            entry.key,
            |found| {
                if entry.tombstone {
                    found.delete(revision);
                } else {
                    found.restore_put(change, create, version, lease);
                }
            },
            || KeyEntry::restored(entry.key, change, create, version, lease),
        );
    }

    /// The index, the records without a key, and what the finished compaction has given up.
    fn finish(
        mut self,
        scheduled: i64,
        finished: i64,
    ) -> Result<(Index, Vec<Revision>, Vec<Revision>), OpenError> {
        if let Some(revision) = self.bad {
            return Err(OpenError::SubRevision { revision });
        }
        let mut dead: Vec<_> = self
            .unnamed
            .iter()
            .copied()
            .filter(|revision| revision.main <= finished)
            .collect();
        self.unnamed.retain(|revision| revision.main > finished);
        self.tree.sweep(None, usize::MAX, |entry| {
            let oldest = entry.changes_from(0).next();
            entry.compact(finished, &mut |change| {
                // A tombstone must not go before an older put of its key.
                if !change.tombstone || Some(change) == oldest {
                    dead.push(change.revision());
                }
            })
        });
        dead.sort_unstable();
        let index = Index {
            tree: self.tree,
            current: self.newest.max(scheduled).max(1),
            compacted: scheduled,
        };
        Ok((index, self.unnamed, dead))
    }
}
