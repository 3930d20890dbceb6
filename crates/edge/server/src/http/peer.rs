//! The peer port: what the other members ask of this one, beside consensus.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use mvcc::RangeError;
use prost::Message as _;
use proto::error::Error;
use proto::etcdserverpb::{
    LeaseKeepAliveRequest, LeaseKeepAliveResponse, LeaseTimeToLiveResponse, ResponseHeader,
};
use proto::leasepb::{LeaseInternalRequest, LeaseInternalResponse};
use rpc::{HttpRequest, HttpResponse, Status, replies};
use types::{LeaseId, MemberId};

use super::{json, version};
use crate::engine::Handle;
use crate::membership::answers::{self, CLUSTER_ID, PeerHash};
use crate::membership::leases::{self, LeaseError, Left};
use crate::membership::promote;

/// Largest body of a question about leases.
const LEASE_BYTES_MAX: usize = 64 * 1024;
const PROMOTE: &str = "/members/promote/";

/// Answers a request on the peer port.
pub(super) async fn answer(handle: &Handle, path: &str, request: &HttpRequest) -> HttpResponse {
    match path {
        "/version" | "/members" | "/members/hashkv" | "/downgrade/enabled"
            if request.method != Method::GET =>
        {
            replies::method_not_allowed("GET")
        }
        "/version" => version::answer(handle.engine()),
        "/members" => of_cluster(handle, members(handle)),
        "/members/hashkv" => of_cluster(handle, hash(handle, request).await),
        "/downgrade/enabled" => of_cluster(handle, downgrade(handle).await),
        "/leases" => renew(handle, request).await,
        "/leases/internal" => time_to_live(handle, request).await,
        _ => match path.strip_prefix(PROMOTE) {
            Some(id) => of_cluster(handle, promoted(handle, id, &request.method).await),
            None => replies::not_found(),
        },
    }
}

/// An answer that says from which cluster it comes.
fn of_cluster(handle: &Handle, mut response: HttpResponse) -> HttpResponse {
    let id = HeaderValue::from_str(&handle.engine().cluster_id().to_string());
    if let Ok(id) = id {
        response.headers_mut().insert(CLUSTER_ID, id);
    }
    response
}

fn members(handle: &Handle) -> HttpResponse {
    json(answers::encode_members(
        handle.engine().membership().members(),
    ))
}

/// Only the leader promotes; a token in the request's `authorization` says in whose name.
async fn promoted(handle: &Handle, id: &str, method: &Method) -> HttpResponse {
    if *method != Method::POST {
        return replies::method_not_allowed("POST");
    }
    let Ok(id) = id.parse().map(MemberId) else {
        let text = format!("member {id} not found in cluster");
        return replies::error(StatusCode::NOT_FOUND, &text);
    };
    match promote::promote_here(handle, id).await {
        Ok(members) => json(answers::encode_members(members.iter())),
        Err(refusal) => {
            let is = |error: Error| refusal == Status::from(error);
            if is(Error::MemberNotFound) {
                replies::error(StatusCode::NOT_FOUND, "membership: ID not found")
            } else if is(Error::MemberNotLearner) {
                replies::error(StatusCode::PRECONDITION_FAILED, promote::NOT_LEARNER)
            } else if is(Error::LearnerNotReady) {
                replies::error(
                    StatusCode::PRECONDITION_FAILED,
                    Error::LearnerNotReady.text(),
                )
            } else {
                tracing::warn!("member-id" = %id, %refusal, "failed to promote a member");
                internal_error()
            }
        }
    }
}

