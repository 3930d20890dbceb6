//! The Election service's unary calls.

use bytes::Bytes;
use proto::error::Code;
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{DeleteRangeRequest, RequestOp, TxnRequest, TxnResponse};
use proto::v3electionpb::{
    CampaignRequest, CampaignResponse, LeaderKey, LeaderRequest, LeaderResponse, ProclaimRequest,
    ProclaimResponse, ResignRequest, ResignResponse,
};
use rpc::Status;

use super::caller::Caller;
use super::queue::{Queue, created_at, first_of, get, op, put};
use super::{MISSING_LEADER, NO_LEADER, NOT_LEADER, WaitingCall, decode, encode};

/// Stands as a candidate and waits to be elected. Who goes away before withdraws.
pub(super) async fn campaign(mut call: WaitingCall, request: Bytes) {
    let result = elect(&mut call, request).await;
    call.finish(result);
}

async fn elect(call: &mut WaitingCall, request: Bytes) -> Result<Bytes, Status> {
    let CampaignRequest { name, lease, value } = decode(request)?;
    let queue = Queue::new(&name);
    let lease = call.caller.lease(lease).await?;
    let key = queue.key_of(lease);
    // Not given up half-way: whether the candidate stands would not be known.
    let answer = call.caller.txn(&candidacy(&key, &value, lease)).await?;
    let header = answer.header;
    let mut leader = LeaderKey {
        name,
        key,
        rev: header.unwrap_or_default().revision,
        lease,
    };
    let own = match answer.succeeded {
        true => None,
        false => first_of(&answer, 0),
    };
    if let Some(own) = own {
        leader.rev = own.create_revision;
    }
    let is_changed = own.is_some_and(|own| own.value != value);
    let mut waiting = call.split();
    let caller = waiting.caller;
    let turn = async {
        if is_changed {
            put_if_leader(caller, &leader, value).await?;
        }
        queue.wait_for_front(caller, leader.rev).await
    };
    let elected = waiting.step(turn).await;
    if elected.is_err() {
        // It falls with its lease, if this fails.
        let _ = withdraw(caller, &leader).await;
    }
    elected?;
    Ok(encode(&CampaignResponse {
        header,
        leader: Some(leader),
    }))
}

/// Creates the candidate's key, or reads the one that is there.
fn candidacy(key: &Bytes, value: &Bytes, lease: i64) -> TxnRequest {
    TxnRequest {
        compare: vec![created_at(key.clone(), 0)],
        success: vec![put(key.clone(), value.clone(), lease)],
        failure: vec![op(Request::RequestRange(get(key.clone())))],
    }
}

/// Changes the leader's value.
pub(super) async fn proclaim(caller: &Caller, request: Bytes) -> Result<Bytes, Status> {
    let ProclaimRequest { leader, value } = decode(request)?;
    let mut leader = leader.ok_or(Status::new(Code::Unknown, MISSING_LEADER))?;
    leader.lease = caller.lease(leader.lease).await?;
    let header = put_if_leader(caller, &leader, value).await?.header;
    Ok(encode(&ProclaimResponse { header }))
}

/// Who leads.
pub(super) async fn leader(caller: &Caller, request: Bytes) -> Result<Bytes, Status> {
    let LeaderRequest { name } = decode(request)?;
    let found = caller.range(&Queue::new(&name).oldest()).await?;
    let Some(kv) = found.kvs.into_iter().next() else {
        return Err(Status::new(Code::Unknown, NO_LEADER));
    };
    Ok(encode(&LeaderResponse {
        header: found.header,
        kv: Some(kv),
    }))
}

/// Gives the leadership up; one that was lost already is no error.
pub(super) async fn resign(caller: &Caller, request: Bytes) -> Result<Bytes, Status> {
    let ResignRequest { leader } = decode(request)?;
    let leader = leader.ok_or(Status::new(Code::Unknown, MISSING_LEADER))?;
    let header = withdraw(caller, &leader).await?.header;
    Ok(encode(&ResignResponse { header }))
}

async fn put_if_leader(
    caller: &Caller,
    leader: &LeaderKey,
    value: Bytes,
) -> Result<TxnResponse, Status> {
    let put = put(leader.key.clone(), value, leader.lease);
    let answer = guarded(caller, leader, put).await?;
    if answer.succeeded {
        Ok(answer)
    } else {
        Err(Status::new(Code::Unknown, NOT_LEADER))
    }
}

async fn withdraw(caller: &Caller, leader: &LeaderKey) -> Result<TxnResponse, Status> {
    let delete = op(Request::RequestDeleteRange(DeleteRangeRequest {
        key: leader.key.clone(),
        ..DeleteRangeRequest::default()
    }));
    guarded(caller, leader, delete).await
}

/// Does something if the key is still the one that was elected.
async fn guarded(
    caller: &Caller,
    leader: &LeaderKey,
    then: RequestOp,
) -> Result<TxnResponse, Status> {
    let txn = TxnRequest {
        compare: vec![created_at(leader.key.clone(), leader.rev)],
        success: vec![then],
        failure: Vec::new(),
    };
    caller.txn(&txn).await
}
