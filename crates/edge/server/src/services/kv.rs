//! The KV service.

use std::time::Instant;

use apply::{Response, cost, query};
use bytes::Bytes;
use mvcc::RangeQuery;
use proto::error::Error;
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{
    CompactionRequest, CompactionResponse, DeleteRangeRequest, InternalRaftRequest, PutRequest,
    RangeRequest, RequestOp, TxnRequest,
};
use rpc::{Call, Status};

use super::identity::Identity;
use super::reply::{self, Reply as _};
use super::{Services, decode, encode, error, off_thread, read_txn, validate};
use crate::engine::Op;

impl Services {
    pub(super) async fn range(&self, call: &Call, request: Bytes) -> Result<Bytes, Status> {
        let request: RangeRequest = decode(request)?;
        if self.engine().status().is_learner() && !request.serializable {
            return Err(Error::NotSupportedForLearner.into());
        }
        validate::range(&request)?;
        let began = Instant::now();
        if !request.serializable {
            self.handle.linearizable().await?;
        }
        let caller = self.identify(call).await?;
        self.permit(&caller, |permit| permit.range(&request))?;
        let query = query::of_range(&request).map_err(|types::EmptyKey| Error::EmptyKey)?;
        let reader = self.engine().reader();
        if off_thread::is_short(&reader, &query).map_err(error::range)? {
            let read = Instant::now();
            let answer = self.answer_range(&query);
            self.range_done(call, began, read, answer.is_ok());
            let answer = answer?;
            self.still_permitted(&caller)?;
            return Ok(answer);
        }
        let read = Instant::now();
        let (reader, header) = (reader.clone(), self.header(0));
        let answer = off_thread::run(move || {
            let result = reader.range(&query)?;
            let header = proto::etcdserverpb::ResponseHeader {
                revision: result.revision,
                ..header
            };
            Ok(reply::Range::of(header, &result).encode())
        });
        let answer = answer.await?.map_err(error::range);
        self.range_done(call, began, read, answer.is_ok());
        let answer = answer?;
        self.still_permitted(&caller)?;
        Ok(answer)
    }

    /// Notes how long a range took: with the wait for its turn, and in the store.
    fn range_done(&self, call: &Call, began: Instant, read: Instant, succeeded: bool) {
        let (durations, now) = (self.handle.durations(), Instant::now());
        if let Some(notes) = call.notes() {
            notes.step("read.confirm", began, read);
            notes.step("range", read, now);
        }
        durations.range(now - read, succeeded);
        durations.request(Op::RANGE, now - began, succeeded);
    }

    fn answer_range(&self, query: &RangeQuery) -> Result<Bytes, Status> {
        let result = self.engine().reader().range(query).map_err(error::range)?;
        Ok(reply::Range::of(self.header(result.revision), &result).encode())
    }

    pub(super) async fn put(&self, call: &Call, request: Bytes) -> Result<Bytes, Status> {
        let request: PutRequest = decode(request)?;
        self.check_room(cost::of_put(&request))?;
        validate::put(&request)?;
        let caller = self.identify(call).await?;
        let request = InternalRaftRequest {
            put: Some(request),
            ..InternalRaftRequest::default()
        };
        let (response, revision) = self.propose(&caller, request).await?;
        let Response::Put { prev } = response else {
            return Err(error::mismatched());
        };
        let header = self.header(revision);
        Ok(reply::Put {
            header,
            prev: prev.as_ref(),
        }
        .encode())
    }

    pub(super) async fn delete_range(&self, call: &Call, request: Bytes) -> Result<Bytes, Status> {
        let request: DeleteRangeRequest = decode(request)?;
        validate::delete_range(&request)?;
        let caller = self.identify(call).await?;
        let request = InternalRaftRequest {
            delete_range: Some(request),
            ..InternalRaftRequest::default()
        };
        let (response, revision) = self.propose(&caller, request).await?;
        let Response::DeleteRange { deleted, prev } = response else {
            return Err(error::mismatched());
        };
        let header = self.header(revision);
        Ok(reply::DeleteRange {
            header,
            deleted,
            prev: &prev,
        }
        .encode())
    }

