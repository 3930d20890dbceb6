//! gRPC over real sockets: what clients see of framing, statuses and limits.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod support;

use std::{convert::Infallible, io::Read as _, pin::Pin, time::Duration};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Frame;
use rpc::PortKind;
use support::{Server, call, collect, connect, framed, request};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc,
    time::timeout,
};

/// The plain way, whole: reply, then status in the trailers, and the counters.
#[tokio::test]
async fn unary() {
    let server = Server::start(PortKind::Shared);
    let mut sender = connect(&server).await;
    let headers = [("client-api-version", "3.7")];
    let answer = call(
        &mut sender,
        "/test.Echo/Echo",
        &headers,
        framed(0, b"hello"),
    )
    .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "application/grpc");
    assert_eq!(answer.messages(), [(0, Bytes::from("hello"))]);
    assert_eq!(answer.trailers.as_ref().unwrap()["grpc-status"], "0");

    let large = vec![7; 2 * 1024 * 1024];
    let answer = call(&mut sender, "/test.Echo/Echo", &[], framed(0, &large)).await;
    assert_eq!(answer.messages(), [(0, Bytes::from(large))]);

    let metrics = server.metrics();
    for line in [
        "grpc_server_handled_total{grpc_code=\"OK\",grpc_method=\"Echo\",grpc_service=\"test.Echo\",grpc_type=\"unary\"} 2",
        "etcd_network_client_grpc_received_bytes_total 2097157",
        "etcd_server_client_requests_total{client_api_version=\"3.7\",type=\"unary\"} 1",
    ] {
        assert!(
            metrics.lines().any(|have| have == line),
            "{line} in {metrics}"
        );
    }
}

/// Path, headers, body; HTTP status, gRPC code, text.
type Refusal<'a> = (
    &'a str,
    &'a [(&'a str, &'a str)],
    Bytes,
    u16,
    &'a str,
    &'a str,
);

/// Statuses that clients match by text.
#[tokio::test]
async fn refusals() {
    let server = Server::start(PortKind::GrpcOnly);
    let mut sender = connect(&server).await;
    let too_large = format!(
        "grpc: received message larger than max ({} vs. 2097152)",
        2 * 1024 * 1024 + 1
    );
    let cases: [Refusal<'_>; 9] = [
        (
            "/test.Echo/Refuse",
            &[],
            framed(0, b""),
            200,
            "3",
            "etcdserver: key is not provided",
        ),
        (
            "/test.Echo/No",
            &[],
            framed(0, b""),
            200,
            "12",
            "unknown method No for service test.Echo",
        ),
        (
            "/no.Such/Echo",
            &[],
            framed(0, b""),
            200,
            "12",
            "unknown service no.Such",
        ),
        (
            "/test.Echo/Echo",
            &[],
            framed(0, &vec![0; 2 * 1024 * 1024 + 1]),
            200,
            "8",
            &too_large,
        ),
        (
            "/test.Echo/Echo",
            &[("content-type", "")],
            framed(0, b""),
            415,
            "3",
            "invalid gRPC request content-type \"\"",
        ),
        (
            "/test.Echo/Echo",
            &[("grpc-timeout", "x")],
            framed(0, b""),
            400,
            "13",
            "malformed grpc-timeout: \"x\"",
        ),
        (
            "/test.Echo/Echo",
            &[("grpc-encoding", "zstd")],
            framed(0, b""),
            200,
            "12",
            "grpc: Decompressor is not installed for grpc-encoding \"zstd\"",
        ),
        (
            "/test.Echo/Slow",
            &[("grpc-timeout", "20m")],
            framed(0, b""),
            200,
            "4",
            "context deadline exceeded",
        ),
        (
            "/test.Echo/RefuseStream",
            &[],
            framed(0, b""),
            200,
            "14",
            "etcdserver: no leader",
        ),
    ];
    for (path, headers, body, http, code, text) in cases {
        let answer = call(&mut sender, path, headers, body).await;
        assert_eq!(answer.status, http, "{path} {headers:?}");
        assert_eq!(
            answer.grpc(),
            (code.to_owned(), text.to_owned()),
            "{path} {headers:?}"
        );
        assert!(
            answer.trailers.is_none(),
            "the status belongs into the head: {answer:?}"
        );
    }
    let mut get = request("/test.Echo/Echo", &[], framed(0, b""));
    *get.method_mut() = http::Method::GET;
    let answer = collect(sender.send_request(get).await.unwrap()).await;
    assert_eq!(
        (answer.status.as_u16(), answer.grpc().0.as_str()),
        (405, "13")
    );
}

/// A client that compresses gets compressed answers.
#[tokio::test]
async fn gzip() {
    let server = Server::start(PortKind::Shared);
    let mut sender = connect(&server).await;
    let text = vec![b'a'; 10_000];
    let mut encoder = flate2::read::GzEncoder::new(&text[..], flate2::Compression::default());
    let mut packed = Vec::new();
    encoder.read_to_end(&mut packed).unwrap();
    let headers = [
        ("grpc-encoding", "gzip"),
        ("content-type", "application/grpc+proto"),
    ];
    let answer = call(&mut sender, "/test.Echo/Echo", &headers, framed(1, &packed)).await;
    assert_eq!(answer.headers["grpc-encoding"], "gzip");
    assert_eq!(answer.headers["content-type"], "application/grpc+proto");
    let messages = answer.messages();
    let (flag, message) = &messages[0];
    assert_eq!(*flag, 1);
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&message[..])
        .read_to_end(&mut unpacked)
        .unwrap();
    assert_eq!(unpacked, text);
}

