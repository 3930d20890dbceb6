//! Keys and values: read and written at a member, with the namespace before every key.

use bytes::Bytes;
use client::Client;
use prost::Message;
use proto::error::Error;
use proto::etcdserverpb::{
    CompactionRequest, DeleteRangeRequest, DeleteRangeResponse, PutRequest, PutResponse,
    RangeRequest, RangeResponse, RangeStreamResponse, TxnRequest, TxnResponse, request_op,
    response_op,
};
use rpc::{Outbound, Status};

use super::cache::Touched;
use super::failure::status;
use super::leasing::Leasing;
use super::services::{Services, decode, encode};
use super::who::Who;

const RANGE: &str = "/etcdserverpb.KV/Range";
const RANGE_STREAM: &str = "/etcdserverpb.KV/RangeStream";
const PUT: &str = "/etcdserverpb.KV/Put";
const DELETE_RANGE: &str = "/etcdserverpb.KV/DeleteRange";
pub(super) const TXN: &str = "/etcdserverpb.KV/Txn";
const COMPACT: &str = "/etcdserverpb.KV/Compact";
/// How often another member is asked when one is behind an earlier answer.
const ORDER_TRIES: usize = 5;
const NO_GREATER_REVISION: &str =
    "etcdclient: no cluster members have a revision higher than the previously received revision";

impl Services {
    pub(super) async fn range(
        &self,
        client: &Client,
        who: &Who,
        request: Bytes,
    ) -> Result<Bytes, Status> {
        let mut decoded: RangeRequest = decode(request.clone())?;
        if let Some(leasing) = self.leasing(who)
            && Leasing::concerns(&decoded)
            && let Some(answer) = self.leased_range(leasing, client, &decoded).await?
        {
            return Ok(answer);
        }
        let is_local = decoded.serializable;
        let is_kept = who.is_nobody();
        // Whatever was asked for, the answer is good for who does not need the newest.
        decoded.serializable = true;
        let name = encode(&decoded);
        if is_local
            && is_kept
            && let Some(answer) = self.shared.cache.get(&name)
        {
            return Ok(answer);
        }
        decoded.serializable = is_local;
        let inside = self.enter(request, &mut decoded, |namespace, request| {
            namespace.range(request)
        })?;
        let touched = Touched {
            key: decoded.key,
            range_end: decoded.range_end,
        };
        let began = self.shared.cache.begin();
        let answer = self.ordered_range(client, inside, is_local).await?;
        let answer = self.leave::<RangeResponse>(answer, |namespace, answer| {
            namespace.ranged(answer);
        })?;
        if is_kept {
            self.shared.cache.keep(began, name, touched, answer.clone());
        }
        Ok(answer)
    }

    /// Asks on until a member is not behind what was answered before, where that is wanted.
    async fn ordered_range(
        &self,
        client: &Client,
        request: Bytes,
        is_local: bool,
    ) -> Result<Bytes, Status> {
        let Some(seen) = &self.shared.order else {
            return client.relay(RANGE, true, request).await.map_err(status);
        };
        let count = client.endpoints().count().saturating_mul(ORDER_TRIES);
        for _ in 0..count.max(1) {
            let answer = client.relay(RANGE, true, request.clone()).await;
            let answer = answer.map_err(status)?;
            let revision = revision_of(answer.clone())?;
            let known = seen.fetch_max(revision, std::sync::atomic::Ordering::AcqRel);
            if !is_local || revision >= known {
                return Ok(answer);
            }
        }
        Err(Status::new(
            proto::error::Code::Unknown,
            NO_GREATER_REVISION,
        ))
    }

    pub(super) async fn range_stream(
        &self,
        client: &Client,
        request: Bytes,
        outbound: Outbound,
    ) -> Result<(), Status> {
        let mut decoded = decode(request.clone())?;
        let inside = self.enter(request, &mut decoded, |namespace, request| {
            namespace.range(request)
        })?;
        let opened = client.relay_stream(RANGE_STREAM, inside).await;
        let mut stream = opened.map_err(status)?;
        while let Some(client::Raw(chunk)) = stream.next().await.map_err(status)? {
            let chunk = self.leave::<RangeStreamResponse>(chunk, |namespace, chunk| {
                if let Some(answer) = &mut chunk.range_response {
                    namespace.ranged(answer);
                }
            })?;
            let sent = outbound.send(chunk).await;
            sent.map_err(|_| Status::cancelled())?;
        }
        Ok(())
    }

    pub(super) async fn put(
        &self,
        client: &Client,
        who: &Who,
        request: Bytes,
    ) -> Result<Bytes, Status> {
        let mut decoded: PutRequest = decode(request.clone())?;
        if let Some(leasing) = self.leasing(who) {
            let touched = [Touched {
                key: decoded.key.clone(),
                range_end: Bytes::new(),
            }];
            let change = request_op::Request::RequestPut(decoded);
            return self.guarded(leasing, client, change, &touched).await;
        }
        let inside = self.enter(request, &mut decoded, |namespace, request| {
            namespace.put(request)
        })?;
        let touched = Touched {
            key: decoded.key,
            range_end: Bytes::new(),
        };
        let answer = self.write(client, PUT, inside, &[touched]).await?;
        self.leave::<PutResponse>(answer, |namespace, answer| namespace.had_put(answer))
    }