fn internal_error() -> HttpResponse {
    let kind = HeaderValue::from_static("application/json");
    let body = Bytes::from_static(br#"{"message":"Internal Server Error"}"#);
    replies::with_type(StatusCode::INTERNAL_SERVER_ERROR, kind, body)
}

async fn hash(handle: &Handle, request: &HttpRequest) -> HttpResponse {
    let engine = handle.engine();
    if is_of_another_cluster(&request.headers, &engine.cluster_id().to_string()) {
        return replies::error(StatusCode::PRECONDITION_FAILED, "cluster ID mismatch");
    }
    let Some(revision) = answers::decode_hash_request(&request.body) else {
        return replies::error(StatusCode::BAD_REQUEST, "error unmarshalling request");
    };
    let reader = engine.reader().clone();
    let hashed = tokio::task::spawn_blocking(move || reader.hash_kv(revision)).await;
    match hashed {
        Ok(Ok(hash)) => json(answers::encode_hash(&PeerHash {
            revision: engine.reader().revisions().current,
            hash: hash.hash,
            compact_revision: hash.compact_revision,
            hash_revision: hash.hash_revision,
        })),
        Ok(Err(RangeError::Compacted { .. })) => replies::error(
            StatusCode::BAD_REQUEST,
            "mvcc: required revision has been compacted",
        ),
        Ok(Err(RangeError::Future { .. })) => replies::error(
            StatusCode::BAD_REQUEST,
            "mvcc: required revision is a future revision",
        ),
        Ok(Err(RangeError::Fault(fault))) => crate::engine::fatal("cannot read the store", &fault),
        Err(_) => internal_error(),
    }
}

fn is_of_another_cluster(headers: &HeaderMap, own: &str) -> bool {
    headers.get(CLUSTER_ID).is_some_and(|id| id != own)
}

async fn downgrade(handle: &Handle) -> HttpResponse {
    if let Err(error) = handle.linearizable().await {
        let text = format!("failed linearizable read: {}", error.text());
        return replies::error(StatusCode::INTERNAL_SERVER_ERROR, &text);
    }
    let enabled = handle.engine().membership().downgrade().enabled;
    replies::plain(StatusCode::OK, Bytes::from(enabled.to_string()))
}

async fn renew(handle: &Handle, request: &HttpRequest) -> HttpResponse {
    if let Some(refusal) = refuse_lease_request(request) {
        return refusal;
    }
    let Ok(LeaseKeepAliveRequest { id }) = LeaseKeepAliveRequest::decode(request.body.clone())
    else {
        return unreadable();
    };
    match leases::renew_here(handle, LeaseId(id), &|| Ok(())).await {
        Ok(ttl) => protobuf(&LeaseKeepAliveResponse {
            header: None,
            id,
            ttl,
        }),
        Err(error) => lease_error(error, StatusCode::BAD_REQUEST),
    }
}

async fn time_to_live(handle: &Handle, request: &HttpRequest) -> HttpResponse {
    if let Some(refusal) = refuse_lease_request(request) {
        return refusal;
    }
    let asked = LeaseInternalRequest::decode(request.body.clone());
    let asked = asked
        .ok()
        .and_then(|asked| asked.lease_time_to_live_request);
    let Some(asked) = asked else {
        return unreadable();
    };
    match leases::time_to_live_here(handle, LeaseId(asked.id), asked.keys).await {
        Ok(Left { ttl, granted, keys }) => protobuf(&LeaseInternalResponse {
            lease_time_to_live_response: Some(LeaseTimeToLiveResponse {
                header: Some(ResponseHeader::default()),
                id: asked.id,
                ttl,
                granted_ttl: granted,
                keys,
            }),
        }),
        Err(error) => lease_error(error, StatusCode::INTERNAL_SERVER_ERROR),
    }
}

fn refuse_lease_request(request: &HttpRequest) -> Option<HttpResponse> {
    if request.method != Method::POST {
        let text = "Method Not Allowed";
        Some(replies::error(StatusCode::METHOD_NOT_ALLOWED, text))
    } else if request.body.len() > LEASE_BYTES_MAX {
        let text = "request body too large";
        Some(replies::error(StatusCode::PAYLOAD_TOO_LARGE, text))
    } else {
        None
    }
}

fn unreadable() -> HttpResponse {
    replies::error(StatusCode::BAD_REQUEST, "error unmarshalling request")
}

fn lease_error(error: LeaseError, otherwise: StatusCode) -> HttpResponse {
    match error {
        LeaseError::NotFound => replies::error(StatusCode::NOT_FOUND, "lease not found"),
        LeaseError::Late => replies::error(
            StatusCode::REQUEST_TIMEOUT,
            "waiting for node to catch up its applied index has timed out",
        ),
        LeaseError::NotPrimary => replies::error(otherwise, "not a primary lessor"),
        LeaseError::Other(error) => replies::error(otherwise, &error.to_string()),
    }
}

fn protobuf(message: &impl prost::Message) -> HttpResponse {
    let kind = HeaderValue::from_static("application/protobuf");
    replies::with_type(StatusCode::OK, kind, Bytes::from(message.encode_to_vec()))
}
