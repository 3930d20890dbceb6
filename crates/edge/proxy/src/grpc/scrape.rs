//! The metrics of a member, fetched for who can reach the proxy only.

use std::time::Duration;

use ::http::{Request, header::HOST};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use tls::{ClientFiles, ClientTls};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::backend::Backend;

/// How long one member may take.
const LIMIT: Duration = Duration::from_secs(5);
/// The largest text that is taken.
const BYTES_MAX: usize = 16 << 20;

/// Why no member's metrics were had.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScrapeError {
    /// No endpoint has a host and a port.
    #[error("no endpoint serves metrics")]
    NoEndpoint,
    /// The system or the member broke the connection off.
    #[error("cannot reach {0}")]
    Connect(String, #[source] std::io::Error),
    /// The handshake failed.
    #[error("cannot verify {0}")]
    Handshake(String, #[source] tls::HandshakeError),
    /// The files for TLS are unusable.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    /// What came is no answer.
    #[error("{0} did not answer: {1}")]
    Answer(String, String),
    /// It took too long.
    #[error("{0} did not answer in time")]
    Late(String),
}

/// The metrics of the first member that shows them.
pub(super) async fn scrape(backend: &Backend) -> Result<Bytes, ScrapeError> {
    let mut outcome = Err(ScrapeError::NoEndpoint);
    for endpoint in backend.endpoints() {
        let fetched = timeout(LIMIT, fetch(backend, &endpoint)).await;
        outcome = fetched.unwrap_or_else(|_| Err(ScrapeError::Late(endpoint)));
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

async fn fetch(backend: &Backend, endpoint: &str) -> Result<Bytes, ScrapeError> {
    let (scheme, rest) = endpoint.split_once("://").unwrap_or(("", endpoint));
    let authority = rest.split('/').next().unwrap_or_default();
    let has_tls = match scheme {
        "" => backend.config().tls_by_default,
        scheme => scheme == "https",
    };
    let connected = TcpStream::connect(authority).await;
    let stream = connected.map_err(|error| ScrapeError::Connect(endpoint.to_owned(), error))?;
    if !has_tls {
        return ask(authority, stream).await;
    }
    let tls = ClientTls::new(ClientFiles {
        protocols: vec![b"http/1.1".to_vec()],
        ..backend.config().tls.clone()
    })?;
    let host = authority
        .rsplit_once(':')
        .map_or(authority, |(host, _)| host);
    let shaken = tls.connect(host, stream).await;
    let stream = shaken.map_err(|error| ScrapeError::Handshake(endpoint.to_owned(), error))?;
    ask(authority, stream).await
}

async fn ask<S>(authority: &str, stream: S) -> Result<Bytes, ScrapeError>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let failed = |text: String| ScrapeError::Answer(authority.to_owned(), text);
    let shaken = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|error| failed(error.to_string()))?;
    let request = Request::get("/metrics").header(HOST, authority);
    let request = request.body(Empty::<Bytes>::new());
    let request = request.map_err(|error| failed(error.to_string()))?;
    let asked = async {
        let answer = sender.send_request(request).await;
        let answer = answer.map_err(|error| failed(error.to_string()))?;
        if !answer.status().is_success() {
            return Err(failed(answer.status().to_string()));
        }
        let body = Limited::new(answer.into_body(), BYTES_MAX).collect().await;
        Ok(body.map_err(|error| failed(error.to_string()))?.to_bytes())
    };
    tokio::select! {
        answer = asked => answer,
        // A connection ends by itself only after its answer was read, or broken.
        Err(error) = connection => Err(failed(error.to_string())),
    }
}
