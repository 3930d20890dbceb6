//! The Lock service.

use bytes::Bytes;
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{ResponseHeader, TxnRequest};
use proto::v3lockpb::{LockRequest, LockResponse, UnlockRequest, UnlockResponse};
use rpc::Status;

use super::caller::Caller;
use super::queue::{Queue, created_at, first_of, get, op, put};
use super::{SESSION_EXPIRED, WaitingCall, decode, encode};
use proto::error::Code;

/// Where in the queue the own key is.
enum Place {
    First(ResponseHeader),
    Waiting { since: i64 },
}

/// Waits for the lock. Who goes away before it is theirs leaves the queue.
pub(super) async fn lock(mut call: WaitingCall, request: Bytes) {
    let result = acquire(&mut call, request).await;
    call.finish(result);
}

async fn acquire(call: &mut WaitingCall, request: Bytes) -> Result<Bytes, Status> {
    let LockRequest { name, lease } = decode(request)?;
    let queue = Queue::new(&name);
    let lease = call.caller.lease(lease).await?;
    let key = queue.key_of(lease);
    // Not given up half-way: whether the key stands in the queue would not be known.
    let place = enqueue(&call.caller, &queue, &key, lease).await?;
    let mut waiting = call.split();
    let caller = waiting.caller;
    let header = waiting.step(turn(caller, &queue, &key, place)).await;
    if let Err(status) = &header
        && status.message != SESSION_EXPIRED
    {
        // It falls with its lease, if this fails.
        let _ = caller.delete(key.clone()).await;
    }
    let header = Some(header?);
    Ok(encode(&LockResponse { header, key }))
}

async fn enqueue(caller: &Caller, queue: &Queue, key: &Bytes, lease: i64) -> Result<Place, Status> {
    let owner = || op(Request::RequestRange(queue.oldest()));
    let own = op(Request::RequestRange(get(key.clone())));
    let answer = caller
        .txn(&TxnRequest {
            compare: vec![created_at(key.clone(), 0)],
            success: vec![put(key.clone(), Bytes::new(), lease), owner()],
            failure: vec![own, owner()],
        })
        .await?;
    let header = answer.header.unwrap_or_default();
    let since = match answer.succeeded {
        true => header.revision,
        false => first_of(&answer, 0).map_or(header.revision, |own| own.create_revision),
    };
    Ok(match first_of(&answer, 1) {
        Some(owner) if owner.create_revision != since => Place::Waiting { since },
        Some(_) | None => Place::First(header),
    })
}

/// Returns when the own key is the oldest.
async fn turn(
    caller: &Caller,
    queue: &Queue,
    key: &Bytes,
    place: Place,
) -> Result<ResponseHeader, Status> {
    let since = match place {
        Place::First(header) => return Ok(header),
        Place::Waiting { since } => since,
    };
    queue.wait_for_front(caller, since).await?;
    // The own key vanishes with its lease.
    let found = caller.range(&get(key.clone())).await?;
    if found.kvs.is_empty() {
        return Err(Status::new(Code::Unknown, SESSION_EXPIRED));
    }
    Ok(found.header.unwrap_or_default())
}

/// Gives a lock back, or a place in the queue.
pub(super) async fn unlock(caller: &Caller, request: Bytes) -> Result<Bytes, Status> {
    let UnlockRequest { key } = decode(request)?;
    let header = caller.delete(key).await?.header;
    Ok(encode(&UnlockResponse { header }))
}
