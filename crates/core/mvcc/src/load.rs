//! Building the index from the store's directories.
//!
//! Entries come in the order of revisions, which for keys is no order at all: each would cost a
//! descent through cold memory. So they are gathered, sorted by key, and inserted in that order,
//! a batch at a time.

use store::DirectoryEntry;
use types::{LeaseId, Revision};

use crate::index::{Index, Unnamed};
use crate::key::{self, Change, KeyEntry};
use crate::open::OpenError;
use crate::tree::{Edits, Tree, sorted_positions};

/// Entries that are sorted at a time: every leaf of a large tree gets a few of them, and they fit
/// into the processor's caches while they are sorted.
pub(crate) const BATCH_ENTRIES: usize = 1 << 17;
/// The same where others want the processor: less than a millisecond of work.
pub(crate) const GENTLE_BATCH_ENTRIES: usize = 1 << 10;
/// Bytes of keys in a batch, one key more at most.
const BATCH_BYTES: usize = 32 << 20;

/// The index in the making.
#[derive(Default)]
pub(crate) struct Loader {
    tree: Tree,
    newest: i64,
    unnamed: Unnamed,
    bad: Option<Revision>,
    batch: Vec<Item>,
    keys: Vec<u8>,
    batch_entries: usize,
}

/// A directory entry, with its key in a buffer beside it.
struct Item {
    begin: usize,
    end: usize,
    change: Change,
    create: i64,
    version: i64,
    lease: LeaseId,
}

/// What was loaded.
pub(crate) struct Loaded {
    pub(crate) index: Index,
    /// What compactions have given up, as far as it may be reclaimed.
    pub(crate) dead: Vec<Revision>,
}

impl Loader {
    pub(crate) fn new(batch_entries: usize) -> Self {
        Self {
            batch_entries,
            ..Self::default()
        }
    }

    /// Takes the next entry.
    pub(crate) fn add(&mut self, entry: &DirectoryEntry<'_>) {
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
        let begin = self.keys.len();
        self.keys.extend_from_slice(entry.key);
        self.batch.push(Item {
            begin,
            end: self.keys.len(),
            change: Change {
                main: revision.main,
                sub,
                tombstone: entry.tombstone,
            },
            create: entry.create_revision,
            version: entry.version,
            lease: entry.lease,
        });
        if self.batch.len() >= self.batch_entries || self.keys.len() >= BATCH_BYTES {
            self.insert_batch();
        }
    }

    fn insert_batch(&mut self) {
        let mut sorted = Sorted::of(&self.batch, &self.keys);
        self.tree.apply(&mut sorted);
        self.batch.clear();
        self.keys.clear();
    }

    /// The index at the marks of the compactions.
    ///
    /// # Errors
    /// [`OpenError::SubRevision`] for a revision that no member can have written.
    pub(crate) fn finish(mut self, scheduled: i64) -> Result<Loaded, OpenError> {
        if let Some(revision) = self.bad {
            return Err(OpenError::SubRevision { revision });
        }
        self.insert_batch();
        let mut dead: Vec<Revision> = self.unnamed.compact(scheduled).collect();
        // Of a compaction that was interrupted some records are gone and some are left. Whoever reads the
        // files on their own must find of each key the newest of them or none: etcd counts the versions of
        // a key from the first record that it finds.
        self.tree.sweep(None, usize::MAX, |entry| {
            entry.compact(scheduled, &mut |changes| {
                dead.extend(changes.iter().map(|change| change.revision()));
            })
        });
        dead.sort_unstable();
        let index = Index {
            tree: self.tree,
            current: self.newest.max(scheduled).max(1),
            compacted: scheduled,
            unnamed: self.unnamed,
        };
        Ok(Loaded { index, dead })
    }
}

impl Item {
    fn key<'k>(&self, keys: &'k [u8]) -> &'k [u8] {
        &keys[self.begin..self.end]
    }
}

/// A batch in the order of keys, and of revisions for each key.
struct Sorted {
    items: Vec<Item>,
    keys: Vec<u8>,
    next: usize,
}

impl Sorted {
    fn of(items: &[Item], keys: &[u8]) -> Self {
        let mut sorted = Self {
            items: Vec::with_capacity(items.len()),
            keys: Vec::with_capacity(keys.len()),
            next: 0,
        };
        // Copied into order in a loop that does nothing else: the processor waits for many of the
        // scattered items at once, and the tree then finds them side by side.
        for position in sorted_positions(items.len(), |position| items[position].key(keys)) {
            let item = &items[position];
            let begin = sorted.keys.len();
            sorted.keys.extend_from_slice(item.key(keys));
            let end = sorted.keys.len();
            sorted.items.push(Item {
                begin,
                end,
                ..*item
            });
        }
        sorted
    }
}

impl Edits for Sorted {
    fn key(&self) -> Option<&[u8]> {
        Some(self.items.get(self.next)?.key(&self.keys))
    }

    fn edit(&mut self, entry: &mut KeyEntry) {
        let item = &self.items[self.next];
        self.next += 1;
        if item.change.tombstone {
            entry.delete(item.change.revision());
        } else {
            entry.restore_put(item.change, item.create, item.version, item.lease);
        }
    }

    fn create(&mut self) -> KeyEntry {
        let item = &self.items[self.next];
        self.next += 1;
        let key = item.key(&self.keys);
        KeyEntry::restored(key, item.change, item.create, item.version, item.lease)
    }
}
