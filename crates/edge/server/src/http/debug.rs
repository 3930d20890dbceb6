//! `/debug/vars`: a few facts about the process.

use http::{HeaderValue, StatusCode};
use rpc::{HttpResponse, replies};
use serde_json::json;

use crate::engine::Engine;

/// The facts that etcd's clients look for; there is no Go runtime to report on.
pub(super) fn vars(engine: &Engine) -> HttpResponse {
    let status = engine.status();
    let (leader, local) = (status.leader(), engine.member_id());
    let state = if leader == local {
        "StateLeader"
    } else {
        "StateFollower"
    };
    let body = json!({
        "cmdline": std::env::args().collect::<Vec<_>>(),
        "raft.status": {
            "id": local.to_string(),
            "term": status.term().0,
            "commit": status.committed().0,
            "applied": status.applied().0,
            "lead": leader.to_string(),
            "raftState": state,
        },
    });
    let kind = HeaderValue::from_static("application/json; charset=utf-8");
    replies::with_type(StatusCode::OK, kind, body.to_string().into())
}
