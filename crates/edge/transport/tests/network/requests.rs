//! Single requests to other members.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use tokio::runtime::Builder;
use transport::{ClientError, Connector, PeerClient};

use crate::node::{Node, PATIENCE};

fn ask<T>(work: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work)
}

fn client(timeout: Duration) -> PeerClient {
    PeerClient::new(Connector::plain(), timeout, 1000)
}

/// Answers of any status, with their headers.
#[test]
fn answers() {
    let node = Node::start(1);
    let client = client(PATIENCE);
    let url = format!("{}/", node.url());
    let probe = ask(client.get(&url, "/raft/probing")).unwrap();
    assert_eq!(probe.status, StatusCode::OK);
    assert!(probe.body.starts_with(b"{\"OK\":true"));
    let refused = ask(client.post(
        &url,
        "/raft",
        HeaderValue::from_static("application/protobuf"),
        Bytes::from_static(b"\xff"),
    ));
    let refused = refused.unwrap();
    assert_eq!(refused.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(refused.body, "incompatible version\n");
    assert_eq!(refused.headers["x-etcd-cluster-id"], "c1");
    node.stop();
}

/// A member that is gone, slow or mad costs a bounded time and memory.
#[test]
fn failures() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", listener.local_addr().unwrap());
    let short = client(Duration::from_millis(50));
    let error = ask(short.get(&silent, "/version")).unwrap_err();
    assert!(matches!(error, ClientError::TimedOut { .. }), "{error}");
    drop(listener);
    let error = ask(client(PATIENCE).get(&silent, "/version")).unwrap_err();
    assert!(matches!(error, ClientError::Connect { .. }), "{error}");

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endless = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // An answer before its request would be a broken connection.
        let _ = stream.read(&mut [0; 1000]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&[b'x'; 1000]).is_ok() {}
    });
    let error = ask(client(PATIENCE).get(&endless, "/version")).unwrap_err();
    assert!(
        matches!(error, ClientError::TooLarge { bytes_max: 1000 }),
        "{error}"
    );

    for (url, path) in [("host:1", "/"), ("ftp://host:1", "/"), ("http://host", "/")] {
        let error = ask(client(PATIENCE).get(url, path)).unwrap_err();
        assert!(matches!(error, ClientError::Url(_)), "{error}");
    }
    let error = ask(client(PATIENCE).get("https://127.0.0.1:1", "/")).unwrap_err();
    assert!(matches!(error, ClientError::Connect { .. }), "{error}");
}
