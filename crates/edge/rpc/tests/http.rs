//! Plain HTTP/1 over real sockets.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod support;

use std::{collections::BTreeSet, time::Duration};

use rpc::{AccessControl, Allowed, Config, PortKind};
use support::{STREAMS_DROPPED, Server, config};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

async fn ask(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    timeout(Duration::from_secs(5), read)
        .await
        .unwrap()
        .unwrap();
    answer
}

/// Probes and scripts compare these bodies.
#[tokio::test]
async fn replies() {
    let server = Server::start(PortKind::Shared);
    let answer = ask(
        &server,
        "GET /no HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n404 page not found\n"), "{answer}");
    for header in [
        "Content-Type: text/plain; charset=utf-8",
        "X-Content-Type-Options: nosniff",
        "Access-Control-Allow-Origin: *",
        "Content-Length: 19",
    ] {
        assert!(
            answer.contains(&format!("\r\n{header}\r\n")),
            "{header} in {answer}"
        );
    }
    let answer = ask(
        &server,
        "PUT /get HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    assert!(answer.contains("\r\nAllow: GET\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nMethod Not Allowed\n"), "{answer}");
    let post = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";
    assert!(ask(&server, post).await.ends_with("\r\n\r\nhi"));
}

/// Metrics ports are outside the access control.
#[tokio::test]
async fn metrics_port() {
    let refusing = Config {
        access: AccessControl {
            origins: Allowed::Any,
            hosts: Allowed::Only(BTreeSet::from(["good".to_owned()])),
        },
        ..config()
    };
    let request = "GET /echo HTTP/1.1\r\nHost: bad\r\nConnection: close\r\n\r\n";
    let metrics = Server::with(refusing.clone(), PortKind::Metrics);
    let answer = ask(&metrics, request).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(!answer.contains("Access-Control"), "{answer}");
    let client = Server::with(refusing, PortKind::HttpOnly);
    assert!(ask(&client, request).await.starts_with("HTTP/1.1 421 "));
}

/// Connections over the cap wait instead of eating descriptors.
#[tokio::test]
async fn connection_cap() {
    let one = Config {
        connections_max: 1,
        ..config()
    };
    let server = Server::with(one, PortKind::Shared);
    let mut first = TcpStream::connect(&server.address).await.unwrap();
    first.write_all(b"GET ").await.unwrap();
    let request = "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let second = ask(&server, request);
    tokio::pin!(second);
    // Long enough for a silent one to be sent away.
    assert!(
        timeout(Duration::from_millis(500), second.as_mut())
            .await
            .is_err()
    );
    drop(first);
    assert!(second.await.starts_with("HTTP/1.1 200 "));
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
}

/// The body of a chunked answer, and whether its end was seen.
fn dechunked(answer: &str) -> (String, bool) {
    let (head, mut rest) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("\r\nTransfer-Encoding: chunked"), "{head}");
    let mut body = String::new();
    while let Some((length, after)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        if length == 0 {
            return (body, true);
        }
        body.push_str(&after[..length]);
        rest = &after[length + 2..];
    }
    (body, false)
}

/// Other members and browsers read streams to their end, or see that they were cut.
#[tokio::test]
async fn streamed_answers() {
    let server = Server::start(PortKind::Peer);
    let (body, is_whole) = dechunked(&ask(&server, &get("/count")).await);
    assert!(is_whole);
    let want: String = (0..100_u8)
        .flat_map(|number| [char::from(number); 10_000])
        .collect();
    assert!(body == want, "{} bytes", body.len());
    let (body, is_whole) = dechunked(&ask(&server, &get("/abort")).await);
    assert_eq!((&*body, is_whole), ("begun", false));
}

/// What is pushed leaves at once; a stream ends with its client, or with the server.
#[tokio::test]
async fn endless_answers() {
    let server = Server::start(PortKind::Peer);
    let begun = async |server: &Server| {
        let mut stream = TcpStream::connect(&server.address).await.unwrap();
        stream.write_all(get("/endless").as_bytes()).await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"begun\r\n") {
            assert!(stream.read_buf(&mut seen).await.unwrap() > 0);
        }
        stream
    };
    drop(begun(&server).await);
    STREAMS_DROPPED.acquire().await.unwrap().forget();

    let mut open = begun(&server).await;
    let threads = server.threads;
    let stopping = tokio::task::spawn_blocking(|| threads.shutdown(Duration::from_secs(60)));
    let mut rest = Vec::new();
    // Cut short: no last chunk comes.
    let _ = open.read_to_end(&mut rest).await;
    assert_eq!(rest, b"");
    STREAMS_DROPPED.acquire().await.unwrap().forget();
    stopping.await.unwrap();
}

/// A database image may be larger than memory.
#[tokio::test]
async fn uploads() {
    let server = Server::start(PortKind::Peer);
    let mut sized = String::from(
        "POST /upload HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5000000\r\n\r\n",
    );
    sized.push_str(&"x".repeat(5_000_000));
    let answer = ask(&server, &sized).await;
    assert!(answer.ends_with("\r\n\r\n0 5000000 true"), "{answer}");

    let chunked = |path: &str, chunk: &str| {
        let len = chunk.len();
        format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
             Transfer-Encoding: chunked\r\n\r\n{len:x}\r\n{chunk}\r\n{len:x}\r\n{chunk}\r\n0\r\n\r\n"
        )
    };
    let answer = ask(&server, &chunked("/upload/small", "abc")).await;
    assert!(answer.ends_with("\r\n\r\nabcabc"), "{answer}");
    let answer = ask(&server, &chunked("/upload/small", &"y".repeat(50_001))).await;
    assert!(answer.contains("longer than 100000 bytes"), "{answer}");
}

/// A body that is cut off must not pass for a whole one.
#[tokio::test]
async fn truncated_uploads() {
    let server = Server::start(PortKind::Peer);
    for request in [
        "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
        "POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ] {
        let mut stream = TcpStream::connect(&server.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        assert!(!answer.contains("200 OK"), "{answer}");
    }
}

/// What is read as a whole has a limit on every port, those of other members included.
#[tokio::test]
async fn bodies_have_a_limit() {
    for port in [PortKind::Peer, PortKind::Shared, PortKind::Metrics] {
        let server = Server::start(port);
        let mut stream = TcpStream::connect(&server.address).await.unwrap();
        let head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let piece = format!("100000\r\n{}\r\n", "z".repeat(1 << 20));
        let mut megabytes = 0;
        while megabytes < 1000 && stream.write_all(piece.as_bytes()).await.is_ok() {
            megabytes += 1;
        }
        assert!(megabytes < 100, "{megabytes} MB were taken by {port:?}");
    }
}
