//! Keys that one transaction would write twice.
//!
//! All changes of a transaction share one revision, so no key may be put twice in it, nor put and
//! deleted. The check looks at each branch by itself and is blind in the places where etcd's is,
//! because a request that etcd takes must be taken:
//! - a deletion whose `range_end` is `"\0"` or not after its key covers nothing here;
//! - of two nested transactions side by side, the puts of the second are compared with the
//!   deletions of the first, but not the other way round;
//! - the two branches of one nested transaction may put the same key, but a sibling may not.

use std::collections::{BTreeMap, HashSet};

use foldhash::fast::RandomState;
use proto::error::Error;
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{DeleteRangeRequest, RequestOp, TxnRequest};

/// Checks both branches of a transaction that is otherwise valid.
///
/// # Errors
/// [`Error::DuplicateKey`].
pub(super) fn check(txn: &TxnRequest) -> Result<(), Error> {
    for branch in [&txn.success, &txn.failure] {
        // A single operation that is no transaction has nothing to collide with.
        if !matches!(
            branch.as_slice(),
            [] | [RequestOp {
                request: Some(
                    Request::RequestPut(_)
                        | Request::RequestDeleteRange(_)
                        | Request::RequestRange(_),
                )
            }]
        ) {
            Changes::of(branch)?;
        }
    }
    Ok(())
}

type Keys<'a> = HashSet<&'a [u8], RandomState>;

/// The keys that a list of operations puts and deletes, at every depth.
#[derive(Default)]
struct Changes<'a> {
    puts: Keys<'a>,
    deletions: Deletions<'a>,
}

impl<'a> Changes<'a> {
    fn of(branch: &'a [RequestOp]) -> Result<Self, Error> {
        let mut changes = Self::default();
        for op in branch {
            if let Some(Request::RequestDeleteRange(delete)) = &op.request {
                changes.deletions.add(delete);
            }
        }
        for op in branch {
            if let Some(Request::RequestTxn(txn)) = &op.request {
                changes.add_nested(txn)?;
            }
        }
        for op in branch {
            if let Some(Request::RequestPut(put)) = &op.request {
                changes.put(&put.key)?;
            }
        }
        Ok(changes)
    }

    fn add_nested(&mut self, txn: &'a TxnRequest) -> Result<(), Error> {
        let then = Self::of(&txn.success)?;
        let otherwise = Self::of(&txn.failure)?;
        for key in &then.puts {
            self.put(key)?;
        }
        // Only one of the two branches will run.
        for key in otherwise.puts.difference(&then.puts) {
            self.put(key)?;
        }
        self.deletions.merge(then.deletions);
        self.deletions.merge(otherwise.deletions);
        Ok(())
    }

    fn put(&mut self, key: &'a [u8]) -> Result<(), Error> {
        let is_new = !self.deletions.contain(key) && self.puts.insert(key);
        if is_new {
            Ok(())
        } else {
            Err(Error::DuplicateKey)
        }
    }
}

/// A set of keys: single ones, and disjoint spans from their start to their end.
#[derive(Default)]
struct Deletions<'a> {
    points: Keys<'a>,
    spans: BTreeMap<&'a [u8], &'a [u8]>,
}

impl<'a> Deletions<'a> {
    fn add(&mut self, delete: &'a DeleteRangeRequest) {
        if delete.range_end.is_empty() {
            self.points.insert(&delete.key);
        } else if delete.key < delete.range_end {
            self.add_span(&delete.key, &delete.range_end);
        }
    }

    fn merge(&mut self, other: Self) {
        self.points.extend(other.points);
        for (start, end) in other.spans {
            self.add_span(start, end);
        }
    }

    /// Adds a span, melted with those that it touches.
    fn add_span(&mut self, mut start: &'a [u8], mut end: &'a [u8]) {
        while let Some((&other_start, &other_end)) = self.spans.range(..=end).next_back() {
            if other_end < start {
                break;
            }
            start = start.min(other_start);
            end = end.max(other_end);
            self.spans.remove(other_start);
        }
        self.spans.insert(start, end);
    }

    fn contain(&self, key: &[u8]) -> bool {
        let before = || self.spans.range(..=key).next_back();
        self.points.contains(key) || before().is_some_and(|(_, end)| key < *end)
    }
}

#[cfg(test)]
#[path = "duplicates/tests.rs"]
mod tests;
