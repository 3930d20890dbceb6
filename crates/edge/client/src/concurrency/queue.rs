//! The queue of keys under a name, and the wait for the keys in front.

use bytes::Bytes;
use proto::etcdserverpb::{
    Compare, RangeRequest, RangeResponse, RequestOp, ResponseOp, WatchCreateRequest,
    compare::{CompareResult, CompareTarget, TargetUnion},
    range_request::{SortOrder, SortTarget},
    request_op::Request,
    response_op::Response,
    watch_create_request::FilterType,
};
use proto::mvccpb::{KeyValue, event::EventType};

use crate::call::Client;
use crate::error::ClientError;

/// The end of the range of keys that begin with `prefix`; a prefix without successor ends with
/// the whole key space, written as one zero byte.
///
/// ```
/// assert_eq!(client::prefix_end(b"a/"), &b"a0"[..]);
/// assert_eq!(client::prefix_end(b"a\xff"), &b"b"[..]);
/// assert_eq!(client::prefix_end(b"\xff"), &b"\0"[..]);
/// ```
#[must_use]
pub fn prefix_end(prefix: &[u8]) -> Bytes {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(successor) = last.checked_add(1) {
            end.push(successor);
            return end.into();
        }
    }
    Bytes::from_static(b"\0")
}

/// The key of `lease` in the queue `name`.
pub(crate) fn key_of(name: &str, lease: i64) -> Bytes {
    format!("{name}/{lease:x}").into()
}

/// What all keys of the queue `name` begin with.
pub(crate) fn prefix_of(name: &str) -> String {
    format!("{name}/")
}

/// "The key was created at `revision`"; 0 says that it does not exist.
pub(crate) fn created_at(key: Bytes, revision: i64) -> Compare {
    Compare {
        result: CompareResult::Equal.into(),
        target: CompareTarget::Create.into(),
        key,
        target_union: Some(TargetUnion::CreateRevision(revision)),
        ..Compare::default()
    }
}

pub(crate) fn get(key: Bytes) -> RangeRequest {
    RangeRequest {
        key,
        ..RangeRequest::default()
    }
}

/// Asks for the oldest key of a queue.
pub(crate) fn oldest(prefix: &str) -> RangeRequest {
    RangeRequest {
        key: prefix.as_bytes().to_vec().into(),
        range_end: prefix_end(prefix.as_bytes()),
        sort_order: SortOrder::Ascend.into(),
        sort_target: SortTarget::Create.into(),
        limit: 1,
        ..RangeRequest::default()
    }
}

pub(crate) fn op(request: Request) -> RequestOp {
    RequestOp {
        request: Some(request),
    }
}

/// The answer to the range that is operation `at` of a transaction.
pub(crate) fn range_answer(responses: &[ResponseOp], at: usize) -> Option<&RangeResponse> {
    match responses.get(at)?.response.as_ref()? {
        Response::ResponseRange(range) => Some(range),
        _ => None,
    }
}

/// Waits until no key under `prefix` is left that was created at or before `revision`.
pub(crate) async fn wait_for_front(
    client: &Client,
    prefix: &str,
    revision: i64,
) -> Result<(), ClientError> {
    loop {
        let found = client
            .range(RangeRequest {
                key: prefix.as_bytes().to_vec().into(),
                range_end: prefix_end(prefix.as_bytes()),
                sort_order: SortOrder::Descend.into(),
                sort_target: SortTarget::Create.into(),
                limit: 1,
                max_create_revision: revision,
                ..RangeRequest::default()
            })
            .await?;
        let Some(last) = found.kvs.first() else {
            return Ok(());
        };
        let now = found.header.map_or(0, |header| header.revision);
        wait_for_delete(client, last, now).await?;
    }
}

/// Waits until a key that existed at revision `now` is deleted.
async fn wait_for_delete(client: &Client, kv: &KeyValue, now: i64) -> Result<(), ClientError> {
    let watcher = client.watcher(false);
    let request = WatchCreateRequest {
        key: kv.key.clone(),
        start_revision: now,
        filters: vec![FilterType::Noput.into()],
        ..WatchCreateRequest::default()
    };
    let mut watch = watcher.watch(request).await;
    while let Some(answer) = watch.next().await {
        let answer = answer?;
        // A watch that lost its history is answered by reading the queue again.
        let deleted = |event: &proto::mvccpb::Event| event.r#type() == EventType::Delete;
        if answer.canceled || answer.events.iter().any(deleted) {
            return Ok(());
        }
    }
    Err(ClientError::Canceled)
}
