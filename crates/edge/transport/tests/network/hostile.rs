//! Requests of strangers: the answers that real members compare, and nothing more.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use bytes::Bytes;
use peer::{Message, Snapshot, encode_message, snapshot_head};
use prometheus::{Registry, TextEncoder};
use types::{Index, MemberId, SnapshotMark, Term};

use crate::node::{Node, PATIENCE, until};

const HEADERS: &str = "X-Server-From: 2\r\nX-Server-Version: 3.7.1\r\n\
     X-Min-Cluster-Version: 3.0.0\r\nX-Etcd-Cluster-Id: c1\r\n";

/// What a member says with a request to another one.
fn request(line: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let text = format!(
        "{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    [text.as_bytes(), body].concat()
}

/// The status, the headers and the body of the answer.
fn ask(node: &Node, line: &str, headers: &str, body: &[u8]) -> (u16, String, String) {
    let mut stream = TcpStream::connect(node.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&request(line, headers, body)).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).unwrap_or("0").parse().unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    (status, head.to_owned(), body.to_owned())
}

fn message(kind: u64, from: u64, to: u64) -> Bytes {
    encode_message(&Message {
        kind,
        from: MemberId(from),
        to: MemberId(to),
        term: Term(1),
        ..Message::default()
    })
}

fn node() -> Node {
    let node = Node::start(1);
    node.memory.remove(MemberId(9));
    node.transport
        .set_members(&[(MemberId(2), vec!["http://127.0.0.1:1".to_owned()])]);
    node
}

/// Texts and statuses are compared by the other side.
#[test]
fn answers() {
    let node = node();
    let no = "";
    let to = |id: u64| format!("{HEADERS}X-Raft-To: {id}\r\n");
    let (to_us, to_other) = (to(1), to(3));
    let old = "X-Server-Version: 2.9.0\r\n";
    let foreign = "X-Server-Version: 3.7.1\r\nX-Etcd-Cluster-Id: c2\r\n";
    let post = "POST /raft";
    let not_processed = "error processing raft message\n";
    let cases: &[(&str, &str, &[u8], u16, &str)] = &[
        ("GET /raft", HEADERS, b"", 405, "Method Not Allowed\n"),
        (
            "POST /raft/stream/message/2",
            &to_us,
            b"",
            405,
            "Method Not Allowed\n",
        ),
        (
            "GET /raft/snapshot",
            HEADERS,
            b"",
            405,
            "Method Not Allowed\n",
        ),
        (
            "GET /raft/nothing",
            HEADERS,
            b"",
            404,
            "404 page not found\n",
        ),
        (
            "GET /raft/stream/other/2",
            &to_us,
            b"",
            404,
            "invalid path\n",
        ),
        (
            "GET /raft/stream/message",
            &to_us,
            b"",
            404,
            "invalid path\n",
        ),
        (
            "GET /raft/stream/message/x",
            &to_us,
            b"",
            404,
            "invalid from\n",
        ),
        (
            "GET /raft/stream/message/2/3",
            &to_us,
            b"",
            404,
            "invalid from\n",
        ),
        (
            "GET /raft/stream/message/9",
            &to_us,
            b"",
            410,
            "removed member\n",
        ),
        (
            "GET /raft/stream/msgapp/7",
            &to_us,
            b"",
            404,
            "error sender not found\n",
        ),
        (
            "GET /raft/stream/msgapp/2",
            HEADERS,
            b"",
            412,
            "to field mismatch\n",
        ),
        (
            "GET /raft/stream/msgapp/2",
            &to_other,
            b"",
            412,
            "to field mismatch\n",
        ),
        (
            "GET /raft/stream/message/2",
            no,
            b"",
            412,
            "incompatible version\n",
        ),
        (
            "GET /raft/stream/message/2",
            foreign,
            b"",
            412,
            "cluster ID mismatch\n",
        ),
        (post, old, b"", 412, "incompatible version\n"),
        (
            post,
            HEADERS,
            b"\xff",
            400,
            "error unmarshalling raft message\n",
        ),
        (post, HEADERS, &message(8, 2, 1), 204, ""),
        (post, HEADERS, &message(8, 2, 3), 500, not_processed),
        (post, HEADERS, &message(8, 9, 1), 500, not_processed),
        // Types that are not sent are dropped.
        (post, HEADERS, &message(0, 2, 1), 204, ""),
        (post, HEADERS, &message(99, 2, 1), 204, ""),
    ];
    for (line, headers, body, status, text) in cases {
        let (got, headers, answer) = ask(&node, line, headers, body);
        assert_eq!((got, &*answer), (*status, *text), "{line}: {headers}");
        if *status == 412 || *status == 204 {
            assert!(headers.contains("\r\nX-Etcd-Cluster-Id: c1"), "{headers}");
        }
    }
    let heard: Vec<u64> = node.memory.now(|told| {
        told.messages
            .iter()
            .map(|message| message.kind.to_wire())
            .collect()
    });
    assert_eq!(heard, [8]);
    let (status, _, body) = ask(&node, "GET /raft/probing", "", b"");
    assert_eq!(status, 200);
    assert!(body.starts_with("{\"OK\":true,\"Now\":\"20"), "{body}");
    assert!(body.ends_with("Z\"}\n"), "{body}");
    node.stop();
}

