//! The connections: one lazy HTTP/2 channel an endpoint, and one attempt of one call on it.
//!
//! A failure says whether the request can have reached the member. Choosing the endpoint and
//! trying again are the caller's business, see [`crate::call`].

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::uri::PathAndQuery;
use prost::Message;
use proto::error::Code;
use tls::{ClientFiles, ClientTls};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::{Channel, Endpoint as Dialer};
use tonic::{Request, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::config::Config;
use crate::dial::{Dial, Nowhere};
use crate::endpoint::{Endpoint, NOWHERE, Security, Target};
use crate::error::ClientError;

/// Servers punish probes that come more often; Go's gRPC library has the same floor.
const KEEPALIVE_TIME_MIN: Duration = Duration::from_secs(10);
/// Requests that may wait in front of an open stream.
const STREAM_BACKLOG: usize = 64;
/// What `client-api-version` says.
const API_VERSION: &str = "3.7";

/// Why one attempt failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: ClientError,
    /// The connection failed before the request was sent; the text says why.
    pub(crate) unsent: Option<String>,
}

/// All endpoints with their channels.
#[derive(Debug)]
pub(crate) struct Transport {
    links: Vec<Link>,
    next: AtomicUsize,
    send_bytes_max: usize,
    receive_bytes_max: usize,
}

#[derive(Debug)]
struct Link {
    endpoint: Endpoint,
    channel: Channel,
    /// The last attempt to connect failed; others are preferred.
    suspect: AtomicBool,
}

/// What accompanies one request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Headers {
    pub(crate) token: Option<AsciiMetadataValue>,
    pub(crate) require_leader: bool,
    pub(crate) timeout: Option<Duration>,
}

impl Transport {
    /// Prepares channels to all endpoints; nothing is dialled yet.
    pub(crate) fn new(config: &Config) -> Result<Self, ClientError> {
        let endpoints = config.endpoints.iter().map(|text| Endpoint::parse(text));
        let endpoints: Vec<_> = endpoints.collect();
        let tls = secure(&endpoints, config)?;
        let links = endpoints
            .into_iter()
            .map(|endpoint| Link::new(endpoint, config, tls.as_ref()))
            .collect::<Vec<_>>();
        if links.is_empty() {
            return Err(ClientError::NoEndpoints);
        }
        Ok(Self {
            links,
            next: AtomicUsize::new(0),
            send_bytes_max: config.send_bytes_max,
            receive_bytes_max: config.receive_bytes_max,
        })
    }

    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.links.iter().map(|link| &link.endpoint)
    }

    pub(crate) fn len(&self) -> usize {
        self.links.len()
    }

    /// The endpoint whose turn it is; those that could not be reached come last.
    pub(crate) fn pick(&self) -> usize {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        (0..self.links.len())
            .map(|step| first.wrapping_add(step) % self.links.len())
            .find(|&at| !self.links[at].suspect.load(Ordering::Relaxed))
            .unwrap_or(first % self.links.len())
    }

    pub(crate) async fn unary<Q, R>(
        &self,
        at: usize,
        path: &'static str,
        headers: Headers,
        message: Q,
    ) -> Result<R, Failure>
    where
        Q: Message + 'static,
        R: Message + Default + 'static,
    {
        self.check_size(&message)?;
        let mut grpc = self.ready(at).await?;
        let codec = ProstCodec::<Q, R>::default();
        let sent = grpc.unary(headers.on(message), PathAndQuery::from_static(path), codec);
        let outcome = sent.await;
        self.judge(at, outcome.map(tonic::Response::into_inner))
    }

    pub(crate) async fn server_stream<Q, R>(
        &self,
        at: usize,
        path: &'static str,
        headers: Headers,
        message: Q,
    ) -> Result<Streaming<R>, Failure>
    where
        Q: Message + 'static,
        R: Message + Default + 'static,
    {
        self.check_size(&message)?;
        let mut grpc = self.ready(at).await?;
        let codec = ProstCodec::<Q, R>::default();
        let sent =
            grpc.server_streaming(headers.on(message), PathAndQuery::from_static(path), codec);
        let outcome = sent.await;
        self.judge(at, outcome.map(tonic::Response::into_inner))
    }

    /// Opens a stream in both directions; `first` is sent at once, because servers answer the
    /// opening only together with their first message.
    pub(crate) async fn bidi<Q, R>(
        &self,
        at: usize,
        path: &'static str,
        headers: Headers,
        first: Vec<Q>,
    ) -> Result<(mpsc::Sender<Q>, Streaming<R>), Failure>
    where
        Q: Message + 'static,
        R: Message + Default + 'static,
    {
        let mut grpc = self.ready(at).await?;
        let (sender, receiver) = mpsc::channel(STREAM_BACKLOG.max(first.len()));
        for message in first {
            self.check_size(&message)?;
            // The channel has room for all of them, and its receiver is alive.
            let _ = sender.try_send(message);
        }
        let codec = ProstCodec::<Q, R>::default();
        let request = headers.on(ReceiverStream::new(receiver));
        let outcome = grpc
            .streaming(request, PathAndQuery::from_static(path), codec)
            .await;
        let stream = self.judge(at, outcome.map(tonic::Response::into_inner))?;
        Ok((sender, stream))
    }

    async fn ready(&self, at: usize) -> Result<Grpc<Channel>, Failure> {
        let mut grpc = Grpc::new(self.links[at].channel.clone())
            .max_decoding_message_size(self.receive_bytes_max)
            .max_encoding_message_size(usize::MAX);
        match grpc.ready().await {
            Ok(()) => Ok(grpc),
            Err(fault) => self.judge(at, Err(Status::from_error(Box::new(fault)))),
        }
    }

    /// Refuses what the other side would refuse, with the words of Go's gRPC library.
    fn check_size(&self, message: &impl Message) -> Result<(), Failure> {
        let (length, limit) = (message.encoded_len(), self.send_bytes_max);
        if length <= limit {
            return Ok(());
        }
        let text = format!("trying to send message larger than max ({length} vs. {limit})");
        Err(Failure {
            error: Status::resource_exhausted(text).into(),
            unsent: None,
        })
    }

    /// Sorts an outcome, and remembers whether the endpoint could be reached.
    fn judge<T>(&self, at: usize, outcome: Result<T, Status>) -> Result<T, Failure> {
        let outcome = outcome.map_err(Failure::of);
        let suspect = outcome
            .as_ref()
            .is_err_and(|failure| failure.unsent.is_some());
        self.links[at].suspect.store(suspect, Ordering::Relaxed);
        outcome
    }
}

