//! Reads of owned keys, and writes that respect owners.

use std::time::{Duration, Instant};

use bytes::Bytes;
use client::Client;
use prost::Message as _;
use proto::error::Error;
use proto::etcdserverpb::{
    Compare, PutRequest, RangeRequest, RangeResponse, RequestOp, TxnRequest, TxnResponse,
    compare::{CompareResult, CompareTarget, TargetUnion},
    request_op, response_op,
};
use proto::limits::MAX_TXN_OPS;
use proto::mvccpb::KeyValue;
use rpc::Status;

use super::super::cache::Touched;
use super::super::kv::{TXN, undecodable_answer};
use super::super::services::{Services, encode};
use super::{Leasing, REVOKE, Reading, Unsure};
use crate::grpc::failure::status;

/// How long a write waits before it looks again whether a key is free.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// How long a write waits for the owners of its keys: the lease of one that is gone is over by then.
const PATIENCE: Duration = Duration::from_secs(120);

impl Services {
    /// Answers from what is owned, or by owning the key from now on; `None` leaves it to others.
    pub(in crate::grpc) async fn leased_range(
        &self,
        leasing: &Leasing,
        client: &Client,
        request: &RangeRequest,
    ) -> Result<Option<Bytes>, Status> {
        let key = &request.key;
        let owner = leasing.owner_key(key);
        let read = operation(request_op::Request::RequestRange(RangeRequest {
            key: key.clone(),
            ..RangeRequest::default()
        }));
        let answer = match leasing.read(key) {
            Reading::Elsewhere => return Ok(None),
            Reading::Here(answer) => answer,
            Reading::Ours { created, turn } => {
                let asked = TxnRequest {
                    compare: vec![is_created_at(owner, Bytes::new(), created)],
                    success: vec![read.clone()],
                    failure: vec![read],
                };
                let outcome = self.transact(client, asked).await?;
                let answer = ranged(&outcome, 0)?;
                match outcome.succeeded {
                    true => leasing.fetched(key, turn, &answer),
                    false => leasing.lose(key, created),
                }
                answer
            }
            Reading::Free { lease, turn } => {
                let own = operation(request_op::Request::RequestPut(PutRequest {
                    key: owner.clone(),
                    lease,
                    ..PutRequest::default()
                }));
                let asked = TxnRequest {
                    compare: vec![is_created_at(owner, Bytes::new(), 0)],
                    success: vec![read.clone(), own],
                    failure: vec![read],
                };
                let asking = Asking { leasing, key };
                let outcome = self.transact(client, asked).await?;
                let answer = ranged(&outcome, 0)?;
                let revision = outcome.header.map(|header| header.revision);
                let created = revision.filter(|_| outcome.succeeded);
                leasing.acquired(key, turn, created, &answer);
                drop(asking);
                answer
            }
        };
        Ok(Some(encode(&shaped(answer, request))))
    }

    /// Makes one change of what is `touched`, once all that belongs to nobody else.
    pub(in crate::grpc) async fn leased_write(
        &self,
        leasing: &Leasing,
        client: &Client,
        change: request_op::Request,
        touched: &[Touched],
    ) -> Result<TxnResponse, Status> {
        let _write = leasing.begin_write(touched);
        let deadline = Instant::now() + PATIENCE;
        let owners = leasing.guards(touched, &change);
        loop {
            let mut freed = leasing.freed.subscribe();
            if let Some(done) = self.write_own(leasing, client, &change, touched).await? {
                return Ok(done);
            }
            let ranges = owners.iter().cloned();
            let free = ranges
                .clone()
                .map(|range| is_created_at(range.key, range.range_end, 0));
            let look = ranges.map(|range| {
                operation(request_op::Request::RequestRange(RangeRequest {
                    key: range.key,
                    range_end: range.range_end,
                    ..RangeRequest::default()
                }))
            });
            let request = TxnRequest {
                compare: free.collect(),
                success: vec![operation(change.clone())],
                failure: look.collect(),
            };
            let outcome = self.transact(client, request).await?;
            if outcome.succeeded {
                return Ok(outcome);
            }
            for at in 0..outcome.responses.len() {
                for pair in ranged(&outcome, at)?.kvs {
                    self.ask_for(leasing, client, pair).await?;
                }
            }
            if Instant::now() >= deadline {
                return Err(Status::from(Error::Timeout));
            }
            let _ = tokio::time::timeout(LOOK_AGAIN, freed.changed()).await;
        }
    }

