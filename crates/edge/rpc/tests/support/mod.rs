//! A server with an echo handler, and a client that sends what it is told to.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]
#![allow(dead_code, reason = "each test file uses a part")]

use std::{future::pending, rc::Rc, time::Duration};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, client::conn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use proto::Method;
use rpc::{
    Aborted, AccessControl, Call, Config, Handler, HttpBody, HttpHandler, HttpRequest,
    HttpResponse, Inbound, ListenAddress, Listener, Outbound, PortKind, Security, Services,
    SocketOptions, Status, Threads, replies,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::Semaphore,
    time::sleep,
};

const fn method(name: &'static str, client_streaming: bool, server_streaming: bool) -> Method {
    Method {
        service: "test.Echo",
        name,
        client_streaming,
        server_streaming,
    }
}

/// Answers every message with itself.
pub(crate) struct Echo;

impl Handler for Echo {
    const METHODS: &'static [Method] = &[
        method("Echo", false, false),
        method("Slow", false, false),
        method("Refuse", false, false),
        method("Repeat", false, true),
        method("Chat", true, true),
        method("RefuseStream", true, true),
        method("Who", false, false),
    ];

    async fn unary(self: Rc<Self>, call: Call, request: Bytes) -> Result<Bytes, Status> {
        match Self::METHODS[usize::from(call.method.0)].name {
            "Slow" => sleep(Duration::from_secs(3600)).await,
            "Who" => {
                let name = call.peer().common_name().unwrap_or("nobody");
                return Ok(Bytes::copy_from_slice(name.as_bytes()));
            }
            "Refuse" => return Err(proto::error::Error::EmptyKey.into()),
            _ => {}
        }
        Ok(request)
    }

    async fn stream(
        self: Rc<Self>,
        call: Call,
        mut inbound: Inbound,
        outbound: Outbound,
    ) -> Result<(), Status> {
        match Self::METHODS[usize::from(call.method.0)].name {
            "Repeat" => {
                let message = inbound.next().await.unwrap()?;
                let (count, size) = (message[0], usize::from(message[1]) * 1024);
                for number in 0..count {
                    let message = Bytes::from(vec![number; size]);
                    outbound.send(message).await.unwrap();
                }
                Ok(())
            }
            "RefuseStream" => Err(proto::error::Error::NoLeader.into()),
            _ => {
                while let Some(message) = inbound.next().await {
                    outbound.send(message?).await.unwrap();
                }
                Ok(())
            }
        }
    }
}

/// Grows with each endless stream that is dropped.
pub(crate) static STREAMS_DROPPED: Semaphore = Semaphore::const_new(0);

struct Dropped;

impl Drop for Dropped {
    fn drop(&mut self) {
        STREAMS_DROPPED.add_permits(1);
    }
}

impl HttpHandler for Echo {
    fn takes_upload(&self, _: PortKind, _: &http::Method, path: &str) -> bool {
        path.starts_with("/upload")
    }

    async fn handle(self: Rc<Self>, request: HttpRequest) -> HttpResponse {
        match request.uri.path() {
            "/echo" => replies::plain(StatusCode::OK, request.body),
            "/upload" => upload(request).await,
            "/upload/small" => match request.upload.unwrap().read_all(100_000).await {
                Ok(body) => replies::plain(StatusCode::OK, body),
                Err(error) => replies::error(StatusCode::BAD_REQUEST, &error.to_string()),
            },
            "/count" => HttpResponse::new(HttpBody::streamed(async |out| {
                for number in 0..100_u8 {
                    let chunk = Bytes::from(vec![number; 10_000]);
                    out.send(chunk).await.map_err(|_| Aborted)?;
                }
                Ok(())
            })),
            "/abort" => HttpResponse::new(HttpBody::streamed(async |out| {
                out.push(Bytes::from_static(b"begun")).unwrap();
                sleep(Duration::from_millis(10)).await;
                Err(Aborted)
            })),
            "/endless" => HttpResponse::new(HttpBody::streamed(async |out| {
                let _dropped = Dropped;
                out.push(Bytes::from_static(b"begun")).unwrap();
                pending().await
            })),
            "/get" => replies::method_not_allowed("GET"),
            _ => replies::not_found(),
        }
    }
}