fn snapshot(kind: u64, to: u64, index: u64) -> Message {
    Message {
        kind,
        from: MemberId(2),
        to: MemberId(to),
        term: Term(1),
        snapshot: Some(Snapshot {
            mark: SnapshotMark {
                index: Index(index),
                term: Term(1),
                conf: None,
            },
            data: Bytes::from_static(b"{}"),
        }),
        ..Message::default()
    }
}

/// A sender that stops in the middle must not keep others from sending.
#[test]
fn stalled_snapshot() {
    let node = node();
    let post = "POST /raft/snapshot";
    let body = [&snapshot_head(&snapshot(7, 1, 5))[..], b"image"].concat();
    let whole = request(post, HEADERS, &body);
    let mut stalled = TcpStream::connect(node.address).unwrap();
    stalled.write_all(&whole[..whole.len() - 2]).unwrap();
    let registry = Registry::new();
    node.metrics.register(&registry).unwrap();
    until(|| {
        let text = TextEncoder::new().encode_to_string(&registry.gather());
        let line = "etcd_network_snapshot_receive_inflights_total{From=\"2\"} 1\n";
        text.unwrap().contains(line)
    });
    assert_eq!(ask(&node, post, HEADERS, &body).0, 503);
    until(|| ask(&node, post, HEADERS, &body).0 == 204);
    let _ = stalled.read_to_end(&mut Vec::new());
    node.stop();
}

/// Snapshots that are none must not reach consensus, whole or not.
#[test]
fn snapshots() {
    let node = node();
    let post = "POST /raft/snapshot";
    let body = |message: &Message| [&snapshot_head(message)[..], b"image"].concat();
    for (bytes, status, text) in [
        (vec![], 400, "the body ends within its message\n"),
        (
            vec![0xff; 20],
            400,
            "a frame of 18446744073709551615 bytes is too long\n",
        ),
        (body(&snapshot(3, 1, 5)), 400, "wrong raft message type\n"),
        (body(&snapshot(7, 1, 0)), 400, "wrong raft message type\n"),
        (
            body(&snapshot(7, 4, 5)),
            500,
            "failed to process raft message (the message is for the member 4)\n",
        ),
    ] {
        let (got, _, answer) = ask(&node, post, HEADERS, &bytes);
        assert_eq!((got, &*answer), (status, text));
    }
    // Cut short: the client announces more than it sends.
    let whole = request(post, HEADERS, &body(&snapshot(7, 1, 5)));
    let mut stream = TcpStream::connect(node.address).unwrap();
    stream.write_all(&whole[..whole.len() - 2]).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
    node.memory.now(|told| assert_eq!(told.snapshots.len(), 0));

    let (status, _, _) = ask(&node, post, HEADERS, &body(&snapshot(7, 1, 5)));
    assert_eq!(status, 204);
    let (message, file) = node.memory.wait(|told| told.snapshots.pop());
    assert_eq!(message.snapshot.unwrap().mark.index, Index(5));
    let mut image = [0; 5];
    file.read_exact_at(&mut image, 0).unwrap();
    assert_eq!((&image, file.len().unwrap()), (b"image", 5));
    node.stop();
}

/// A body without end is refused at its limit, and not gathered.
#[test]
fn bodies_without_end() {
    let node = node();
    let head = format!(
        "POST /raft HTTP/1.1\r\nHost: a\r\n{HEADERS}X-Raft-To: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let mut stream = TcpStream::connect(node.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let piece = [b"100000\r\n", &[7; 1 << 20][..], b"\r\n"].concat();
    let mut megabytes = 0;
    while megabytes < 1000 && stream.write_all(&piece).is_ok() {
        megabytes += 1;
    }
    assert!(megabytes < 100, "{megabytes} MB were taken");
    // The answer, unless the end of the connection has overtaken it.
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.is_empty() || answer.contains("error reading raft message"),
        "{answer}"
    );
}
