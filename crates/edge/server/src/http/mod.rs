//! The plain HTTP endpoints: health, version, metrics, the API as JSON, and what a peer port says of its member.

mod debug;
mod health;
mod peer;
mod version;

use std::rc::Rc;

use bytes::Bytes;
use gateway::Gateway;
use http::{HeaderValue, Method, StatusCode};
use rpc::{HttpHandler, HttpRequest, HttpResponse, Peer, PortKind, replies};
use transport::PeerHttp;

use crate::engine::Handle;
use crate::metrics::Metrics;

/// What etcd says to certificates at the gateway.
const NO_IDENTITY: &str = "CommonName of client sending a request against gateway will be ignored \
                           and not used as expected";

/// Answers the plain HTTP requests of one connection thread.
pub(crate) struct Http {
    handle: Handle,
    metrics: Metrics,
    gateway: Option<Gateway>,
    peers: PeerHttp,
    profiles: bool,
}

impl Http {
    /// The endpoints of the thread that `handle` belongs to; with the size of the largest message,
    /// those of the API as JSON, too; and profiles, if they are wanted.
    #[must_use]
    pub(crate) fn new(
        handle: Handle,
        metrics: Metrics,
        gateway: Option<usize>,
        peers: PeerHttp,
        profiles: bool,
    ) -> Self {
        Self {
            handle,
            metrics,
            gateway: gateway.map(Gateway::new),
            peers,
            profiles,
        }
    }

    /// The gateway, for the paths and ports that it serves.
    fn gateway(&self, port: PortKind, path: &str) -> Option<&Gateway> {
        let is_for_clients = matches!(port, PortKind::Shared | PortKind::HttpOnly);
        let gateway = self.gateway.as_ref()?;
        (is_for_clients && Gateway::serves(path)).then_some(gateway)
    }

    /// Whether a client shows a certificate that names a user where users count: through the gateway
    /// it would be nobody, and it is better told so.
    fn expects_identity(&self, peer: &Peer) -> bool {
        peer.common_name().is_some_and(|name| !name.is_empty())
            && self.handle.engine().auth().is_enabled()
    }

    async fn answer(&self, request: HttpRequest) -> HttpResponse {
        let path = request.uri.path().to_owned();
        if request.port == PortKind::Peer {
            if PeerHttp::serves(&path) {
                return self.peers.answer(request).await;
            }
            return peer::answer(&self.handle, &path, &request).await;
        }
        if let Some(gateway) = self.gateway(request.port, &path) {
            if self.expects_identity(&request.peer) {
                return replies::error(StatusCode::BAD_REQUEST, NO_IDENTITY);
            }
            return gateway.answer(request).await;
        }
        let is_get = request.method == Method::GET;
        let is_metrics_port = request.port == PortKind::Metrics;
        match path.as_str() {
            "/metrics" => self.scrape(),
            _ if health::is_check(&path) => match is_get {
                true => {
                    let meters = self.metrics.health();
                    health::answer(&self.handle, meters, &path, &request.query()).await
                }
                false => replies::method_not_allowed("GET"),
            },
            _ if is_metrics_port => replies::not_found(),
            _ if self.profiles && profile::http::is_profile(&path) => match is_get {
                true => profile::http::answer(&path, &request.query()).await,
                false => replies::method_not_allowed("GET"),
            },
            "/openapi.json" if self.gateway.is_some() && is_get => {
                json(gateway::openapi::DOCUMENT.to_owned())
            }
            "/version" | "/debug/vars" if !is_get => replies::method_not_allowed("GET"),
            "/version" => version::answer(self.handle.engine()),
            "/debug/vars" => debug::vars(self.handle.engine()),
            _ => replies::not_found(),
        }
    }

    fn scrape(&self) -> HttpResponse {
        let text = self.metrics.render(self.handle.engine());
        let kind = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
        let kind = HeaderValue::from_static(kind);
        replies::with_type(StatusCode::OK, kind, Bytes::from(text))
    }
}

impl HttpHandler for Http {
    fn takes_upload(&self, port: PortKind, method: &Method, path: &str) -> bool {
        match port {
            PortKind::Peer => PeerHttp::takes_upload(method, path),
            _ => method == Method::POST && self.gateway(port, path).is_some(),
        }
    }

    fn takes_socket(&self, port: PortKind, path: &str) -> bool {
        self.gateway(port, path).is_some()
    }

    async fn handle(self: Rc<Self>, request: HttpRequest) -> HttpResponse {
        self.answer(request).await
    }
}

/// A JSON answer.
fn json(body: String) -> HttpResponse {
    let kind = HeaderValue::from_static("application/json");
    replies::with_type(StatusCode::OK, kind, Bytes::from(body))
}
