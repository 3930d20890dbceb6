//! One transaction of the store, on the apply thread.
//!
//! It reads like anybody else until its first change. Then it takes the index's lock and keeps it
//! until it is committed: readers see all its changes or none. Its changes have the main revision
//! after the current one and are numbered in order; it sees them itself at once.

use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLockWriteGuard;
use types::{KeyRange, LeaseId, Revision, RevisionEvents};

use crate::encode;
use crate::index::{Index, View};
use crate::key::{KeyEntry, Visible};
use crate::query::{Fault, KeyMeta, RangeError, RangeQuery, RangeResult, Revisions};
use crate::range;
use crate::shared::Shared;
use crate::tree::Edits;
use crate::writer::Writer;
use store::Entry;

/// A transaction in progress; must be committed once it has changed something.
#[derive(Debug)]
pub struct Txn<'w> {
    shared: &'w Shared,
    /// Held from the first change on.
    index: Option<RwLockWriteGuard<'w, Index>>,
    before: Revisions,
    changes: i64,
    /// Where the changes begin in the buffer's open batch.
    first_entry: usize,
    operations: usize,
    writer: PhantomData<&'w mut Writer>,
}

/// What a transaction did.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The current revision after it.
    pub revision: i64,
    /// Its changes, if there were any and somebody wants them.
    pub events: Option<Arc<RevisionEvents>>,
}

impl View for Txn<'_> {
    fn with_index<T>(&self, look: impl FnOnce(&Index) -> T) -> T {
        match &self.index {
            Some(index) => look(index),
            None => self.shared.with_index(look),
        }
    }
}

impl<'w> Txn<'w> {
    pub(crate) fn begin(shared: &'w Shared) -> Self {
        Self {
            shared,
            index: None,
            before: shared.revisions(),
            changes: 0,
            first_entry: 0,
            operations: 0,
            writer: PhantomData,
        }
    }

    /// The revision that the transaction sees: the current one, or its own once it has changed
    /// something.
    #[must_use]
    pub fn revision(&self) -> i64 {
        self.before.current + i64::from(self.changes > 0)
    }

    /// The revisions before the transaction.
    #[must_use]
    pub fn revisions_before(&self) -> Revisions {
        self.before
    }

    /// Reads a range, with the transaction's own changes.
    ///
    /// # Errors
    /// As [`crate::Reader::range`].
    pub fn range(&self, query: &RangeQuery) -> Result<RangeResult, RangeError> {
        range::read(self.shared, self, query)
    }

    /// What the index knows of `key`, if it is live.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<KeyMeta> {
        self.with_index(|index| {
            let entry = index.tree.get(key)?;
            meta(entry)
        })
    }

    /// The encoded record of `key`, if it is live.
    ///
    /// # Errors
    /// [`Fault`] when the store cannot be read.
    pub fn record(&self, key: &[u8]) -> Result<Option<Bytes>, Fault> {
        let newest = self.with_index(|index| index.tree.get(key)?.newest());
        newest
            .map(|visible| self.shared.record(visible.revision))
            .transpose()
    }

    /// Puts a key; returns what it replaces.
    pub fn put(&mut self, key: &[u8], value: &[u8], lease: LeaseId) -> Option<KeyMeta> {
        self.operations += 1;
        let revision = self.next_change();
        let index = Self::locked(&mut self.index, self.shared);
        let mut put = Put {
            key: Some(key),
            revision,
            lease,
            before: None,
            visible: Visible {
                revision,
                create: revision.main,
                version: 1,
            },
        };
        index.tree.apply(&mut put);
        let record = encode::record(key, put.visible, value, lease);
        self.shared.buffer.write().push(Entry {
            revision,
            tombstone: false,
            record,
        });
        self.shared.counters.puts.add(1);
        self.shared.counters.put_bytes.add(key.len() + value.len());
        put.before
    }

    /// Deletes the live keys of a range, in order; returns them.
    pub fn delete_range(&mut self, range: &KeyRange) -> Vec<Bytes> {
        self.operations += 1;
        let mut deleted = Vec::new();
        if self.with_index(|index| index.tree.count(range)) == 0 {
            return deleted;
        }
        let mut revision = self.next_change();
        let index = Self::locked(&mut self.index, self.shared);
        let mut buffer = self.shared.buffer.write();
        index.tree.edit(range, &mut |entry| {
            if entry.is_live() {
                entry.delete(revision);
                let record = encode::tombstone(entry.key());
                buffer.push(Entry {
                    revision,
                    tombstone: true,
                    record,
                });
                deleted.push(Bytes::copy_from_slice(entry.key()));
                revision.sub += 1;
            }
        });
        self.changes = revision.sub;
        self.shared.counters.deletes.add(deleted.len());
        deleted
    }

    /// The revision for the next change, counted as made.
    fn next_change(&mut self) -> Revision {
        if self.changes == 0 {
            self.first_entry = self.shared.buffer.read().open_entries();
        }
        self.changes += 1;
        Revision::new(self.before.current + 1, self.changes - 1)
    }

    fn locked<'i>(
        index: &'i mut Option<RwLockWriteGuard<'w, Index>>,
        shared: &'w Shared,
    ) -> &'i mut Index {
        index.get_or_insert_with(|| {
            let mut index = shared.index.write();
            index.current += 1;
            index
        })
    }

    /// Publishes the changes. With `events` they are also returned, for those who watch.
    #[must_use = "the events are for the watchers"]
    pub fn commit(mut self, events: bool) -> Committed {
        if self.operations > 1 {
            self.shared.counters.txns.add(1);
        }
        let revision = self.revision();
        let events = (events && self.changes > 0).then(|| Arc::new(self.events(revision)));
        if let Some(index) = self.index.take() {
            self.shared.publish_current(index.current);
        }
        self.changes = 0;
        Committed { revision, events }
    }

    fn events(&self, revision: i64) -> RevisionEvents {
        let buffer = self.shared.buffer.read();
        let events = buffer
            .open_from(self.first_entry)
            .iter()
            .map(|entry| encode::event(entry.revision, entry.tombstone, &entry.record))
            .collect::<Result<_, _>>()
            .expect("a record that was just encoded decodes");
        RevisionEvents { revision, events }
    }
}

impl Drop for Txn<'_> {
    fn drop(&mut self) {
        // Half a transaction must never be seen: there is no way back from a change.
        assert!(
            self.changes == 0 || std::thread::panicking(),
            "a transaction with changes is committed"
        );
    }
}

/// A put on its way into the index.
struct Put<'k> {
    /// Taken when the put is made.
    key: Option<&'k [u8]>,
    revision: Revision,
    lease: LeaseId,
    /// What the put replaces.
    before: Option<KeyMeta>,
    /// What it makes visible.
    visible: Visible,
}

impl Edits for Put<'_> {
    fn key(&self) -> Option<&[u8]> {
        self.key
    }

    fn edit(&mut self, entry: &mut KeyEntry) {
        self.key = None;
        self.before = meta(entry);
        entry.put(self.revision, self.lease);
        if let Some(visible) = entry.newest() {
            self.visible = visible;
        }
    }

    fn create(&mut self) -> KeyEntry {
        let key = self.key.take().unwrap_or_default();
        KeyEntry::put_first(key, self.revision, self.lease)
    }
}

fn meta(entry: &KeyEntry) -> Option<KeyMeta> {
    let visible = entry.newest()?;
    Some(KeyMeta {
        create_revision: visible.create,
        mod_revision: visible.revision.main,
        version: visible.version,
        lease: entry.lease(),
    })
}
