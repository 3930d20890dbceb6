//! `/version`: what this server, its cluster and its storage are.

use proto::limits::{CLUSTER_VERSION, SERVER_VERSION};
use rpc::HttpResponse;

use crate::engine::Engine;

/// The three versions; the cluster's is unknown until its members have agreed.
pub(super) fn answer(engine: &Engine) -> HttpResponse {
    let cluster = engine.membership().version();
    let cluster = cluster.map_or_else(|| "not_decided".to_owned(), |version| version.to_string());
    super::json(format!(
        r#"{{"etcdserver":"{SERVER_VERSION}","etcdcluster":"{cluster}","storage":"{CLUSTER_VERSION}"}}"#
    ))
}
