//! The peer port of a member without peers: who it is, and nothing else.

use http::{HeaderValue, Method};
use rpc::{HttpResponse, replies};

use super::{json, version};
use crate::engine::Handle;

/// Answers a request on the peer port.
pub(super) fn answer(handle: &Handle, path: &str, method: &Method) -> HttpResponse {
    let engine = handle.engine();
    match path {
        "/version" | "/members" if *method != Method::GET => replies::method_not_allowed("GET"),
        "/version" => version::answer(engine),
        "/members" => {
            let membership = engine.membership();
            let members: Vec<String> = membership.members().map(cluster::Member::encode).collect();
            let mut response = json(format!("[{}]\n", members.join(",")));
            let id = HeaderValue::from_str(&engine.cluster_id().to_string());
            if let Ok(id) = id {
                response.headers_mut().insert("x-etcd-cluster-id", id);
            }
            response
        }
        _ => replies::not_found(),
    }
}
