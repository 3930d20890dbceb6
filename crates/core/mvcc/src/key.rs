//! One key of the index: its newest change inline, its older changes boxed.
//!
//! ```text
//! changes   put  put  put  del | put  put  del | put  put
//!           `----- life 1 ----'  `-- life 2 -'   `------> newest life
//! older     [ . . . . . . . . . . . . . . . . . . . . ]   head
//! ```
//! A life (etcd: generation) begins with a put and ends with its tombstone. Only the creating
//! revision and the version of a life's last put are stored; versions of earlier puts follow by
//! counting back. A key with a single change costs no allocation besides the key itself.
//!
//! Invariants: changes are in ascending revision order; `head` is the newest; `lives` describes
//! the ended lives in `older`, oldest first, and the newest life has what is left.

use types::{LeaseId, Revision};

/// A change of a key, without its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// The transaction.
    pub(crate) main: i64,
    /// The position in it; a transaction with 2^32 changes does not fit into memory.
    pub(crate) sub: u32,
    /// Whether the change deleted the key.
    pub(crate) tombstone: bool,
}

impl Change {
    pub(crate) fn revision(self) -> Revision {
        Revision::new(self.main, i64::from(self.sub))
    }
}

/// An ended life whose changes stand in `History::older`.
#[derive(Clone, Copy, Debug)]
struct Life {
    create: i64,
    /// Version of its last put.
    version: i64,
    /// Its changes in `older`, the tombstone included.
    changes: usize,
}

#[derive(Clone, Debug, Default)]
struct History {
    older: Vec<Change>,
    lives: Vec<Life>,
}

/// A key and all its changes that are not compacted.
#[derive(Clone, Debug)]
pub(crate) struct KeyEntry {
    key: Box<[u8]>,
    head: Change,
    /// Of the newest life: main revision of its first put.
    create: i64,
    /// Of the newest life: version of its last put.
    version: i64,
    /// Of the head; zero for a tombstone.
    lease: LeaseId,
    history: Option<Box<History>>,
}

/// What the index knows of a key at some revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Visible {
    pub(crate) revision: Revision,
    pub(crate) create: i64,
    pub(crate) version: i64,
}

impl KeyEntry {
    /// A key whose first known change is a put.
    pub(crate) fn put_first(key: &[u8], revision: Revision, lease: LeaseId) -> Self {
        let head = change(revision, false);
        Self::restored(key, head, revision.main, 1, lease)
    }

    /// A key as the first of its records on disk describes it.
    pub(crate) fn restored(
        key: &[u8],
        head: Change,
        create: i64,
        version: i64,
        lease: LeaseId,
    ) -> Self {
        Self {
            key: key.into(),
            head,
            create,
            version,
            lease,
            history: None,
        }
    }

    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    pub(crate) fn is_live(&self) -> bool {
        !self.head.tombstone
    }

    /// The lease of the newest change.
    pub(crate) fn lease(&self) -> LeaseId {
        self.lease
    }

    /// The newest state, if the key is live.
    pub(crate) fn newest(&self) -> Option<Visible> {
        self.is_live().then(|| Visible {
            revision: self.head.revision(),
            create: self.create,
            version: self.version,
        })
    }

    /// The state that a reader at `main` sees.
    pub(crate) fn at(&self, main: i64) -> Option<Visible> {
        if self.head.main <= main {
            return self.newest();
        }
        let history = self.history.as_deref()?;
        let position = history.position(main)?;
        let found = history.older[position];
        if found.tombstone {
            return None;
        }
        let (create, version) = self.life_of(history, position);
        Some(Visible {
            revision: found.revision(),
            create,
            version,
        })
    }

    /// Create revision and version of the put at `position` of `older`.
    fn life_of(&self, history: &History, position: usize) -> (i64, i64) {
        let mut end = 0;
        for life in &history.lives {
            end += life.changes;
            if position < end {
                // The last change of the life is its tombstone.
                return (life.create, life.version - distance(position, end - 2));
            }
        }
        let last_put = if self.head.tombstone {
            history.older.len() - 1
        } else {
            history.older.len()
        };
        (self.create, self.version - distance(position, last_put))
    }