/// Answers with the length of the body, and whether any of its pieces was large.
async fn upload(request: HttpRequest) -> HttpResponse {
    let mut upload = request.upload.unwrap();
    let (mut total, mut is_piecemeal) = (0, true);
    while let Some(chunk) = upload.chunk().await {
        match chunk {
            Ok(chunk) => {
                total += chunk.len();
                is_piecemeal &= chunk.len() < 1_000_000;
            }
            Err(error) => {
                return replies::error(StatusCode::BAD_REQUEST, &error.to_string());
            }
        }
    }
    let answer = format!("{} {total} {is_piecemeal}", request.body.len());
    replies::plain(StatusCode::OK, answer.into())
}

pub(crate) fn config() -> Config {
    Config {
        threads: 2,
        connections_max: 100,
        message_bytes_max: 2 * 1024 * 1024,
        max_concurrent_streams: u32::MAX,
        keepalive: None,
        ping_interval_min: Duration::from_secs(5),
        peer_write_timeout: Duration::from_secs(5),
        access: AccessControl::default(),
        timing: rpc::Timing::default(),
    }
}

pub(crate) struct Server {
    pub(crate) threads: Threads,
    pub(crate) address: String,
}

impl Server {
    pub(crate) fn start(port: PortKind) -> Self {
        Self::with(config(), port)
    }

    pub(crate) fn with(config: Config, port: PortKind) -> Self {
        Self::secured(config, port, Security::Plain)
    }

    pub(crate) fn secured(config: Config, port: PortKind, security: Security) -> Self {
        let threads = Threads::start(&config, |_| Services {
            grpc: Rc::new(Echo),
            http: Rc::new(Echo),
        })
        .unwrap();
        let any = "http://127.0.0.1:0".parse().unwrap();
        let listener = Listener::bind(&any, SocketOptions::default()).unwrap();
        let ListenAddress::Tcp {
            host, port: number, ..
        } = listener.address().clone()
        else {
            unreachable!("a TCP address was asked for");
        };
        threads.serve(listener, port, security);
        Self {
            threads,
            address: format!("{host}:{number}"),
        }
    }

    pub(crate) fn metrics(&self) -> String {
        let mut out = String::new();
        self.threads.metrics().render(&mut out);
        out
    }
}

/// What came back from a call.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Answer {
    /// `grpc-status` and `grpc-message`, from wherever they are.
    pub(crate) fn grpc(&self) -> (String, String) {
        let from = self.trailers.as_ref().unwrap_or(&self.headers);
        let text = |name| {
            let value = from.get(name).map(|v| v.to_str().unwrap().to_owned());
            value.unwrap_or_default()
        };
        (text("grpc-status"), text("grpc-message"))
    }

    /// The messages of the body, with their flags.
    pub(crate) fn messages(&self) -> Vec<(u8, Bytes)> {
        let mut rest = self.body.clone();
        let mut messages = Vec::new();
        while rest.has_remaining() {
            let flag = rest.get_u8();
            let len = rest.get_u32() as usize;
            messages.push((flag, rest.split_to(len)));
        }
        messages
    }
}

pub(crate) type Sender<B> = conn::http2::SendRequest<B>;

pub(crate) async fn connect<B>(server: &Server) -> Sender<B>
where
    B: hyper::body::Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    connect_on(TcpStream::connect(&server.address).await.unwrap()).await
}

pub(crate) async fn connect_on<S, B>(stream: S) -> Sender<B>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    B: hyper::body::Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (sender, connection) = conn::http2::Builder::new(TokioExecutor::new())
        .handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

pub(crate) fn framed(flag: u8, message: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_u8(flag);
    out.put_u32(u32::try_from(message.len()).unwrap());
    out.put_slice(message);
    out.freeze()
}

pub(crate) fn request(path: &str, headers: &[(&str, &str)], body: Bytes) -> Request<Full<Bytes>> {
    let mut builder = Request::builder()
        .method("POST")
        .uri(format!("http://test{path}"));
    if headers.iter().all(|(name, _)| *name != "content-type") {
        builder = builder.header("content-type", "application/grpc");
    }
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Full::new(body)).unwrap()
}

pub(crate) async fn collect(response: Response<Incoming>) -> Answer {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().cloned();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: body.to_bytes(),
        trailers,
    }
}

pub(crate) async fn call(
    sender: &mut Sender<Full<Bytes>>,
    path: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Answer {
    collect(
        sender
            .send_request(request(path, headers, body))
            .await
            .unwrap(),
    )
    .await
}
