//! What we answer on the peer port.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use peer::{POST_BYTES_MAX, decode_message};
use proto::limits::SERVER_VERSION;
use raft::MessageKind;
use rpc::{HttpBody, HttpRequest, HttpResponse, Upload, replies};
use types::MemberId;

use crate::convert::from_wire;
use crate::failure::chain;
use crate::handshake::{self, CLUSTER_ID, RAFT_TO, SERVER_VERSION_HEADER, id_value, parse_id};
use crate::metrics::UNKNOWN_SENDER;
use crate::peers::StreamKind;
use crate::probe;
use crate::receive::{self, ReceiveError};
use crate::shared::Shared;
use crate::writer::Writer;

const POST: &str = "/raft";
const SNAPSHOT: &str = "/raft/snapshot";
const STREAM: &str = "/raft/stream/";

/// Answers the paths of the transport; cheap to clone, one for each connection thread.
#[derive(Clone)]
pub struct PeerHttp(Arc<Shared>);

impl PeerHttp {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// Whether the transport answers this path.
    #[must_use]
    pub fn serves(path: &str) -> bool {
        [POST, SNAPSHOT, probe::PATH].contains(&path) || path.starts_with(STREAM)
    }

    /// Whether the transport reads the body of such a request itself.
    #[must_use]
    pub fn takes_upload(method: &Method, path: &str) -> bool {
        *method == Method::POST && [POST, SNAPSHOT].contains(&path)
    }

    /// Answers a request on a path that [`PeerHttp::serves`].
    pub async fn answer(&self, request: HttpRequest) -> HttpResponse {
        if self.0.is_stopped() {
            return replies::error(StatusCode::SERVICE_UNAVAILABLE, "the member stops");
        }
        let path = request.uri.path().to_owned();
        let (allowed, is_stream) = match path.as_str() {
            probe::PATH => return replies::plain(StatusCode::OK, probe::answer().into()),
            POST | SNAPSHOT => (Method::POST, false),
            _ => (Method::GET, true),
        };
        if request.method != allowed {
            let allowed = if is_stream { "GET" } else { "POST" };
            return replies::method_not_allowed(allowed);
        }
        let mut response = self.checked(&path, request).await;
        let headers = response.headers_mut();
        headers.insert(CLUSTER_ID, id_value(self.0.config.cluster.0));
        if is_stream {
            let version = HeaderValue::from_static(SERVER_VERSION);
            headers.insert(SERVER_VERSION_HEADER, version);
        }
        response
    }

    async fn checked(&self, path: &str, mut request: HttpRequest) -> HttpResponse {
        if let Err(mismatch) = handshake::check(&request.headers, self.0.config.cluster) {
            let from = &request.peer;
            tracing::warn!(%from, %mismatch, "refused a request of another member");
            return replies::error(StatusCode::PRECONDITION_FAILED, &mismatch.to_string());
        }
        if let Some(rest) = path.strip_prefix(STREAM) {
            return self.stream(rest, &request.headers);
        }
        let Some(upload) = request.upload.as_mut() else {
            // Asked for by `takes_upload`.
            return replies::error(StatusCode::BAD_REQUEST, "error reading raft message");
        };
        let from = request.peer.to_string();
        match path {
            SNAPSHOT => self.snapshot(&request.headers, upload).await,
            _ => self.post(&request.headers, upload, &from).await,
        }
    }

    /// Opens a stream: the caller receives by it.
    fn stream(&self, rest: &str, headers: &HeaderMap) -> HttpResponse {
        let shared = &self.0;
        let refuse = |status, text: &str| {
            tracing::debug!(path = rest, %status, text, "refused a stream");
            replies::error(status, text)
        };
        let (kind, id) = match rest.split_once('/') {
            Some(("msgapp", id)) => (StreamKind::Appends, id),
            Some(("message", id)) => (StreamKind::Messages, id),
            _ => return refuse(StatusCode::NOT_FOUND, "invalid path"),
        };
        let Some(from) = parse_id(id) else {
            return refuse(StatusCode::NOT_FOUND, "invalid from");
        };
        if shared.inbox.is_removed(from) {
            return refuse(StatusCode::GONE, "removed member");
        }
        let Some(peer) = shared.table.member(from) else {
            shared.remember(from, &handshake::sender_urls(headers));
            return refuse(StatusCode::NOT_FOUND, "error sender not found");
        };
        if headers.get(RAFT_TO) != Some(&id_value(shared.config.local.0)) {
            return refuse(StatusCode::PRECONDITION_FAILED, "to field mismatch");
        }
        let writer = Writer::attach(Arc::clone(shared), peer, kind);
        HttpResponse::new(HttpBody::streamed(|out| writer.run(out)))
    }

