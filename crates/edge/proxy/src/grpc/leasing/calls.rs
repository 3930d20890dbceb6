//! Reads of owned keys, and writes that respect owners.

use std::time::{Duration, Instant};

use bytes::Bytes;
use client::Client;
use prost::Message as _;
use proto::error::Error;
use proto::etcdserverpb::{
    Compare, PutRequest, RangeRequest, RangeResponse, TxnRequest, TxnResponse,
    compare::{CompareResult, CompareTarget, TargetUnion},
    request_op, response_op,
};
use proto::mvccpb::KeyValue;
use rpc::Status;

use super::super::cache::Touched;
use super::super::kv::{TXN, undecodable_answer};
use super::super::services::{Services, encode};
use super::guarded::{Guard, Guarded, Outcome, is_created_at, operation};
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
        let guarded = leasing.guarded(change.clone(), touched);
        loop {
            let mut freed = leasing.freed.subscribe();
            if let Some(done) = self.write_own(leasing, client, &change, touched).await? {
                return Ok(done);
            }
            let answer = self.transact(client, guarded.request.clone()).await?;
            match guarded.outcome(answer)? {
                Outcome::Done(done) => return Ok(done),
                Outcome::Owned(owners) => {
                    for pair in owners {
                        self.ask_for(leasing, client, pair).await?;
                    }
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
        let owners = Touched {
            key: leasing.owner_key(&key),
            range_end: Bytes::new(),
        };
        let guarded = Guarded::new(change.clone(), vec![Guard { owners, created }]);
        let mut unsure = Unsure {
            leasing,
            key,
            created,
            is_over: false,
        };
        let answer = self.transact(client, guarded.request.clone()).await?;
        let outcome = guarded.outcome(answer)?;
        unsure.is_over = true;
        match outcome {
            Outcome::Done(done) => Ok(Some(done)),
            Outcome::Owned(_) => {
                leasing.lose(&unsure.key, created);
                Ok(None)
            }
        }
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
