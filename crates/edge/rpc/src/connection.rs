//! One accepted connection, from its first bytes to its end.

use std::{io, pin::pin, rc::Rc, time::Duration};

use http::{Request, header::CONTENT_TYPE};
use hyper::{
    rt::Executor,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};

use crate::{
    coalesced::{Link, TooManyPings, coalesce},
    drain::{Drains, OpenCalls},
    either::Answer,
    grpc,
    handler::Handler,
    http1::{HttpHandler, HttpService},
    listen::PortKind,
    peer::Peer,
    pings::Pings,
    prefixed::Protocol,
    security::Handshakes,
    stalled::Stalled,
    threads::Config,
    websocket::Place,
};

/// How long an HTTP/1 client may take to send its headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// How long a client without calls has to say goodbye when the server stops, and as long again. A call
/// that it had sent before it was told would be lost with the connection.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// What one stream, and all streams of a connection, may send before it is taken from them.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// Room for long tokens in the metadata.
const HEADER_BYTES_MAX: u32 = 64 * 1024;
/// Calls that a client may have opened and cancelled before they were looked at: a client that
/// cancels many watches at once is no attacker.
const PENDING_RESETS_MAX: usize = 1024;

/// Spawns onto the connection's own thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalExecutor;

impl<F> Executor<F> for LocalExecutor
where
    F: Future<Output = ()> + 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// What the connections of one thread share.
pub(crate) struct Shared<G, W> {
    pub(crate) grpc: Rc<grpc::Service<G>>,
    pub(crate) http: Rc<HttpService<W>>,
    pub(crate) http2: http2::Builder<LocalExecutor>,
    pub(crate) drains: Drains,
    pub(crate) handshakes: Handshakes,
    pub(crate) ping_interval_min: Duration,
    pub(crate) peer_write_timeout: Duration,
}

/// The settings of HTTP/2 connections.
pub(crate) fn http2_builder(config: &Config) -> http2::Builder<LocalExecutor> {
    let mut builder = http2::Builder::new(LocalExecutor);
    builder
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_header_list_size(HEADER_BYTES_MAX)
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .max_concurrent_streams(config.max_concurrent_streams);
    if let Some(keepalive) = config.keepalive {
        builder
            .keep_alive_interval(keepalive.interval)
            .keep_alive_timeout(keepalive.timeout);
    }
    builder
}

/// Serves a connection until it ends. TLS streams come in here after their handshake.
pub(crate) async fn serve<G, W, S>(
    shared: Rc<Shared<G, W>>,
    protocol: Protocol,
    stream: S,
    port: PortKind,
    peer: Peer,
) -> io::Result<()>
where
    G: Handler,
    W: HttpHandler,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let _open = shared.drains.of(port).connection();
    let peer = Rc::new(peer);
    match (port, protocol) {
        (PortKind::Peer, _) => {
            let stream = Stalled::new(stream, shared.peer_write_timeout);
            serve_http1(shared, stream, port, peer).await
        }
        (PortKind::Shared | PortKind::GrpcOnly, Protocol::Http2) => {
            serve_http2(shared, stream, port, peer).await
        }
        // Browsers speak HTTP/2 wherever there is TLS, and nowhere else.
        (PortKind::HttpOnly | PortKind::Metrics, Protocol::Http2) if peer.is_secured() => {
            serve_http2(shared, stream, port, peer).await
        }
        (PortKind::GrpcOnly, _) => Ok(()),
        _ => serve_http1(shared, stream, port, peer).await,
    }
}

/// Whether a request of HTTP/2 is for gRPC: without TLS all are.
fn is_grpc<B>(port: PortKind, peer: &Peer, request: &Request<B>) -> bool {
    match port {
        PortKind::GrpcOnly => true,
        PortKind::Shared if !peer.is_secured() => true,
        PortKind::Shared => {
            let content_type = request.headers().get(CONTENT_TYPE);
            let name = b"application/grpc";
            content_type
                .is_some_and(|text| text.as_bytes().windows(name.len()).any(|at| at == name))
        }
        PortKind::HttpOnly | PortKind::Metrics | PortKind::Peer => false,
    }
}

async fn serve_http2<G, W, S>(
    shared: Rc<Shared<G, W>>,
    stream: S,
    port: PortKind,
    peer: Rc<Peer>,
) -> io::Result<()>
where
    G: Handler,
    W: HttpHandler,
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let (grpc, http) = (Rc::clone(&shared.grpc), Rc::clone(&shared.http));
    // Behind TLS etcd leaves a shared port to a library that does not count.
    let counts_pings = port == PortKind::GrpcOnly || !peer.is_secured();
    let calls = OpenCalls::default();
    let opened = calls.clone();
    let service = service_fn(move |request| {
        let open = opened.open();
        let answer = match is_grpc(port, &peer, &request) {
            true => {
                // Behind TLS etcd answers calls by the server that answers pages.
                let is_wrapped = port == PortKind::Shared && peer.is_secured();
                let origin = is_wrapped.then(|| http.access.admitted(request.headers()));
                Answer::Grpc(grpc.serve(&peer, open, request), origin.flatten())
            }
            false => {
                let serving = Rc::clone(&http).serve(port, Rc::clone(&peer), request, None);
                Answer::Http(Box::pin(serving), open)
            }
        };
        answer.run()
    });
    let pings = counts_pings.then(|| Pings::new(shared.ping_interval_min, calls.clone()));
    let (stream, link) = coalesce(stream, pings);
    let mut connection = pin!(shared.http2.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        biased;
        ended = link.drive(connection.as_mut()) => return end(&link, ended).await,
        () = shared.drains.of(port).clone().started() => connection.as_mut().graceful_shutdown(),
    }
    // A client that does not answer holds nothing up once its calls are answered.
    let mut was_idle = false;
    loop {
        if let Ok(ended) = timeout(LAST_WORDS, link.drive(connection.as_mut())).await {
            return end(&link, ended).await;
        }
        if was_idle {
            return Ok(());
        }
        was_idle = calls.are_none();
    }
}

async fn end<S>(link: &Link<S>, ended: Result<hyper::Result<()>, TooManyPings>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match ended {
        Ok(ended) => ended.map_err(io::Error::other),
        Err(abuse) => {
            Box::pin(link.send_away()).await?;
            Err(io::Error::other(abuse))
        }
    }
}

async fn serve_http1<G, W, S>(
    shared: Rc<Shared<G, W>>,
    stream: S,
    port: PortKind,
    peer: Rc<Peer>,
) -> io::Result<()>
where
    G: Handler,
    W: HttpHandler,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let http = Rc::clone(&shared.http);
    let place = Place::default();
    let service = service_fn(|request| {
        let (http, peer, place) = (Rc::clone(&http), Rc::clone(&peer), Rc::clone(&place));
        async move { http.serve(port, peer, request, Some(&place)).await }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .title_case_headers(true);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection.with_upgrades());
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = shared.drains.of(port).clone().started() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    let socket = place.borrow_mut().take();
    if let (Ok(()), Some(socket)) = (&ended, socket) {
        Box::pin(http.talk(port, socket)).await;
    }
    ended.map_err(io::Error::other)
}
