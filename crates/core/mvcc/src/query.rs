//! What can be asked of the store, and what it answers.

use bytes::Bytes;
use types::{KeyRange, LeaseId, Revision};

use store::StoreFault;

/// A read of a range of keys, with the meaning of etcd's `RangeRequest`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeQuery {
    /// The keys.
    pub range: KeyRange,
    /// The revision to read at; zero or less for the current one.
    pub revision: i64,
    /// Most records to return; zero or less for no limit.
    pub limit: i64,
    /// The order of the answer.
    pub sort: Sort,
    /// Leave the values out. The lease is then left out too, unless sorting by value reads the
    /// records anyway.
    pub keys_only: bool,
    /// Return the count alone; limit, order and filters do not matter then.
    pub count_only: bool,
    /// Inclusive bounds of the mod revision; zero for none.
    pub mod_revisions: (i64, i64),
    /// Inclusive bounds of the create revision; zero for none.
    pub create_revisions: (i64, i64),
}

impl RangeQuery {
    /// All of `range` at the current revision, in key order.
    #[must_use]
    pub fn of(range: KeyRange) -> Self {
        Self {
            range,
            revision: 0,
            limit: 0,
            sort: Sort::None,
            keys_only: false,
            count_only: false,
            mod_revisions: (0, 0),
            create_revisions: (0, 0),
        }
    }

    pub(crate) fn has_filters(&self) -> bool {
        let (min_mod, max_mod) = self.mod_revisions;
        let (min_create, max_create) = self.create_revisions;
        [min_mod, max_mod, min_create, max_create]
            .iter()
            .any(|bound| *bound != 0)
    }

    pub(crate) fn limit(&self) -> Option<usize> {
        (self.limit > 0).then(|| usize::try_from(self.limit).unwrap_or(usize::MAX))
    }
}

/// The order of the records of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// By key.
    #[default]
    None,
    /// Ascending, but only what the limit has let through in key order, and one more: what etcd does
    /// when a target is named without an order.
    AfterLimit(SortTarget),
    /// Ascending, over the whole range.
    Ascending(SortTarget),
    /// Descending, over the whole range.
    Descending(SortTarget),
}

impl Sort {
    pub(crate) fn target(self) -> SortTarget {
        match self {
            Self::None => SortTarget::Key,
            Self::AfterLimit(target) | Self::Ascending(target) | Self::Descending(target) => target,
        }
    }

    /// Whether the key order of the index is the order wanted.
    pub(crate) fn is_key_order(self) -> bool {
        self.target() == SortTarget::Key && !matches!(self, Self::Descending(_))
    }
}

/// What an answer is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortTarget {
    /// The key.
    Key,
    /// The version.
    Version,
    /// The create revision.
    Create,
    /// The mod revision.
    Mod,
    /// The value.
    Value,
}

/// The answer to a [`RangeQuery`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeResult {
    /// Encoded records, as they are stored.
    pub kvs: Vec<Bytes>,
    /// Whether the limit has cut the answer.
    pub more: bool,
    /// The number of keys in the range, whatever limit and filters say.
    pub count: i64,
    /// The current revision when the read began.
    pub revision: i64,
}

/// A part of a range, in key order, for answers that are sent piece by piece.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    /// Encoded records.
    pub kvs: Vec<Bytes>,
    /// The revision that was read; ask for it again to go on.
    pub revision: i64,
    /// The current revision when the chunk was read.
    pub current: i64,
    /// The key to go on after; `None` at the end of the range.
    pub next_after: Option<Bytes>,
}

/// The store's revisions at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revisions {
    /// The newest revision.
    pub current: i64,
    /// The compacted revision; -1 when there was no compaction.
    pub compacted: i64,
}

/// What the index knows of a live key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyMeta {
    /// Main revision of the put that began this life of the key.
    pub create_revision: i64,
    /// Main revision of the newest put.
    pub mod_revision: i64,
    /// Number of puts in this life.
    pub version: i64,
    /// The lease of the newest put.
    pub lease: LeaseId,
}

/// Why a read has no answer.
#[derive(Debug, thiserror::Error)]
pub enum RangeError {
    /// The revision is below the compacted one.
    #[error("revision has been compacted, compacted revision is {at}")]
    Compacted {
        /// The compacted revision.
        at: i64,
    },
    /// The revision has not come yet.
    #[error("revision is in the future, current revision is {current}")]
    Future {
        /// The current revision.
        current: i64,
    },
    /// This member's store is wrong.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// The store cannot give what the index promises: the member must stop.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Reading a file failed.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// A record is not there.
    #[error("record {revision} is missing in the store")]
    Missing {
        /// The revision of the record.
        revision: Revision,
    },
    /// A record does not decode.
    #[error("record {revision} is damaged")]
    Damaged {
        /// The revision of the record.
        revision: Revision,
        /// Where in the record.
        source: types::DecodeRecordError,
    },
}
