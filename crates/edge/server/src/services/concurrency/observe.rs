//! The Election service's stream: the leader of now, then every new leader and every new value.

use bytes::Bytes;
use proto::etcdserverpb::{ResponseHeader, WatchCreateRequest};
use proto::mvccpb::KeyValue;
use proto::mvccpb::event::EventType;
use proto::v3electionpb::{LeaderRequest, LeaderResponse};
use rpc::{Outbound, Status};

use super::caller::Caller;
use super::queue::{Queue, refused};
use super::{decode, encode};

/// Follows an election until the observer goes away.
pub(super) async fn observe(
    caller: &Caller,
    request: Bytes,
    outbound: &Outbound,
) -> Result<(), Status> {
    let LeaderRequest { name } = decode(request)?;
    let queue = Queue::new(&name);
    loop {
        let found = caller.range(&queue.oldest()).await?;
        let header = found.header.unwrap_or_default();
        let now = header.revision;
        let Some(leader) = found.kvs.into_iter().next() else {
            wait_for_candidate(caller, &queue, now + 1).await?;
            continue;
        };
        let key = leader.key.clone();
        tell(outbound, header, leader).await?;
        follow(caller, key, now + 1, outbound).await?;
    }
}

/// Waits until somebody stands; too early is no harm.
async fn wait_for_candidate(caller: &Caller, queue: &Queue, revision: i64) -> Result<(), Status> {
    let mut watch = caller.watch(queue.changes(revision));
    while let Some(answer) = watch.next().await? {
        refused(&answer)?;
        let mut events = answer.events.iter();
        if answer.canceled || events.any(|event| event.r#type() == EventType::Put) {
            return Ok(());
        }
    }
    Ok(())
}

/// Tells the new values of one leader until its key is deleted.
async fn follow(
    caller: &Caller,
    key: Bytes,
    revision: i64,
    outbound: &Outbound,
) -> Result<(), Status> {
    let mut watch = caller.watch(WatchCreateRequest {
        key,
        start_revision: revision,
        ..WatchCreateRequest::default()
    });
    while let Some(answer) = watch.next().await? {
        refused(&answer)?;
        let header = answer.header.unwrap_or_default();
        for event in answer.events {
            if event.r#type() == EventType::Delete {
                return Ok(());
            }
            tell(outbound, header, event.kv.unwrap_or_default()).await?;
        }
        if answer.canceled {
            return Ok(());
        }
    }
    Ok(())
}

async fn tell(outbound: &Outbound, header: ResponseHeader, kv: KeyValue) -> Result<(), Status> {
    let answer = LeaderResponse {
        header: Some(header),
        kv: Some(kv),
    };
    let sent = outbound.send(encode(&answer)).await;
    sent.map_err(|_| Status::cancelled())
}
