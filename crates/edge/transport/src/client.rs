//! Single requests to another member: who belongs to the cluster, which version, hashes, leases.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header::CONTENT_TYPE};
use rpc::{AddressError, ListenAddress};
use tokio::time::timeout;

use crate::body::RequestBody;
use crate::connect::Connector;
use crate::session::{Session, read_body};

/// Why a member has not answered.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The URL cannot be connected to.
    #[error(transparent)]
    Url(#[from] AddressError),
    /// The request cannot be made of these parts.
    #[error("cannot build the request")]
    Request(#[from] http::Error),
    /// Nobody listens, or the handshake failed.
    #[error("cannot connect to {address}")]
    Connect {
        /// Where to.
        address: ListenAddress,
        /// What the system or TLS said.
        source: std::io::Error,
    },
    /// The connection failed, or its other end does not speak HTTP.
    #[error("the connection failed")]
    Http(#[source] hyper::Error),
    /// No answer in time.
    #[error("no answer within {limit:?}")]
    TimedOut {
        /// What was allowed.
        limit: Duration,
    },
    /// The answer has no reasonable size.
    #[error("the answer is longer than {bytes_max} bytes")]
    TooLarge {
        /// What was allowed.
        bytes_max: usize,
    },
}

/// What a member answered. Statuses other than 200 are answers, too.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// Asks other members; cheap to clone. Each request has a connection of its own.
#[derive(Clone, Debug)]
pub struct PeerClient {
    connector: Connector,
    dial_timeout: Duration,
    timeout: Duration,
    answer_bytes_max: usize,
}

impl PeerClient {
    /// A client whose requests take at most `timeout`, dialling included, and whose answers are no
    /// longer than `answer_bytes_max`.
    #[must_use]
    pub fn new(connector: Connector, timeout: Duration, answer_bytes_max: usize) -> Self {
        Self {
            connector,
            dial_timeout: timeout,
            timeout,
            answer_bytes_max,
        }
    }

    /// The same client with another limit of time.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self {
            dial_timeout: timeout,
            timeout,
            ..self.clone()
        }
    }

    /// Asks for `path` at the member that listens at the peer URL `url`.
    ///
    /// # Errors
    /// [`ClientError`] when no whole answer came; a status is no error.
    pub async fn get(&self, url: &str, path: &str) -> Result<Answer, ClientError> {
        let request = Request::get(path).body(Bytes::new())?;
        self.send(url, request).await
    }

    /// Posts a body.
    ///
    /// # Errors
    /// As [`PeerClient::get`].
    pub async fn post(
        &self,
        url: &str,
        path: &str,
        content_type: HeaderValue,
        body: Bytes,
    ) -> Result<Answer, ClientError> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .body(body)?;
        request.headers_mut().insert(CONTENT_TYPE, content_type);
        self.send(url, request).await
    }

    /// Sends any request; its URI is a path. Redirects are not followed.
    ///
    /// # Errors
    /// As [`PeerClient::get`].
    pub async fn send(&self, url: &str, request: Request<Bytes>) -> Result<Answer, ClientError> {
        let address: ListenAddress = url.trim_end_matches('/').parse()?;
        let limit = self.timeout;
        let answer = timeout(limit, self.exchange(&address, request)).await;
        answer.unwrap_or(Err(ClientError::TimedOut { limit }))
    }

    async fn exchange(
        &self,
        address: &ListenAddress,
        request: Request<Bytes>,
    ) -> Result<Answer, ClientError> {
        let mut session = Session::open(&self.connector, address, self.dial_timeout).await?;
        let response = session.send(request.map(RequestBody::Full)).await?;
        let (parts, body) = response.into_parts();
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body: read_body(body, self.answer_bytes_max).await?,
        })
    }
}
