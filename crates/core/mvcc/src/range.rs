//! Reading ranges: walk the index, filter, sort, cut, fetch the records.
//!
//! Filters and all orders but that by value are decided from the index, so that only records which
//! are returned are read. Records are read outside the index's lock.

use std::ops::{ControlFlow, Range};

use bytes::Bytes;
use types::{KeyRange, LeaseId, Record};

use crate::encode;
use crate::index::{Cursor, View};
use crate::key::Visible;
use crate::query::{Chunk, Fault, RangeError, RangeQuery, RangeResult, Sort, SortTarget};
use crate::shared::Shared;

/// A key that was found, with its record once that is known.
struct Item {
    visible: Visible,
    /// Empty until it is read.
    record: Bytes,
}

/// Reads `query` from `view`, whose records are in `shared`.
pub(crate) fn read(
    shared: &Shared,
    view: &impl View,
    query: &RangeQuery,
) -> Result<RangeResult, RangeError> {
    shared.counters.ranges.add(1);
    loop {
        match read_once(shared, view, query) {
            // The current revision was compacted away during a long read: read the newer one.
            Err(RangeError::Compacted { .. }) if query.revision <= 0 => {}
            result => return result,
        }
    }
}

fn read_once(
    shared: &Shared,
    view: &impl View,
    query: &RangeQuery,
) -> Result<RangeResult, RangeError> {
    match &query.range {
        KeyRange::Point(key) if !query.has_filters() && !query.count_only => {
            read_point(shared, view, query, key)
        }
        _ => read_range(shared, view, query),
    }
}

fn read_point(
    shared: &Shared,
    view: &impl View,
    query: &RangeQuery,
    key: &[u8],
) -> Result<RangeResult, RangeError> {
    let (current, revision, visible) = view.with_index(|index| {
        let revision = index.resolve(query.revision)?;
        let visible = index.tree.get(key).and_then(|entry| entry.at(revision));
        Ok::<_, RangeError>((index.current, revision, visible))
    })?;
    let mut kvs = Vec::new();
    if let Some(visible) = visible {
        kvs.push(match keys(query) {
            Keys::FromIndex => encode::record(key, visible, b"", LeaseId::NONE),
            keys => {
                let record = shared
                    .record(visible.revision)
                    .map_err(|fault| shared.explain(fault, revision))?;
                keys.shorten(visible, record)?
            }
        });
    }
    Ok(RangeResult {
        count: i64::from(!kvs.is_empty()),
        kvs,
        more: false,
        revision: current,
    })
}

/// What becomes of the values.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// They are returned.
    WithValues,
    /// They are not even read.
    FromIndex,
    /// They are read to sort by, and then dropped.
    Stripped,
}

fn keys(query: &RangeQuery) -> Keys {
    match (query.keys_only, query.sort.target()) {
        (false, _) => Keys::WithValues,
        (true, SortTarget::Value) => Keys::Stripped,
        (true, _) => Keys::FromIndex,
    }
}

impl Keys {
    fn shorten(self, visible: Visible, record: Bytes) -> Result<Bytes, Fault> {
        if self == Self::Stripped {
            let record = decode(visible, &record)?;
            return Ok(encode::record(&record.key, visible, b"", record.lease));
        }
        Ok(record)
    }
}

fn decode(visible: Visible, record: &Bytes) -> Result<Record, Fault> {
    let revision = visible.revision;
    Record::decode(record).map_err(|source| Fault::Damaged { revision, source })
}

/// A range read in progress.
struct RangeRead<'q> {
    query: &'q RangeQuery,
    cursor: Cursor<'q>,
    revision: i64,
    current: i64,
    /// Known at once at the current revision; otherwise what the walk counts.
    count: Option<usize>,
    walked: usize,
    items: Vec<Item>,
    items_max: usize,
}

fn read_range(
    shared: &Shared,
    view: &impl View,
    query: &RangeQuery,
) -> Result<RangeResult, RangeError> {
    let mut read = RangeRead::begin(view, query)?;
    let keys = keys(query);
    // Without a later choice among the items, records are read step by step.
    let settled = !query.has_filters() && query.sort.is_key_order();
    while !read.is_complete() {
        let first = read.items.len();
        read.step(view)?;
        if settled && keys != Keys::FromIndex {
            // The last one may only tell that there are more.
            let end = query.limit().unwrap_or(usize::MAX).min(read.items.len());
            read.fetch(shared, first.min(end)..end)?;
        }
    }
    if !settled {
        read.sort(shared)?;
    }
    let more = read.cut();
    if keys != Keys::FromIndex {
        read.fetch(shared, 0..read.items.len())?;
    }
    read.finish(keys, more)
}

impl<'q> RangeRead<'q> {
    fn begin(view: &impl View, query: &'q RangeQuery) -> Result<Self, RangeError> {
        let (revision, current, count) = view.with_index(|index| {
            let revision = index.resolve(query.revision)?;
            Ok::<_, RangeError>((revision, index.current, index.count(&query.range, revision)))
        })?;
        let bounded = match query.sort {
            Sort::None | Sort::AfterLimit(_) => true,
            sort => sort.is_key_order(),
        };
        let items_max = match query.limit() {
            _ if query.count_only => 0,
            // One more tells whether there are more.
            Some(limit) if bounded && !query.has_filters() => limit.saturating_add(1),
            _ => usize::MAX,
        };
        Ok(Self {
            query,
            cursor: Cursor::new(&query.range, revision, None),
            revision,
            current,
            count,
            walked: 0,
            items: Vec::new(),
            items_max,
        })
    }

    fn is_complete(&self) -> bool {
        self.cursor.is_done() || (self.items.len() >= self.items_max && self.count.is_some())
    }