/// A stream of messages keeps its order, also when it is larger than every window.
#[tokio::test]
async fn server_stream() {
    let server = Server::start(PortKind::Shared);
    let mut sender = connect(&server).await;
    let answer = call(&mut sender, "/test.Echo/Repeat", &[], framed(0, &[100, 60])).await;
    let messages = answer.messages();
    assert_eq!(messages.len(), 100);
    for ((_, message), number) in messages.iter().zip(0..) {
        assert_eq!((message.len(), message[0]), (60 * 1024, number));
    }
    assert_eq!(answer.grpc().0, "0");
}

struct Streamed(mpsc::UnboundedReceiver<Bytes>);

impl hyper::body::Body for Streamed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(cx)
            .map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

/// Opens a bidirectional stream.
async fn open(
    server: &Server,
    path: &str,
) -> (
    mpsc::UnboundedSender<Bytes>,
    http::Response<hyper::body::Incoming>,
) {
    let mut sender = connect(server).await;
    let (pieces, receiver) = mpsc::unbounded_channel();
    let request = Request::post(format!("http://test{path}"))
        .header("content-type", "application/grpc")
        .body(Streamed(receiver))
        .unwrap();
    (pieces, sender.send_request(request).await.unwrap())
}

/// Both sides talk in turn; the head comes before any message, and closing one side ends the call.
#[tokio::test]
async fn bidirectional_stream() {
    let server = Server::start(PortKind::Shared);
    let (pieces, response) = open(&server, "/test.Echo/Chat").await;
    let mut body = response.into_body();
    for word in ["one", "two"] {
        pieces.send(framed(0, word.as_bytes())).unwrap();
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), framed(0, word.as_bytes()));
    }
    drop(pieces);
    let trailers = body
        .frame()
        .await
        .unwrap()
        .unwrap()
        .into_trailers()
        .unwrap();
    assert_eq!(trailers["grpc-status"], "0");
}

/// A stop must end open streams so that watchers go elsewhere, and must not wait for ever.
#[tokio::test]
async fn shutdown() {
    let server = Server::start(PortKind::Shared);
    let (_pieces, response) = open(&server, "/test.Echo/Chat").await;
    let mut slow = connect::<Full<Bytes>>(&server).await;
    let address = server.address.clone();
    let pending = tokio::spawn(async move {
        let request = request("/test.Echo/Slow", &[], framed(0, b""));
        slow.send_request(request).await.is_err()
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let grace = Duration::from_millis(300);
    let stopped = tokio::task::spawn_blocking(move || server.threads.shutdown(grace));
    let body = response.into_body().collect().await.unwrap();
    let trailers = body.trailers().unwrap();
    assert_eq!(trailers["grpc-status"], "14");
    assert_eq!(trailers["grpc-message"], "etcdserver: server stopped");
    timeout(Duration::from_secs(10), stopped)
        .await
        .unwrap()
        .unwrap();
    assert!(pending.await.unwrap());
    assert!(TcpStream::connect(address).await.is_err());
}

/// A client that sleeps must not hold up a stop for which nobody waits.
#[tokio::test]
async fn shutdown_without_calls() {
    let server = Server::start(PortKind::Shared);
    let mut sender = connect(&server).await;
    call(&mut sender, "/test.Echo/Echo", &[], framed(0, b"")).await;
    let begin = std::time::Instant::now();
    // This blocks the client's thread too.
    server.threads.shutdown(Duration::from_secs(60));
    assert!(begin.elapsed() < Duration::from_secs(30));
}

/// A call that its client gives up is counted, and its handler is gone.
#[tokio::test]
async fn cancelled() {
    let server = Server::start(PortKind::Shared);
    let mut sender = connect(&server).await;
    let pending = sender.send_request(request("/test.Echo/Slow", &[], framed(0, b"")));
    assert!(timeout(Duration::from_millis(50), pending).await.is_err());
    let line = "grpc_server_handled_total{grpc_code=\"Canceled\",grpc_method=\"Slow\",grpc_service=\"test.Echo\",grpc_type=\"unary\"} 1";
    for _ in 0..100 {
        if server.metrics().lines().any(|have| have == line) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not counted: {}", server.metrics());
}

/// Plain HTTP on a gRPC port is closed without an answer.
#[tokio::test]
async fn grpc_only() {
    let server = Server::start(PortKind::GrpcOnly);
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    stream
        .write_all(b"GET /echo HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let read = timeout(Duration::from_secs(5), stream.read_to_end(&mut answer))
        .await
        .unwrap();
    // With bytes unread the close may be a reset.
    assert!(read.is_err() || answer.is_empty());
}