    pub(super) async fn txn(&self, call: &Call, request: Bytes) -> Result<Bytes, Status> {
        let request: TxnRequest = decode(request)?;
        self.check_room(cost::of_txn(&request))?;
        validate::txn(&request, self.engine().limits().max_txn_ops)?;
        if let Some(ranges) = ranges_only(&request) {
            let is_local = ranges.iter().all(|range| range.serializable);
            return self.read_txn(call, &request, is_local).await;
        }
        let caller = self.identify(call).await?;
        let request = InternalRaftRequest {
            txn: Some(request),
            ..InternalRaftRequest::default()
        };
        let (response, revision) = self.propose(&caller, request).await?;
        let Response::Txn(result) = response else {
            return Err(error::mismatched());
        };
        let header = self.header(revision);
        Ok(reply::Txn {
            header,
            result: &result,
        }
        .encode())
    }

    async fn read_txn(
        &self,
        call: &Call,
        request: &TxnRequest,
        is_local: bool,
    ) -> Result<Bytes, Status> {
        let began = Instant::now();
        if !is_local {
            self.handle.linearizable().await?;
        }
        let caller = self.identify(call).await?;
        self.permit(&caller, |permit| permit.txn(request))?;
        let read = Instant::now();
        let answer = read_txn::answer(&self.engine().reader(), request);
        if let Some(notes) = call.notes() {
            notes.step("read.confirm", began, read);
            notes.step("range", read, Instant::now());
        }
        let durations = self.handle.durations();
        durations.request(Op::READONLY_TXN, began.elapsed(), answer.is_ok());
        let (result, revision) = answer?;
        self.still_permitted(&caller)?;
        let header = self.header(revision);
        Ok(reply::Txn {
            header,
            result: &result,
        }
        .encode())
    }

    pub(super) async fn compact(&self, caller: &Identity, request: Bytes) -> Result<Bytes, Status> {
        let request: CompactionRequest = decode(request)?;
        let CompactionRequest {
            revision: at,
            physical,
        } = request;
        let request = InternalRaftRequest {
            compaction: Some(request),
            ..InternalRaftRequest::default()
        };
        let (_, revision) = self.propose(caller, request).await?;
        if physical {
            self.engine().compaction().finished(at).await;
        }
        Ok(encode(&CompactionResponse {
            header: Some(self.header(revision)),
        }))
    }

    /// Refuses what would not fit under the quota.
    pub(super) fn check_room(&self, cost: u64) -> Result<(), Error> {
        if self.engine().has_room_for(cost) {
            Ok(())
        } else {
            Err(Error::NoSpace)
        }
    }
}

/// The ranges of a transaction that has nothing else in either branch.
fn ranges_only(txn: &TxnRequest) -> Option<Vec<&RangeRequest>> {
    let all = txn.success.iter().chain(&txn.failure);
    all.map(|RequestOp { request }| match request {
        Some(Request::RequestRange(range)) => Some(range),
        _ => None,
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A transaction that is wrongly taken for a read would lose its writes.
    #[test]
    fn read_only() {
        let op = |request| RequestOp {
            request: Some(request),
        };
        let range = || op(Request::RequestRange(RangeRequest::default()));
        let txn = |success, failure| TxnRequest {
            success,
            failure,
            ..TxnRequest::default()
        };
        assert_eq!(
            ranges_only(&txn(vec![], vec![])).map(|all| all.len()),
            Some(0)
        );
        assert_eq!(
            ranges_only(&txn(vec![range()], vec![range()])).map(|all| all.len()),
            Some(2)
        );
        let put = op(Request::RequestPut(PutRequest::default()));
        assert!(ranges_only(&txn(vec![range()], vec![put])).is_none());
        let nested = op(Request::RequestTxn(txn(vec![], vec![])));
        assert!(ranges_only(&txn(vec![nested], vec![])).is_none());
    }
}
