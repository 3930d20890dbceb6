//! The store as its rules say it, without any thought for speed: a list of all changes ever made.

use std::collections::BTreeMap;

use bytes::Bytes;
use mvcc::{HashKv, RangeQuery, RangeResult, Sort, SortTarget};
use types::{KeyRange, LeaseId, Record, RecordKey, Revision};

/// One change and its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) revision: Revision,
    pub(crate) tombstone: bool,
    pub(crate) record: Record,
}

impl Stored {
    pub(crate) fn bytes(&self) -> Bytes {
        if self.tombstone {
            Record::encode_tombstone(&self.record.key)
        } else {
            self.record.encode()
        }
    }

    /// `mvccpb.Event` without the previous pair.
    pub(crate) fn event_bytes(&self) -> Vec<u8> {
        let (mut event, kv) = if self.tombstone {
            let kv = Record {
                key: self.record.key.clone(),
                mod_revision: self.revision.main,
                ..Record::default()
            };
            (vec![0x08, 0x01], kv.encode())
        } else {
            (Vec::new(), self.record.encode())
        };
        event.push(0x12);
        let mut len = kv.len();
        while len >= 0x80 {
            event.push((len % 0x80) as u8 | 0x80);
            len /= 0x80;
        }
        event.push(len as u8);
        event.extend_from_slice(&kv);
        event
    }
}

/// The state that the rules prescribe.
#[derive(Clone, Debug)]
pub(crate) struct Naive {
    /// Every change ever made.
    pub(crate) log: Vec<Stored>,
    /// Those that compactions have left.
    pub(crate) left: Vec<Stored>,
    /// The live keys.
    pub(crate) live: BTreeMap<Bytes, Stored>,
    pub(crate) current: i64,
    pub(crate) compacted: i64,
    pub(crate) finished: i64,
    pub(crate) remembered: Vec<HashKv>,
}

impl Default for Naive {
    fn default() -> Self {
        Self {
            log: Vec::new(),
            left: Vec::new(),
            live: BTreeMap::new(),
            current: 1,
            compacted: -1,
            finished: -1,
            remembered: Vec::new(),
        }
    }
}

impl Naive {
    /// The newest change of each key at `revision`, deleted keys left out.
    pub(crate) fn visible(&self, revision: i64) -> BTreeMap<Bytes, Stored> {
        let mut visible = BTreeMap::new();
        for change in self
            .log
            .iter()
            .filter(|change| change.revision.main <= revision)
        {
            if change.tombstone {
                visible.remove(&change.record.key);
            } else {
                visible.insert(change.record.key.clone(), change.clone());
            }
        }
        visible
    }

    pub(crate) fn put(&mut self, revision: Revision, key: &Bytes, value: &Bytes, lease: LeaseId) {
        let before = self.live.get(key);
        let (create, version) = match before {
            Some(before) => (before.record.create_revision, before.record.version + 1),
            None => (revision.main, 1),
        };
        let record = Record {
            key: key.clone(),
            create_revision: create,
            mod_revision: revision.main,
            version,
            value: value.clone(),
            lease,
        };
        self.push(Stored {
            revision,
            tombstone: false,
            record,
        });
    }

    pub(crate) fn delete(&mut self, revision: Revision, key: &Bytes) {
        let record = Record {
            key: key.clone(),
            ..Record::default()
        };
        self.push(Stored {
            revision,
            tombstone: true,
            record,
        });
    }

    fn push(&mut self, change: Stored) {
        if change.tombstone {
            self.live.remove(&change.record.key);
        } else {
            self.live.insert(change.record.key.clone(), change.clone());
        }
        self.log.push(change.clone());
        self.left.push(change);
    }

    pub(crate) fn range(&self, query: &RangeQuery) -> RangeResult {
        let revision = if query.revision <= 0 {
            self.current
        } else {
            query.revision
        };
        let found: Vec<Stored> = self
            .visible(revision)
            .into_values()
            .filter(|change| query.range.contains(&change.record.key))
            .collect();
        let count = found.len() as i64;
        if query.count_only {
            return RangeResult {
                kvs: Vec::new(),
                more: false,
                count,
                revision: self.current,
            };
        }
        let (kvs, more) = choose(query, found);
        RangeResult {
            kvs,
            more,
            count,
            revision: self.current,
        }
    }

    pub(crate) fn compact(&mut self, revision: i64) {
        if self.compacted == self.finished {
            let hash = self.hash_kv_of(revision, true);
            self.remembered.push(hash);
            if self.remembered.len() > 10 {
                self.remembered.remove(0);
            }
        }
        self.compacted = revision;
        let newest = newest_of_each(&self.left, revision);
        self.left.retain(|change| {
            change.revision.main > revision
                || (newest.get(&change.record.key) == Some(&change.revision)
                    && (!change.tombstone || change.revision.main == revision))
        });
    }