/// Whether an endpoint is spoken to with TLS.
fn has_tls(endpoint: &Endpoint, config: &Config) -> bool {
    match endpoint.security() {
        Security::Plain => false,
        Security::Tls => true,
        Security::Open => config.tls_by_default,
    }
}

/// TLS, if any endpoint needs it: its files are not read for nobody.
fn secure(endpoints: &[Endpoint], config: &Config) -> Result<Option<ClientTls>, ClientError> {
    if !endpoints.iter().any(|endpoint| has_tls(endpoint, config)) {
        return Ok(None);
    }
    let files = ClientFiles {
        protocols: vec![b"h2".to_vec()],
        ..config.tls.clone()
    };
    let tls = ClientTls::new(files).map_err(|error| ClientError::Tls(Arc::new(error)))?;
    Ok(Some(tls))
}

impl Link {
    fn new(endpoint: Endpoint, config: &Config, tls: Option<&ClientTls>) -> Self {
        let tls = tls.filter(|_| has_tls(&endpoint, config));
        let uri = match (tls, endpoint.target()) {
            (None, _) => endpoint.uri(),
            (Some(_), Target::Tcp(authority)) => format!("https://{authority}"),
            // Servers ask for an authority, and a path is none.
            (Some(_), Target::Unix(_) | Target::Nowhere(_)) => "https://localhost".to_owned(),
        };
        let dialer = Dialer::from_shared(uri)
            // Endpoints have been read already; should the library want more, it fails to dial.
            .unwrap_or_else(|_| Dialer::from_static(NOWHERE))
            .connect_timeout(config.dial_timeout)
            .keep_alive_timeout(config.keepalive_timeout)
            .keep_alive_while_idle(config.keepalive_without_calls)
            .tcp_nodelay(true);
        let dialer = match config.keepalive_time {
            Duration::ZERO => dialer,
            time => dialer.http2_keep_alive_interval(time.max(KEEPALIVE_TIME_MIN)),
        };
        let channel = match (endpoint.target(), tls) {
            (Target::Nowhere(reason), _) => {
                dialer.connect_with_connector_lazy(Nowhere(reason.clone()))
            }
            (_, None) => dialer.connect_lazy(),
            (_, Some(tls)) => dialer.connect_with_connector_lazy(Dial {
                endpoint: endpoint.clone(),
                tls: tls.clone(),
            }),
        };
        Self {
            endpoint,
            channel,
            suspect: AtomicBool::new(false),
        }
    }
}

impl Headers {
    fn on<T>(self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let metadata = request.metadata_mut();
        metadata.insert(
            "client-api-version",
            AsciiMetadataValue::from_static(API_VERSION),
        );
        if let Some(token) = self.token {
            metadata.insert("token", token);
        }
        if self.require_leader {
            metadata.insert("hasleader", AsciiMetadataValue::from_static("true"));
        }
        if let Some(timeout) = self.timeout {
            request.set_timeout(timeout);
        }
        request
    }
}

impl Failure {
    pub(crate) fn of(status: Status) -> Self {
        let mut source = status.source();
        let local = source.is_some();
        while let Some(fault) = source {
            if fault.is::<tonic::ConnectError>() {
                let unsent = Some(describe(fault));
                let error = status.into();
                return Self { error, unsent };
            }
            if fault.is::<tonic::TimeoutExpired>() {
                let error = ClientError::DeadlineExceeded { cause: None };
                return Self {
                    error,
                    unsent: None,
                };
            }
            source = fault.source();
        }
        let error = if local { lost(&status) } else { status.into() };
        Self {
            error,
            unsent: None,
        }
    }
}

/// A status that no member sent: the connection broke while the call was open.
fn lost(status: &Status) -> ClientError {
    ClientError::Status {
        code: Code::Unavailable,
        message: format!("transport: {}", describe(status)),
    }
}

/// The innermost reason of a failed connection: "connection refused", not "transport error".
fn describe(fault: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = fault;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
