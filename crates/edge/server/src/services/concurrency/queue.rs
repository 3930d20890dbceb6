//! The queue of keys under a name, and the wait for the keys in front.

use std::fmt::Write as _;

use bytes::Bytes;
use proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::response_op::Response;
use proto::etcdserverpb::watch_create_request::FilterType;
use proto::etcdserverpb::{
    Compare, PutRequest, RangeRequest, RangeResponse, RequestOp, TxnResponse, WatchCreateRequest,
};
use proto::mvccpb::event::EventType;
use proto::mvccpb::{Event, KeyValue};
use rpc::Status;

use super::caller::Caller;

/// A queue by its name.
pub(super) struct Queue {
    prefix: Bytes,
}

impl Queue {
    pub(super) fn new(name: &[u8]) -> Self {
        let mut prefix = Vec::with_capacity(name.len() + 1);
        prefix.extend_from_slice(name);
        prefix.push(b'/');
        Self {
            prefix: prefix.into(),
        }
    }

    /// The key of a lease: its number in hex, with a sign when it is negative.
    pub(super) fn key_of(&self, lease: i64) -> Bytes {
        let mut number = String::new();
        let sign = if lease < 0 { "-" } else { "" };
        // Writing into a String cannot fail.
        let _ = write!(number, "{sign}{:x}", lease.unsigned_abs());
        [&self.prefix[..], number.as_bytes()].concat().into()
    }

    /// Asks for the oldest key.
    pub(super) fn oldest(&self) -> RangeRequest {
        RangeRequest {
            sort_order: SortOrder::Ascend.into(),
            sort_target: SortTarget::Create.into(),
            limit: 1,
            ..self.all()
        }
    }

    /// Asks for the youngest key that was created at or before `revision`.
    fn youngest(&self, revision: i64) -> RangeRequest {
        RangeRequest {
            sort_order: SortOrder::Descend.into(),
            sort_target: SortTarget::Create.into(),
            limit: 1,
            max_create_revision: revision,
            ..self.all()
        }
    }

    fn all(&self) -> RangeRequest {
        RangeRequest {
            key: self.prefix.clone(),
            range_end: self.end(),
            ..RangeRequest::default()
        }
    }

    /// The watch that hears of the first key.
    pub(super) fn changes(&self, revision: i64) -> WatchCreateRequest {
        WatchCreateRequest {
            key: self.prefix.clone(),
            range_end: self.end(),
            start_revision: revision,
            ..WatchCreateRequest::default()
        }
    }

    /// The prefix ends with a slash, which has a successor.
    fn end(&self) -> Bytes {
        let name = &self.prefix[..self.prefix.len() - 1];
        [name, &b"0"[..]].concat().into()
    }

    /// Waits until no key is left that was created before `revision`.
    pub(super) async fn wait_for_front(
        &self,
        caller: &Caller,
        revision: i64,
    ) -> Result<(), Status> {
        loop {
            let found = caller.range(&self.youngest(revision - 1)).await?;
            let Some(last) = found.kvs.first() else {
                return Ok(());
            };
            let now = found.header.map_or(0, |header| header.revision);
            wait_for_delete(caller, last, now).await?;
        }
    }
}

/// Waits until a key that existed at revision `now` is deleted; too early is no harm.
async fn wait_for_delete(caller: &Caller, kv: &KeyValue, now: i64) -> Result<(), Status> {
    let mut watch = caller.watch(WatchCreateRequest {
        key: kv.key.clone(),
        start_revision: now,
        filters: vec![FilterType::Noput.into()],
        ..WatchCreateRequest::default()
    });
    while let Some(answer) = watch.next().await? {
        refused(&answer)?;
        // A watch that lost its history is answered by reading the queue again.
        let deleted = |event: &Event| event.r#type() == EventType::Delete;
        if answer.canceled || answer.events.iter().any(deleted) {
            return Ok(());
        }
    }
    Ok(())
}

/// A watch that was refused at once would be refused for ever.
pub(super) fn refused(answer: &proto::etcdserverpb::WatchResponse) -> Result<(), Status> {
    if answer.created && answer.canceled {
        let reason = answer.cancel_reason.clone();
        return Err(Status::new(proto::error::Code::Unknown, reason));
    }
    Ok(())
}

/// "The key was created at `revision`"; 0 says that it does not exist.
pub(super) fn created_at(key: Bytes, revision: i64) -> Compare {
    Compare {
        result: CompareResult::Equal.into(),
        target: CompareTarget::Create.into(),
        key,
        target_union: Some(TargetUnion::CreateRevision(revision)),
        ..Compare::default()
    }
}

pub(super) fn get(key: Bytes) -> RangeRequest {
    RangeRequest {
        key,
        ..RangeRequest::default()
    }
}

pub(super) fn op(request: Request) -> RequestOp {
    RequestOp {
        request: Some(request),
    }
}

pub(super) fn put(key: Bytes, value: Bytes, lease: i64) -> RequestOp {
    op(Request::RequestPut(PutRequest {
        key,
        value,
        lease,
        ..PutRequest::default()
    }))
}

/// The first pair of the range that is operation `at` of a transaction.
pub(super) fn first_of(answer: &TxnResponse, at: usize) -> Option<&KeyValue> {
    match answer.responses.get(at)?.response.as_ref()? {
        Response::ResponseRange(RangeResponse { kvs, .. }) => kvs.first(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clients that keep the queue themselves name and range over the keys so.
    #[test]
    fn names() {
        let queue = Queue::new(b"a/b");
        for (lease, key) in [
            (0x1234_abcd, "a/b/1234abcd"),
            (-7, "a/b/-7"),
            (i64::MIN, "a/b/-8000000000000000"),
        ] {
            assert_eq!(queue.key_of(lease), key);
        }
        assert_eq!(
            (&queue.prefix[..], &queue.end()[..]),
            (&b"a/b/"[..], &b"a/b0"[..])
        );
    }
}
