//! The streams by which a peer sends to us: we dial, and read the answer's endless body.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use hyper::body::Incoming;
use peer::{Framing, StreamReader};
use rpc::ListenAddress;
use tokio::time::{Instant, sleep_until, timeout};

use crate::body::RequestBody;
use crate::client::ClientError;
use crate::failure::{Failure, chain};
use crate::handshake::{self, RAFT_TO, id_value};
use crate::peers::{Peer, StreamKind};
use crate::session::{Session, next_piece, read_body};
use crate::shared::Shared;

/// Attempts are at least so far apart…
const REDIAL_MIN: Duration = Duration::from_millis(100);
/// …and at most so far while they fail.
const REDIAL_MAX: Duration = Duration::from_millis(500);
/// A stream that lasted so long did not fail at once.
const LASTING: Duration = Duration::from_secs(5);
/// What is read of a refusal.
const REFUSAL_BYTES_MAX: usize = 4096;

/// Keeps a stream of one kind open for as long as it is polled.
pub(crate) async fn keep_reading(shared: Arc<Shared>, peer: Arc<Peer>, kind: StreamKind) {
    let mut pause = REDIAL_MIN;
    loop {
        let started = Instant::now();
        let reading = Reading {
            shared: &shared,
            peer: &peer,
            kind,
        };
        let error = match reading.once().await {
            Ok(never) => match never {},
            Err(error) => error,
        };
        if matches!(error, Failure::Removed) {
            shared.removed(peer.id);
        }
        if matches!(error, Failure::Frame(_)) {
            peer.meters.received_failures.inc();
            tracing::warn!(peer = %peer.id, stream = kind.name(), %error, "closed a stream");
        }
        if error.is_refused() && peer.urls.is_only_one() {
            shared.gone(&peer);
        }
        peer.lost(kind.name(), &chain(&error));
        pause = match started.elapsed() < LASTING {
            true => (pause * 2).min(REDIAL_MAX),
            false => REDIAL_MIN,
        };
        sleep_until(started + pause).await;
    }
}

enum Never {}

struct Reading<'a> {
    shared: &'a Shared,
    peer: &'a Peer,
    kind: StreamKind,
}

impl Reading<'_> {
    /// Opens the stream and reads it to its end, which is always an error.
    async fn once(&self) -> Result<Never, Failure> {
        let url = self.peer.urls.pick().ok_or(Failure::NoUrl)?;
        let opened = self.open(&url).await;
        let (_session, body) = opened.inspect_err(|_| self.peer.urls.failed(&url))?;
        self.peer.connected();
        self.read(body).await
    }

    /// The session has to live as long as the body.
    async fn open(&self, url: &ListenAddress) -> Result<(Session, Incoming), Failure> {
        let config = &self.shared.config;
        let mut session = Session::open(&config.connector, url, config.dial_timeout).await?;
        let path = format!("/raft/stream/{}/{}", self.kind.name(), config.local);
        let request = Request::get(path).body(RequestBody::Full(Bytes::new()));
        let mut request = request.map_err(ClientError::from)?;
        *request.headers_mut() = self.shared.credentials.headers();
        request
            .headers_mut()
            .insert(RAFT_TO, id_value(self.peer.id.0));
        let sent = self.within(session.send(request)).await;
        let response = sent??;
        match response.status() {
            StatusCode::OK if handshake::has_streams(response.headers()) => {
                Ok((session, response.into_body()))
            }
            StatusCode::OK => Err(Failure::Unsupported),
            StatusCode::GONE => Err(Failure::Removed),
            status => {
                let body = read_body(response.into_body(), REFUSAL_BYTES_MAX);
                // As far as there is a text.
                let text = self.within(body).await.and_then(|text| Ok(text?));
                Err(Failure::refusal(status, &text.unwrap_or_default()))
            }
        }
    }

    /// Waits as long as a stream may be silent.
    async fn within<T>(&self, coming: impl Future<Output = T>) -> Result<T, Failure> {
        let limit = self.shared.config.read_timeout;
        let came = timeout(limit, coming).await;
        came.map_err(|_| Failure::Silent(limit))
    }

    async fn read(&self, mut body: Incoming) -> Result<Never, Failure> {
        let framing = match self.kind {
            StreamKind::Messages => Framing::Messages,
            StreamKind::Appends => Framing::Appends {
                from: self.peer.id,
                to: self.shared.config.local,
            },
        };
        let mut reader = StreamReader::new(framing);
        loop {
            let piece = self.within(next_piece(&mut body)).await?;
            let piece = piece.ok_or(Failure::Closed)??;
            self.peer.meters.received_bytes.inc_by(piece.len() as u64);
            reader.push(&piece);
            while let Some(message) = reader.next_message()? {
                if let Err(refused) = self.shared.deliver(message) {
                    self.peer.meters.received_failures.inc();
                    tracing::warn!(peer = %self.peer.id, %refused, "dropped a message");
                }
            }
        }
    }
}