    pub(super) async fn delete_range(
        &self,
        client: &Client,
        who: &Who,
        request: Bytes,
    ) -> Result<Bytes, Status> {
        let mut decoded: DeleteRangeRequest = decode(request.clone())?;
        if let Some(leasing) = self.leasing(who) {
            let touched = [Touched {
                key: decoded.key.clone(),
                range_end: decoded.range_end.clone(),
            }];
            let change = request_op::Request::RequestDeleteRange(decoded);
            return self.guarded(leasing, client, change, &touched).await;
        }
        let inside = self.enter(request, &mut decoded, |namespace, request| {
            namespace.delete_range(request)
        })?;
        let touched = Touched {
            key: decoded.key,
            range_end: decoded.range_end,
        };
        let answer = self.write(client, DELETE_RANGE, inside, &[touched]).await?;
        self.leave::<DeleteRangeResponse>(answer, |namespace, answer| namespace.deleted(answer))
    }

    pub(super) async fn txn(
        &self,
        client: &Client,
        who: &Who,
        request: Bytes,
    ) -> Result<Bytes, Status> {
        let mut decoded: TxnRequest = decode(request.clone())?;
        if let Some(leasing) = self.leasing(who) {
            let mut touched = Vec::new();
            written(&decoded, &mut touched);
            if !touched.is_empty() {
                let change = request_op::Request::RequestTxn(decoded);
                return self.guarded(leasing, client, change, &touched).await;
            }
        }
        let inside = self.enter(request, &mut decoded, |namespace, request| {
            namespace.txn(request)
        })?;
        let mut touched = Vec::new();
        written(&decoded, &mut touched);
        let answer = self.write(client, TXN, inside, &touched).await?;
        self.leave::<TxnResponse>(answer, |namespace, answer| namespace.transacted(answer))
    }

    pub(super) async fn compact(&self, client: &Client, request: Bytes) -> Result<Bytes, Status> {
        let _: CompactionRequest = decode(request.clone())?;
        let answer = client.relay(COMPACT, false, request).await;
        // Answers at old revisions are errors from now on.
        self.shared.cache.clear();
        answer.map_err(status)
    }

    /// Writes, and forgets what that touches, whatever became of it.
    async fn write(
        &self,
        client: &Client,
        path: &'static str,
        request: Bytes,
        touched: &[Touched],
    ) -> Result<Bytes, Status> {
        let answer = client.relay(path, false, request).await;
        if !touched.is_empty() {
            self.shared.cache.invalidate(touched);
        }
        answer.map_err(status)
    }

    /// What is owned, for those who are answered from it.
    fn leasing(&self, who: &Who) -> Option<&Leasing> {
        let leasing = self.shared.leasing.as_deref();
        leasing.filter(|_| who.is_nobody())
    }

    /// A write that respects the owners of its keys.
    async fn guarded(
        &self,
        leasing: &Leasing,
        client: &Client,
        change: request_op::Request,
        touched: &[Touched],
    ) -> Result<Bytes, Status> {
        let outcome = self.leased_write(leasing, client, change, touched).await;
        self.shared.cache.invalidate(touched);
        let outcome = outcome?;
        let header = outcome.header;
        let response = outcome.responses.into_iter().next();
        match response.and_then(|operation| operation.response) {
            Some(response_op::Response::ResponsePut(answer)) => {
                Ok(encode(&PutResponse { header, ..answer }))
            }
            Some(response_op::Response::ResponseDeleteRange(answer)) => {
                Ok(encode(&DeleteRangeResponse { header, ..answer }))
            }
            Some(response_op::Response::ResponseTxn(answer)) => {
                Ok(encode(&TxnResponse { header, ..answer }))
            }
            _ => Err(undecodable_answer()),
        }
    }

    /// A request with the namespace before its keys; the bytes as they came where there is none.
    fn enter<M: Message>(
        &self,
        request: Bytes,
        decoded: &mut M,
        change: impl FnOnce(&super::namespace::Namespace, &mut M) -> Result<(), Error>,
    ) -> Result<Bytes, Status> {
        let namespace = &self.shared.namespace;
        if namespace.is_whole() {
            return Ok(request);
        }
        change(namespace, decoded)?;
        Ok(encode(decoded))
    }

    /// An answer without the namespace before its keys.
    pub(super) fn leave<M: Message + Default>(
        &self,
        answer: Bytes,
        change: impl FnOnce(&super::namespace::Namespace, &mut M),
    ) -> Result<Bytes, Status> {
        let namespace = &self.shared.namespace;
        if namespace.is_whole() {
            return Ok(answer);
        }
        let mut decoded = M::decode(answer).map_err(|_| undecodable_answer())?;
        change(namespace, &mut decoded);
        Ok(encode(&decoded))
    }
}

pub(super) fn undecodable_answer() -> Status {
    Status::new(
        proto::error::Code::Internal,
        "a member's answer cannot be read",
    )
}

/// The revision in the header of an answer.
fn revision_of(answer: Bytes) -> Result<i64, Status> {
    let answer = RangeResponse::decode(answer).map_err(|_| undecodable_answer())?;
    Ok(answer.header.map_or(0, |header| header.revision))
}

/// What a transaction may write.
fn written(request: &TxnRequest, touched: &mut Vec<Touched>) {
    for operation in request.success.iter().chain(&request.failure) {
        match &operation.request {
            Some(request_op::Request::RequestPut(put)) => touched.push(Touched {
                key: put.key.clone(),
                range_end: Bytes::new(),
            }),
            Some(request_op::Request::RequestDeleteRange(delete)) => touched.push(Touched {
                key: delete.key.clone(),
                range_end: delete.range_end.clone(),
            }),
            Some(request_op::Request::RequestTxn(inner)) => written(inner, touched),
            Some(request_op::Request::RequestRange(_)) | None => {}
        }
    }
}
