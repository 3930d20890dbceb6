//! A change that is made only while its owner keys are as they should be, as one transaction.
//!
//! Members count what a transaction has at each depth. A change that is a transaction itself and
//! writes nothing when its comparisons fail takes the guards beside its own comparisons, so that it
//! may be as large as without a proxy. Any other change stands within the transaction that guards it.

use bytes::Bytes;
use proto::etcdserverpb::{
    Compare, RangeRequest, RangeResponse, RequestOp, ResponseOp, TxnRequest, TxnResponse,
    compare::{CompareResult, CompareTarget, TargetUnion},
    request_op, response_op,
};
use proto::limits::MAX_TXN_OPS;
use proto::mvccpb::KeyValue;
use rpc::Status;

use super::super::cache::Touched;
use super::super::kv::undecodable_answer;
use super::Leasing;

/// Owner keys, and the revision that has created them: 0 while nobody may have them.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    pub(super) owners: Touched,
    pub(super) created: i64,
}

/// A change and its guards.
pub(super) struct Guarded {
    pub(super) request: TxnRequest,
    guards: Vec<Guard>,
    /// What the change does itself when the comparisons fail, before owners are looked at; none when
    /// it stands within.
    otherwise: Option<usize>,
}

/// What became of a guarded change.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The change's own answer is the first.
    Done(TxnResponse),
    /// The owner keys that are there.
    Owned(Vec<KeyValue>),
}

impl Guard {
    fn compare(&self) -> Compare {
        let Touched { key, range_end } = self.owners.clone();
        is_created_at(key, range_end, self.created)
    }

    fn look(&self) -> RequestOp {
        let Touched { key, range_end } = self.owners.clone();
        operation(request_op::Request::RequestRange(RangeRequest {
            key,
            range_end,
            ..RangeRequest::default()
        }))
    }

    fn holds(&self, found: &RangeResponse) -> bool {
        match self.created {
            0 => found.kvs.is_empty(),
            created => matches!(&*found.kvs, [pair] if pair.create_revision == created),
        }
    }
}

impl Guarded {
    pub(super) fn new(change: request_op::Request, guards: Vec<Guard>) -> Self {
        let (mut request, otherwise) = match change {
            request_op::Request::RequestTxn(txn) if only_reads(&txn.failure) => {
                let otherwise = txn.failure.len();
                (txn, Some(otherwise))
            }
            change => {
                let request = TxnRequest {
                    success: vec![operation(change)],
                    ..TxnRequest::default()
                };
                (request, None)
            }
        };
        request.compare.extend(guards.iter().map(Guard::compare));
        request.failure.extend(guards.iter().map(Guard::look));
        Self {
            request,
            guards,
            otherwise,
        }
    }

    /// What a member's answer says.
    pub(super) fn outcome(&self, mut answer: TxnResponse) -> Result<Outcome, Status> {
        if !answer.succeeded {
            let own = self.otherwise.unwrap_or_default();
            if answer.responses.len() != own + self.guards.len() {
                return Err(undecodable_answer());
            }
            let looked = answer.responses.split_off(own);
            let found: Vec<RangeResponse> = looked.into_iter().filter_map(into_range).collect();
            let mut each = self.guards.iter().zip(&found);
            let is_own = self.otherwise.is_some() && found.len() == self.guards.len();
            if !is_own || !each.all(|(guard, found)| guard.holds(found)) {
                let owned = found.into_iter().flat_map(|found| found.kvs);
                return Ok(Outcome::Owned(owned.collect()));
            }
        }
        if self.otherwise.is_some() {
            let header = answer.header;
            let own = response_op::Response::ResponseTxn(answer);
            answer = TxnResponse {
                header,
                succeeded: true,
                responses: vec![ResponseOp {
                    response: Some(own),
                }],
            };
        }
        Ok(Outcome::Done(answer))
    }
}

impl Leasing {
    /// A change of keys that nobody owns. Each range of owner keys counts as an operation, and members
    /// take only so many: owners of other keys are asked as well rather than a large transaction
    /// refused.
    pub(super) fn guarded(&self, change: request_op::Request, touched: &[Touched]) -> Guarded {
        let owners: Vec<Touched> = touched.iter().map(|range| self.owners(range)).collect();
        let free = |owners| Guard { owners, created: 0 };
        let all = Touched::covering(&owners).map(free);
        let guards = owners.into_iter().map(free).collect();
        let guarded = Guarded::new(change.clone(), guards);
        match all {
            Some(all) if depth(&guarded.request) > MAX_TXN_OPS => Guarded::new(change, vec![all]),
            _ => guarded,
        }
    }

    /// The owner keys of a range.
    fn owners(&self, range: &Touched) -> Touched {
        let mut owners = range.clone();
        self.prefix
            .enter_range(&mut owners.key, &mut owners.range_end);
        owners
    }
}

/// Whether operations change nothing, and can be done whatever the revision is: they are done as well
/// when it is a guard that fails.
fn only_reads(operations: &[RequestOp]) -> bool {
    operations.iter().all(|operation| match &operation.request {
        Some(request_op::Request::RequestRange(read)) => read.revision == 0,
        Some(request_op::Request::RequestTxn(inner)) => {
            only_reads(&inner.success) && only_reads(&inner.failure)
        }
        _ => false,
    })
}

/// Operations of a transaction and of the largest within it, as members count them.
fn depth(txn: &TxnRequest) -> usize {
    let all = txn.success.iter().chain(&txn.failure);
    let inner = all.filter_map(|operation| match &operation.request {
        Some(request_op::Request::RequestTxn(inner)) => Some(depth(inner)),
        _ => None,
    });
    let widest = txn.compare.len().max(txn.success.len());
    widest.max(txn.failure.len()) + inner.max().unwrap_or(0)
}

/// Whether the keys of a range were created at a revision; none is created at 0.
pub(super) fn is_created_at(key: Bytes, range_end: Bytes, revision: i64) -> Compare {
    Compare {
        result: CompareResult::Equal.into(),
        target: CompareTarget::Create.into(),
        key,
        range_end,
        target_union: Some(TargetUnion::CreateRevision(revision)),
    }
}

pub(super) fn operation(request: request_op::Request) -> RequestOp {
    RequestOp {
        request: Some(request),
    }
}

fn into_range(operation: ResponseOp) -> Option<RangeResponse> {
    match operation.response {
        Some(response_op::Response::ResponseRange(answer)) => Some(answer),
        _ => None,
    }
}