    /// Appends a put.
    pub(crate) fn put(&mut self, revision: Revision, lease: LeaseId) {
        let (create, version) = if self.head.tombstone {
            (revision.main, 1)
        } else {
            (self.create, self.version + 1)
        };
        self.restore_put(change(revision, false), create, version, lease);
    }

    /// Appends a put whose create revision and version are known from its record.
    pub(crate) fn restore_put(&mut self, put: Change, create: i64, version: i64, lease: LeaseId) {
        self.push_head(put);
        let history = self.history.get_or_insert_default();
        let ended: usize = history.lives.iter().map(|life| life.changes).sum();
        if history.older.last().is_some_and(|last| last.tombstone) {
            history.lives.push(Life {
                create: self.create,
                version: self.version,
                changes: history.older.len() - ended,
            });
        }
        self.create = create;
        self.version = version;
        self.lease = lease;
    }

    /// Appends a tombstone.
    pub(crate) fn delete(&mut self, revision: Revision) {
        self.push_head(change(revision, true));
        self.lease = LeaseId::NONE;
    }

    fn push_head(&mut self, head: Change) {
        let history = self.history.get_or_insert_default();
        if history.older.len() == history.older.capacity() {
            // Most keys have few older changes: grow by half, not from four.
            history.older.reserve_exact(history.older.len() / 2 + 1);
        }
        history.older.push(self.head);
        self.head = head;
    }

    /// The newest change at or below `main`, tombstones included.
    pub(crate) fn newest_change_at(&self, main: i64) -> Option<Change> {
        if self.head.main <= main {
            return Some(self.head);
        }
        let history = self.history.as_deref()?;
        Some(history.older[history.position(main)?])
    }

    /// All changes with a main revision of `from` or above, oldest first.
    pub(crate) fn changes_from(&self, from: i64) -> impl Iterator<Item = Change> + '_ {
        let older = self.history.as_deref().map_or(&[][..], |h| &h.older);
        let skip = older.partition_point(|change| change.main < from);
        let head = (self.head.main >= from).then_some(self.head);
        older[skip..].iter().copied().chain(head)
    }

    /// Forgets what a compaction at `at` drops and hands it over; false when nothing is left.
    ///
    /// Of the changes at or below `at` only the newest stays, and not even that one if it is a
    /// tombstone strictly below `at`. The changes are handed over as they lie, however many they
    /// are: the caller holds a lock.
    pub(crate) fn compact(&mut self, at: i64, dropped: &mut impl FnMut(Vec<Change>)) -> bool {
        if self.head.main > at {
            self.compact_older(at, dropped);
            return true;
        }
        let history = self.history.take();
        let mut older = history.map_or_else(Vec::new, |history| history.older);
        let kept = !self.head.tombstone || self.head.main == at;
        if !kept {
            older.push(self.head);
        }
        if !older.is_empty() {
            dropped(older);
        }
        kept
    }

    fn compact_older(&mut self, at: i64, dropped: &mut impl FnMut(Vec<Change>)) {
        let Some(history) = self.history.as_deref_mut() else {
            return;
        };
        let Some(newest) = history.position(at) else {
            return;
        };
        let found = history.older[newest];
        let count = newest + usize::from(found.tombstone && found.main < at);
        if count == 0 {
            return;
        }
        history.forget_lives(count);
        let left = history.older.split_off(count);
        dropped(std::mem::replace(&mut history.older, left));
        if history.older.is_empty() {
            self.history = None;
        }
    }

    /// Bytes allocated for this key beside the entry itself and the key's own bytes.
    #[cfg(test)]
    pub(crate) fn heap_bytes(&self) -> usize {
        self.history.as_deref().map_or(0, |history| {
            size_of::<History>()
                + history.older.capacity() * size_of::<Change>()
                + history.lives.capacity() * size_of::<Life>()
        })
    }
}

impl History {
    /// The position of the newest change at or below `main`.
    fn position(&self, main: i64) -> Option<usize> {
        // Readers mostly ask for what was just replaced.
        if self.older.last().is_some_and(|last| last.main <= main) {
            return Some(self.older.len() - 1);
        }
        self.older
            .partition_point(|change| change.main <= main)
            .checked_sub(1)
    }

