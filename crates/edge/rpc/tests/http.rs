//! Plain HTTP/1 over real sockets.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod support;

use std::{collections::BTreeSet, time::Duration};

use rpc::{AccessControl, Allowed, Config, PortKind};
use support::{Server, config};
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
    let first = TcpStream::connect(&server.address).await.unwrap();
    let request = "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let second = ask(&server, request);
    tokio::pin!(second);
    assert!(
        timeout(Duration::from_millis(100), second.as_mut())
            .await
            .is_err()
    );
    drop(first);
    assert!(second.await.starts_with("HTTP/1.1 200 "));
}