    fn step(&mut self, view: &impl View) -> Result<(), RangeError> {
        let from_index = keys(self.query) == Keys::FromIndex;
        view.with_index(|index| {
            index.check_not_compacted(self.revision)?;
            let Self {
                cursor,
                items,
                walked,
                query,
                items_max,
                count,
                ..
            } = self;
            cursor.step(index, |entry, visible| {
                *walked += 1;
                if items.len() < *items_max && passes(query, visible) {
                    let record = if from_index {
                        encode::record(entry.key(), visible, b"", LeaseId::NONE)
                    } else {
                        Bytes::new()
                    };
                    items.push(Item { visible, record });
                }
                if items.len() >= *items_max && count.is_some() {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            });
            Ok(())
        })
    }

    /// Reads the records of some items that are not read yet.
    fn fetch(&mut self, shared: &Shared, which: Range<usize>) -> Result<(), RangeError> {
        let unread = |item: &&mut Item| item.record.is_empty();
        let items: Vec<_> = self.items[which].iter_mut().filter(unread).collect();
        let revisions: Vec<_> = items.iter().map(|item| item.visible.revision).collect();
        let records = shared
            .records_in_walk(&revisions)
            .map_err(|fault| shared.explain(fault, self.revision))?;
        for (item, record) in items.into_iter().zip(records) {
            item.record = record;
        }
        Ok(())
    }

    fn sort(&mut self, shared: &Shared) -> Result<(), RangeError> {
        let target = self.query.sort.target();
        let descending = matches!(self.query.sort, Sort::Descending(_));
        // Turned around before as well as after, so that equals come in key order: that is how etcd
        // leaves them when they are few.
        if descending && !matches!(target, SortTarget::Key) {
            self.items.reverse();
        }
        match target {
            // The walk was in key order.
            SortTarget::Key => {}
            SortTarget::Version => self.items.sort_by_key(|item| item.visible.version),
            SortTarget::Create => self.items.sort_by_key(|item| item.visible.create),
            SortTarget::Mod => self.items.sort_by_key(|item| item.visible.revision.main),
            SortTarget::Value => self.sort_by_value(shared)?,
        }
        if descending {
            self.items.reverse();
        }
        Ok(())
    }

    fn sort_by_value(&mut self, shared: &Shared) -> Result<(), RangeError> {
        self.fetch(shared, 0..self.items.len())?;
        let mut valued = Vec::with_capacity(self.items.len());
        for item in self.items.drain(..) {
            valued.push((decode(item.visible, &item.record)?.value, item));
        }
        valued.sort_by(|left, right| left.0.cmp(&right.0));
        self.items.extend(valued.into_iter().map(|(_, item)| item));
        Ok(())
    }

    /// Cuts the items to the limit; whether something was cut.
    fn cut(&mut self) -> bool {
        match self.query.limit() {
            Some(limit) if self.items.len() > limit => {
                self.items.truncate(limit);
                true
            }
            _ => false,
        }
    }

    fn finish(self, keys: Keys, more: bool) -> Result<RangeResult, RangeError> {
        let mut kvs = Vec::with_capacity(self.items.len());
        for item in self.items {
            kvs.push(keys.shorten(item.visible, item.record)?);
        }
        let count = self.count.unwrap_or(self.walked);
        Ok(RangeResult {
            kvs,
            more,
            count: i64::try_from(count).unwrap_or(i64::MAX),
            revision: self.current,
        })
    }
}

/// Whether the filters let a key through.
fn passes(query: &RangeQuery, visible: Visible) -> bool {
    let within = |(min, max): (i64, i64), revision: i64| {
        (min == 0 || revision >= min) && (max == 0 || revision <= max)
    };
    within(query.mod_revisions, visible.revision.main)
        && within(query.create_revisions, visible.create)
}

/// Reads up to `max` keys of `range` after the key `after`, at `revision` or the current one.
pub(crate) fn chunk(
    shared: &Shared,
    range: &KeyRange,
    revision: i64,
    after: Option<&[u8]>,
    max: usize,
    keys_only: bool,
) -> Result<Chunk, RangeError> {
    loop {
        match chunk_once(shared, range, revision, after, max, keys_only) {
            Err(RangeError::Compacted { .. }) if revision <= 0 => {}
            result => return result,
        }
    }
}

fn chunk_once(
    shared: &Shared,
    range: &KeyRange,
    revision: i64,
    after: Option<&[u8]>,
    max: usize,
    keys_only: bool,
) -> Result<Chunk, RangeError> {
    let (revision, current) = shared
        .with_index(|index| Ok::<_, RangeError>((index.resolve(revision)?, index.current)))?;
    let mut cursor = Cursor::new(range, revision, after);
    let mut kvs = Vec::new();
    let mut wanted = Vec::new();
    while kvs.len() < max && !cursor.is_done() {
        let room = max - kvs.len();
        shared.with_index(|index| {
            index.check_not_compacted(revision)?;
            let mut found = 0;
            cursor.step(index, |entry, visible| {
                found += 1;
                if keys_only {
                    kvs.push(encode::record(entry.key(), visible, b"", LeaseId::NONE));
                } else {
                    wanted.push(visible.revision);
                }
                if found == room {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            });
            Ok::<_, RangeError>(())
        })?;
        let records = shared
            .records_in_walk(&wanted)
            .map_err(|fault| shared.explain(fault, revision))?;
        kvs.extend(records);
        wanted.clear();
    }
    let next_after = match cursor.position() {
        Some(position) if !cursor.is_done() => Some(Bytes::copy_from_slice(position)),
        _ => None,
    };
    Ok(Chunk {
        kvs,
        revision,
        current,
        next_after,
    })
}