    /// Takes `dropped` changes off the oldest lives.
    fn forget_lives(&mut self, mut dropped: usize) {
        let mut gone = 0;
        for life in &mut self.lives {
            if life.changes > dropped {
                life.changes -= dropped;
                break;
            }
            dropped -= life.changes;
            gone += 1;
        }
        self.lives.drain(..gone);
    }
}

fn change(revision: Revision, tombstone: bool) -> Change {
    Change {
        main: revision.main,
        sub: sub(revision).expect("a transaction has fewer than 2^32 changes"),
        tombstone,
    }
}

/// The sub-revision as the index stores it; `None` for what no member can have written.
pub(crate) fn sub(revision: Revision) -> Option<u32> {
    u32::try_from(revision.sub).ok()
}

/// How many puts lie between two positions of one life.
fn distance(from: usize, to: usize) -> i64 {
    i64::try_from(to.saturating_sub(from)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rev(main: i64) -> Revision {
        Revision::new(main, 0)
    }

    fn visible(main: i64, create: i64, version: i64) -> Option<Visible> {
        Some(Visible {
            revision: rev(main),
            create,
            version,
        })
    }

    /// Two lives and a third, as in the drawing above.
    fn three_lives() -> KeyEntry {
        let mut entry = KeyEntry::put_first(b"k", rev(2), LeaseId::NONE);
        entry.put(rev(3), LeaseId::NONE);
        entry.delete(rev(5));
        entry.put(rev(7), LeaseId(9));
        entry.delete(rev(8));
        entry.put(rev(10), LeaseId::NONE);
        entry.put(rev(12), LeaseId(4));
        entry
    }

    /// A wrong version or create revision of an old pair would break compares and HashKV.
    #[test]
    fn readers_see_every_life() {
        let mut entry = three_lives();
        let expected = [
            (1, None),
            (2, visible(2, 2, 1)),
            (3, visible(3, 2, 2)),
            (4, visible(3, 2, 2)),
            (5, None),
            (7, visible(7, 7, 1)),
            (8, None),
            (9, None),
            (10, visible(10, 10, 1)),
            (11, visible(10, 10, 1)),
            (12, visible(12, 10, 2)),
            (99, visible(12, 10, 2)),
        ];
        for (main, want) in expected {
            assert_eq!(entry.at(main), want, "at {main}");
        }
        entry.delete(rev(13));
        for (main, want) in expected.into_iter().filter(|(main, _)| *main < 13) {
            assert_eq!(entry.at(main), want, "at {main} after the delete");
        }
        assert_eq!(entry.at(13), None);
        assert_eq!(entry.lease(), LeaseId::NONE);
    }

    /// Dropping too much loses data, dropping too little grows for ever.
    #[test]
    fn compaction_keeps_the_newest() {
        for at in 1..14 {
            let mut entry = three_lives();
            let before = entry.clone();
            let mut dead = Vec::new();
            assert!(entry.compact(at, &mut |dropped| dead.extend(dropped)));
            let dead: Vec<_> = dead.into_iter().map(Change::revision).collect();
            for main in at..14 {
                assert_eq!(entry.at(main), before.at(main), "{main} after {at}");
            }
            let kept = before
                .newest_change_at(at)
                .filter(|c| !c.tombstone || c.main == at);
            let want: Vec<_> = before
                .changes_from(0)
                .filter(|c| c.main <= at && Some(*c) != kept)
                .map(Change::revision)
                .collect();
            assert_eq!(dead, want, "dead after {at}");
        }
    }

    /// A tombstone at exactly the compaction revision waits for the next one.
    #[test]
    fn tombstone_at_the_revision_stays() {
        let mut entry = KeyEntry::put_first(b"k", rev(3), LeaseId::NONE);
        entry.delete(rev(4));
        let mut dead = Vec::new();
        assert!(entry.compact(4, &mut |dropped| dead.extend(dropped)));
        assert!(!entry.compact(5, &mut |dropped| dead.extend(dropped)));
        let dead: Vec<_> = dead.into_iter().map(Change::revision).collect();
        assert_eq!(dead, [rev(3), rev(4)]);
    }

    /// The size of an entry is the memory of a member with many keys.
    #[test]
    fn an_entry_is_a_cache_line() {
        assert_eq!(size_of::<KeyEntry>(), 64);
        assert_eq!(
            KeyEntry::put_first(b"k", rev(2), LeaseId(1)).heap_bytes(),
            0
        );
    }
}