    /// The change of one key that is ours; none when it is not.
    async fn write_own(
        &self,
        leasing: &Leasing,
        client: &Client,
        change: &request_op::Request,
        touched: &[Touched],
    ) -> Result<Option<TxnResponse>, Status> {
        let Some((key, created)) = leasing.owner(touched) else {
            return Ok(None);
        };
        let owner = leasing.owner_key(&key);
        let request = TxnRequest {
            compare: vec![is_created_at(owner, Bytes::new(), created)],
            success: vec![operation(change.clone())],
            failure: Vec::new(),
        };
        let mut unsure = Unsure {
            leasing,
            key,
            created,
            is_over: false,
        };
        let outcome = self.transact(client, request).await?;
        unsure.is_over = true;
        if !outcome.succeeded {
            leasing.lose(&unsure.key, created);
            return Ok(None);
        }
        Ok(Some(outcome))
    }

    /// Asks the owner of a key to give it up.
    async fn ask_for(
        &self,
        leasing: &Leasing,
        client: &Client,
        pair: KeyValue,
    ) -> Result<(), Status> {
        let mut key = pair.key.clone();
        leasing.prefix.leave(&mut key);
        if leasing.is_own(pair.lease) {
            leasing.give_up(&key, pair.create_revision);
            return Ok(());
        }
        if pair.value == REVOKE {
            return Ok(());
        }
        let revoke = PutRequest {
            key: pair.key.clone(),
            value: Bytes::from_static(REVOKE),
            ignore_lease: true,
            ..PutRequest::default()
        };
        let request = TxnRequest {
            compare: vec![Compare {
                result: CompareResult::Equal.into(),
                target: CompareTarget::Mod.into(),
                key: pair.key,
                target_union: Some(TargetUnion::ModRevision(pair.mod_revision)),
                ..Compare::default()
            }],
            success: vec![operation(request_op::Request::RequestPut(revoke))],
            failure: Vec::new(),
        };
        self.transact(client, request).await.map(drop)
    }

    /// A transaction within the namespace.
    async fn transact(
        &self,
        client: &Client,
        mut request: TxnRequest,
    ) -> Result<TxnResponse, Status> {
        let namespace = &self.shared.namespace;
        if !namespace.is_whole() {
            namespace.txn(&mut request)?;
        }
        let answer = client.relay(TXN, false, encode(&request)).await;
        let answer = TxnResponse::decode(answer.map_err(status)?);
        let mut answer = answer.map_err(|_| undecodable_answer())?;
        if !namespace.is_whole() {
            namespace.transacted(&mut answer);
        }
        Ok(answer)
    }
}

impl Leasing {
    fn owner_key(&self, key: &Bytes) -> Bytes {
        let mut owner = key.clone();
        self.prefix.enter(&mut owner);
        owner
    }

    /// The owner keys that must not be there for a change to be made. Each range of them counts as an
    /// operation, and members take only so many: owners of other keys are asked as well rather than
    /// a large transaction refused.
    pub(super) fn guards(&self, touched: &[Touched], change: &request_op::Request) -> Vec<Touched> {
        let owners: Vec<Touched> = touched.iter().map(|range| self.owners(range)).collect();
        let operations = match change {
            request_op::Request::RequestTxn(txn) => depth(txn),
            _ => 1,
        };
        match Touched::covering(&owners) {
            Some(all) if owners.len() + operations > MAX_TXN_OPS => vec![all],
            _ => owners,
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

/// A key that is asked for. Without an answer it may be ours all the same: who wants to write it
/// finds that out.
struct Asking<'a> {
    leasing: &'a Leasing,
    key: &'a Bytes,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.leasing.forget_asked(self.key);
    }
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

fn operation(request: request_op::Request) -> RequestOp {
    RequestOp {
        request: Some(request),
    }
}

/// The answer to the read at a place of a transaction.
fn ranged(outcome: &TxnResponse, at: usize) -> Result<RangeResponse, Status> {
    let response = outcome.responses.get(at);
    match response.and_then(|operation| operation.response.as_ref()) {
        Some(response_op::Response::ResponseRange(answer)) => Ok(RangeResponse {
            header: outcome.header,
            ..answer.clone()
        }),
        _ => Err(undecodable_answer()),
    }
}

/// An answer as it was asked for.
fn shaped(mut answer: RangeResponse, request: &RangeRequest) -> RangeResponse {
    if request.count_only {
        answer.kvs.clear();
    }
    if request.keys_only {
        for pair in &mut answer.kvs {
            pair.value.clear();
        }
    }
    answer
}
