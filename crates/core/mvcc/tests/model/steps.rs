//! Random histories and random questions.

use bytes::Bytes;
use mvcc::{RangeQuery, Sort, SortTarget};
use proptest::prelude::*;
use types::{KeyRange, LeaseId};

/// What may happen to a store.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// One transaction.
    Txn(Vec<Op>),
    /// Puts many keys in one transaction.
    Fill { from: u16, count: u16 },
    /// A compaction at this share of the revisions that may be compacted.
    Compact(f64),
    /// Steps of the compaction, each for so many keys; the hash is computed or dropped.
    Sweep {
        keys: usize,
        steps: usize,
        hash: bool,
    },
    /// A batch is taken, but not written yet.
    Take,
    /// Everything taken is written.
    Write,
    /// The store gives space back.
    Reclaim { defragment: bool },
    /// The member stops in order and starts again.
    Reopen,
    /// The member dies and starts again.
    Crash(u64),
}

/// A change inside a transaction.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Put {
        key: Bytes,
        value: Bytes,
        lease: LeaseId,
    },
    Delete(KeyRange),
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => proptest::collection::vec(op(), 1..5).prop_map(Step::Txn),
        1 => (0..700_u16, 1..700_u16).prop_map(|(from, count)| Step::Fill { from, count }),
        2 => (0.0..1.2).prop_map(Step::Compact),
        3 => (prop_oneof![1..40_usize, 100..900_usize], 1..8_usize, any::<bool>())
            .prop_map(|(keys, steps, hash)| Step::Sweep { keys, steps, hash }),
        2 => Just(Step::Take),
        2 => Just(Step::Write),
        1 => any::<bool>().prop_map(|defragment| Step::Reclaim { defragment }),
        1 => Just(Step::Reopen),
        1 => any::<u64>().prop_map(Step::Crash),
    ];
    proptest::collection::vec(step, 1..80)
}

fn op() -> impl Strategy<Value = Op> {
    let value = proptest::collection::vec(any::<u8>(), 0..120).prop_map(Bytes::from);
    let lease = prop_oneof![3 => Just(0), 1 => 1..4_i64, 1 => Just(-7_i64)].prop_map(LeaseId);
    prop_oneof![
        4 => (key(), value, lease).prop_map(|(key, value, lease)| Op::Put { key, value, lease }),
        1 => range().prop_map(Op::Delete),
    ]
}

/// Few keys, so that they are written again and again; some are prefixes of others.
pub(crate) fn key() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        "[a-d]{1,2}",
        (0..1400_u16).prop_map(|number| format!("many/{number:04}")),
    ]
    .prop_map(Bytes::from)
}

pub(crate) fn many(number: u16) -> Bytes {
    Bytes::from(format!("many/{number:04}"))
}

pub(crate) fn range() -> impl Strategy<Value = KeyRange> {
    prop_oneof![
        3 => key().prop_map(KeyRange::Point),
        3 => (key(), key()).prop_map(|(start, end)| KeyRange::Span { start, end }),
        1 => key().prop_map(KeyRange::FromKey),
        1 => Just(KeyRange::All),
    ]
}

fn target() -> impl Strategy<Value = SortTarget> {
    prop_oneof![
        Just(SortTarget::Key),
        Just(SortTarget::Version),
        Just(SortTarget::Create),
        Just(SortTarget::Mod),
        Just(SortTarget::Value),
    ]
}

/// A question; the revision and the bounds are shares of the current revision.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) query: RangeQuery,
    pub(crate) revision: f64,
    pub(crate) bounds: [Option<f64>; 4],
}

pub(crate) fn question() -> impl Strategy<Value = Question> {
    let sort = prop_oneof![
        3 => Just(Sort::None),
        1 => target().prop_map(Sort::AfterLimit),
        1 => target().prop_map(Sort::Ascending),
        1 => target().prop_map(Sort::Descending),
    ];
    let bound = || proptest::option::weighted(0.15, 0.0..1.1);
    (
        (
            range(),
            -1..6_i64,
            sort,
            any::<bool>(),
            proptest::bool::weighted(0.2),
        ),
        prop_oneof![Just(0.0), 0.0..1.3],
        [bound(), bound(), bound(), bound()],
    )
        .prop_map(
            |((range, limit, sort, keys_only, count_only), revision, bounds)| Question {
                query: RangeQuery {
                    limit,
                    sort,
                    keys_only,
                    count_only,
                    ..RangeQuery::of(range)
                },
                revision,
                bounds,
            },
        )
}

impl Question {
    pub(crate) fn at(&self, current: i64) -> RangeQuery {
        let share = |share: f64| (share * current as f64) as i64;
        let bound = |position: usize| self.bounds[position].map_or(0, share);
        RangeQuery {
            revision: share(self.revision),
            mod_revisions: (bound(0), bound(1)),
            create_revisions: (bound(2), bound(3)),
            ..self.query.clone()
        }
    }
}
