//! Transactions that only read: answered on the connection's thread, all at one revision.

use apply::{OpResult, Response, TxnResult, query, record_holds};
use mvcc::{RangeError, RangeQuery, Reader, Revisions};
use proto::error::Error;
use proto::etcdserverpb::compare::CompareTarget;
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{Compare, RangeRequest, TxnRequest};
use rpc::Status;
use types::{KeyRange, Record};

use super::error;

/// Why a transaction could not be answered at the revision that was chosen.
enum Stop {
    /// A compaction came between; a newer revision will do as well.
    Overtaken,
    Refused(Status),
}

/// Answers the transaction at the current revision, and says which that was.
pub(super) fn answer(reader: &Reader, txn: &TxnRequest) -> Result<(TxnResult, i64), Status> {
    loop {
        let view = View {
            reader,
            revisions: reader.revisions(),
        };
        match view.answer(txn) {
            Ok(result) => return Ok((result, view.revisions.current)),
            Err(Stop::Overtaken) => {}
            Err(Stop::Refused(status)) => return Err(status),
        }
    }
}

/// The store at one revision.
struct View<'a> {
    reader: &'a Reader,
    revisions: Revisions,
}

impl View<'_> {
    fn answer(&self, txn: &TxnRequest) -> Result<TxnResult, Stop> {
        let mut succeeded = true;
        for compare in &txn.compare {
            succeeded = succeeded && self.holds(compare)?;
        }
        let branch = if succeeded {
            &txn.success
        } else {
            &txn.failure
        };
        let mut responses = Vec::with_capacity(branch.len());
        for op in branch {
            let Some(Request::RequestRange(range)) = &op.request else {
                return Err(refused(Error::KeyNotFound));
            };
            let response = self.range(range)?;
            responses.push(OpResult {
                revision: self.revisions.current,
                response,
            });
        }
        Ok(TxnResult {
            succeeded,
            responses,
        })
    }

    fn range(&self, request: &RangeRequest) -> Result<Response, Stop> {
        let Revisions { current, compacted } = self.revisions;
        let query = query::of_range(request).map_err(|types::EmptyKey| refused(Error::EmptyKey))?;
        match request.revision {
            0 => self.read(RangeQuery {
                revision: current,
                ..query
            }),
            // Unlike in a plain range, a negative revision is an old one here.
            revision if revision < compacted => Err(refused(Error::Compacted)),
            revision if revision > current => Err(refused(Error::FutureRev)),
            revision if revision < 0 => self.read(RangeQuery {
                revision: current,
                ..query
            }),
            _ => self
                .reader
                .range(&query)
                .map_err(|error| Stop::Refused(error::range(error))),
        }
        .map(Response::Range)
    }

    /// Reads at the revision of the transaction.
    fn read(&self, query: RangeQuery) -> Result<mvcc::RangeResult, Stop> {
        self.reader.range(&query).map_err(|error| match error {
            RangeError::Compacted { .. } => Stop::Overtaken,
            error => Stop::Refused(error::range(error)),
        })
    }

    /// Whether a compare holds for its key, or for every key of its range.
    fn holds(&self, compare: &Compare) -> Result<bool, Stop> {
        let range = KeyRange::new(compare.key.clone(), compare.range_end.clone())
            .map_err(|types::EmptyKey| refused(Error::EmptyKey))?;
        let target = CompareTarget::try_from(compare.target).ok();
        let keys_only = !matches!(target, Some(CompareTarget::Value | CompareTarget::Lease));
        let revision = self.revisions.current;
        let found = self.read(RangeQuery {
            keys_only,
            revision,
            ..RangeQuery::of(range)
        })?;
        if found.kvs.is_empty() {
            // A missing key has no value to compare; its numbers are zero.
            return Ok(target != Some(CompareTarget::Value)
                && record_holds(&Record::default(), target, compare));
        }
        Ok(found.kvs.iter().all(|kv| {
            // The store has checked its records.
            Record::decode(kv).is_ok_and(|record| record_holds(&record, target, compare))
        }))
    }
}

fn refused(error: Error) -> Stop {
    Stop::Refused(error.into())
}