    /// HashKV by its definition, over what the compactions have left.
    pub(crate) fn hash_kv(&self, revision: i64) -> HashKv {
        self.hash_kv_of(revision, false)
    }

    /// As a compaction to `revision` remembers it, or as it is asked for.
    fn hash_kv_of(&self, revision: i64, compacting: bool) -> HashKv {
        let deleted_then: Vec<&Stored> = self
            .left
            .iter()
            .filter(|change| change.tombstone && change.revision.main == revision)
            .collect();
        let mut keep: Vec<Revision> = self
            .visible(revision)
            .into_iter()
            .filter(|(key, _)| deleted_then.iter().all(|change| change.record.key != *key))
            .map(|(_, change)| change.revision)
            .collect();
        if compacting {
            keep.extend(deleted_then.iter().map(|change| change.revision));
        }
        let mut hash = crc32c::crc32c(b"key");
        for change in &self.left {
            let at = change.revision;
            let skipped = at.main > revision
                || (at.main <= self.compacted && !keep.is_empty() && !keep.contains(&at))
                || (at.main == self.compacted && change.tombstone);
            if !skipped {
                let key = RecordKey {
                    revision: at,
                    tombstone: change.tombstone,
                };
                hash = key.with_bytes(|key| crc32c::crc32c_append(hash, key));
                hash = crc32c::crc32c_append(hash, &change.bytes());
            }
        }
        HashKv {
            hash,
            compact_revision: self.compacted,
            hash_revision: revision,
        }
    }

    /// The changes of a range from `from` on that can still be read, by revision.
    pub(crate) fn history(&self, range: &KeyRange, from: i64) -> Vec<(i64, Vec<Stored>)> {
        let mut revisions: Vec<(i64, Vec<Stored>)> = Vec::new();
        for change in &self.left {
            let main = change.revision.main;
            if main < from || !range.contains(&change.record.key) {
                continue;
            }
            match revisions.last_mut() {
                Some((last, changes)) if *last == main => changes.push(change.clone()),
                _ => revisions.push((main, vec![change.clone()])),
            }
        }
        revisions
    }
}

fn newest_of_each(changes: &[Stored], revision: i64) -> BTreeMap<Bytes, Revision> {
    changes
        .iter()
        .filter(|change| change.revision.main <= revision)
        .map(|change| (change.record.key.clone(), change.revision))
        .collect()
}

/// Limit, filters and order, in etcd's sequence.
fn choose(query: &RangeQuery, mut found: Vec<Stored>) -> (Vec<Bytes>, bool) {
    let limit = usize::try_from(query.limit).ok().filter(|limit| *limit > 0);
    let (mods, creates) = (query.mod_revisions, query.create_revisions);
    let has_filters = mods != (0, 0) || creates != (0, 0);
    let unordered = matches!(query.sort, Sort::None | Sort::AfterLimit(_));
    if let (Some(limit), true, false) = (limit, unordered, has_filters) {
        found.truncate(limit + 1);
    }
    let within =
        |(min, max): (i64, i64), at: i64| (min == 0 || at >= min) && (max == 0 || at <= max);
    found.retain(|change| {
        within(mods, change.record.mod_revision) && within(creates, change.record.create_revision)
    });
    let (target, descending) = match query.sort {
        Sort::None => (SortTarget::Key, false),
        Sort::AfterLimit(target) | Sort::Ascending(target) => (target, false),
        Sort::Descending(target) => (target, true),
    };
    // Equals stay in key order, in a descending order too.
    if descending && !matches!(target, SortTarget::Key) {
        found.reverse();
    }
    match target {
        SortTarget::Key => {}
        SortTarget::Version => found.sort_by_key(|change| change.record.version),
        SortTarget::Create => found.sort_by_key(|change| change.record.create_revision),
        SortTarget::Mod => found.sort_by_key(|change| change.record.mod_revision),
        SortTarget::Value => found.sort_by_key(|change| change.record.value.clone()),
    }
    if descending {
        found.reverse();
    }
    let more = limit.is_some_and(|limit| found.len() > limit);
    found.truncate(limit.unwrap_or(usize::MAX));
    for change in found.iter_mut().filter(|_| query.keys_only) {
        change.record.value = Bytes::new();
        if target != SortTarget::Value {
            change.record.lease = LeaseId::NONE;
        }
    }
    (found.iter().map(Stored::bytes).collect(), more)
}