    /// Takes one message.
    async fn post(&self, headers: &HeaderMap, upload: &mut Upload, from: &str) -> HttpResponse {
        let shared = &self.0;
        let body = match receive::read_all(upload, POST_BYTES_MAX).await {
            Ok(body) => body,
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(from, error, "cannot read a message of another member");
                shared.metrics.received_failure(from);
                return closing(StatusCode::BAD_REQUEST, "error reading raft message");
            }
        };
        let message = match decode_message(&body) {
            Ok(message) => message,
            Err(error) => {
                tracing::warn!(from, %error, "cannot decode a message of another member");
                shared.metrics.received_failure(from);
                return replies::error(StatusCode::BAD_REQUEST, "error unmarshalling raft message");
            }
        };
        self.remember(headers);
        let sender = shared.table.member(message.from);
        match shared.deliver(message) {
            Ok(()) => {
                if let Some(peer) = sender {
                    peer.meters.received_bytes.inc_by(body.len() as u64);
                }
                no_content()
            }
            Err(refused) => {
                tracing::warn!(from, %refused, "refused a message of another member");
                shared.metrics.received_failure(from);
                closing(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "error processing raft message",
                )
            }
        }
    }

    /// Takes a snapshot.
    async fn snapshot(&self, headers: &HeaderMap, upload: &mut Upload) -> HttpResponse {
        let shared = &self.0;
        self.remember(headers);
        let (message, first) = match receive::read_head(upload).await {
            Ok(head) => head,
            Err(error) => {
                drop(shared.metrics.snapshot_from(UNKNOWN_SENDER));
                return failed(&error, StatusCode::BAD_REQUEST);
            }
        };
        let from = message.from;
        let transfer = shared.metrics.snapshot_from(&from.to_string());
        if message.kind != MessageKind::Snapshot.to_wire() || message.snapshot.is_none() {
            tracing::warn!(%from, kind = message.kind, "a snapshot with a wrong message");
            return closing(StatusCode::BAD_REQUEST, "wrong raft message type");
        }
        if let Err(refused) = shared.check(&message) {
            tracing::warn!(%from, %refused, "refused a snapshot");
            let text = format!("failed to process raft message ({refused})");
            return closing(StatusCode::INTERNAL_SERVER_ERROR, &text);
        }
        let Ok(_turn) = shared.receiving.try_acquire() else {
            tracing::warn!(%from, "refused a snapshot: another one is being received");
            let text = "another snapshot is being received";
            return closing(StatusCode::SERVICE_UNAVAILABLE, text);
        };
        tracing::info!(%from, "receives a snapshot");
        let (database, bytes) = match receive::keep(&shared.config.scratch, first, upload).await {
            Ok(kept) => kept,
            Err(error) => return failed(&error, StatusCode::INTERNAL_SERVER_ERROR),
        };
        tracing::info!(%from, bytes, "has received a snapshot");
        self.count(from, bytes);
        transfer.succeed();
        if let Some(message) = from_wire(message) {
            shared.inbox.snapshot(message, database);
        }
        no_content()
    }

    fn count(&self, from: MemberId, bytes: u64) {
        if let Some(peer) = self.0.table.member(from) {
            peer.meters.received_bytes.inc_by(bytes);
        }
    }

    /// Remembers who has sent a request, if we do not know it.
    fn remember(&self, headers: &HeaderMap) {
        if let Some(from) = handshake::sender(headers) {
            self.0.remember(from, &handshake::sender_urls(headers));
        }
    }
}

fn no_content() -> HttpResponse {
    let mut response = HttpResponse::new(HttpBody::from(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// An error after which the connection is of no use.
fn closing(status: StatusCode, text: &str) -> HttpResponse {
    let mut response = replies::error(status, text);
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
    response
}

fn failed(error: &ReceiveError, status: StatusCode) -> HttpResponse {
    let error = chain(error);
    tracing::warn!(error, "a snapshot has not arrived");
    closing(status, &error)
}
