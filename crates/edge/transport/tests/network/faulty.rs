//! Peers that stall, do not read, or do not speak the protocol.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use peer::put_framed;
use raft::MessageKind;
use types::{MemberId, Term};

use crate::node::{Node, PATIENCE, append, heartbeat, introduce, message, until};

/// A server that answers every connection with the same bytes, and tells what it was asked.
fn server(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (asked, told) = mpsc::channel();
    thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let head = read_head(&mut stream);
            let answer = answer(&head);
            let _ = stream.write_all(&answer);
            if !answer.is_empty() && answer.ends_with(b"CLOSE") {
                continue;
            }
            open.push(stream);
            if asked.send(head).is_err() {
                return;
            }
        }
    });
    (url, told)
}

fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// A peer that takes connections and then says nothing costs nobody else anything.
#[test]
fn stalled_peer() {
    let (stalled, _told) = server(|_| Vec::new());
    let (one, two) = (Node::start(1), Node::start(2));
    let dead = MemberId(3);
    two.transport.set_members(&[one.member()]);
    one.transport
        .set_members(&[two.member(), (dead, vec![stalled])]);
    one.send_until_received(&two, || heartbeat(&one, two.id, 1));
    let started = Instant::now();
    let data = Bytes::from(vec![1; 1000]);
    for index in 0..20_000 {
        one.transport
            .send(vec![append(one.id, dead, index, data.clone())]);
    }
    let took = started.elapsed();
    assert!(took < PATIENCE / 2, "sending has waited: {took:?}");
    one.memory
        .wait(|told| told.unreachable.contains(&dead).then_some(()));
    one.send_until_received(&two, || heartbeat(&one, two.id, 2));
    assert_eq!(one.transport.active_since(dead), None);
    one.stop();
    two.stop();
}

/// A peer that opens streams and does not read them: its queue is full, then its stream is closed.
#[test]
fn peer_that_does_not_read() {
    let one = Node::start(1);
    let (nobody, _told) = server(|_| Vec::new());
    let sleepy = MemberId(5);
    one.transport.set_members(&[(sleepy, vec![nobody])]);
    let (_stream, head) = open_stream(&one);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("X-Server-Version: 3.7.1\r\n"), "{head}");
    assert!(head.contains("X-Etcd-Cluster-Id: c1\r\n"), "{head}");
    assert!(one.transport.active_since(sleepy).is_some());
    fill(&one, sleepy);
    // The connection is given up although the socket is still open.
    until(|| one.transport.active_since(sleepy).is_none());
    one.stop();
}

/// Opens a stream of appends as the member 5, and reads the head of the answer.
fn open_stream(to: &Node) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(to.address).unwrap();
    let request = "GET /raft/stream/msgapp/5 HTTP/1.1\r\nHost: a\r\nX-Server-From: 5\r\n\
         X-Server-Version: 3.7.1\r\nX-Min-Cluster-Version: 3.0.0\r\nX-Etcd-Cluster-Id: c1\r\n\
         X-Raft-To: 1\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let head = read_head(&mut stream);
    (stream, head)
}

/// Sends until all buffers on the way to a peer are full.
fn fill(node: &Node, peer: MemberId) {
    let data = Bytes::from(vec![1; 100_000]);
    until(|| {
        let appends = (0..100).map(|index| append(node.id, peer, index, data.clone()));
        node.transport.send(appends.collect());
        node.memory.now(|told| told.unreachable.contains(&peer))
    });
}

/// Streams are given up after the silence that the flags allow, neither sooner nor later.
#[test]
fn silence_has_the_length_that_was_set() {
    let short = Duration::from_millis(100);
    let dialled = |node: &Node| {
        let (url, told) = server(|_| stream_answer(b"\0"));
        node.transport.set_members(&[(MemberId(2), vec![url])]);
        told
    };
    let is_stream = |head: &String| head.starts_with("GET /raft/stream/");
    let patient = Node::waiting(1, PATIENCE * 60, short);
    let asked_by_patient = dialled(&patient);
    assert_eq!(asked_by_patient.iter().filter(is_stream).take(2).count(), 2);
    let hasty = Node::waiting(1, short, PATIENCE * 60);
    // Both streams, again and again.
    let asked_by_hasty = dialled(&hasty);
    assert_eq!(asked_by_hasty.iter().filter(is_stream).take(8).count(), 8);
    assert_eq!(asked_by_patient.try_iter().filter(is_stream).count(), 0);
    patient.stop();
    hasty.stop();
}

/// A peer that does not read is waited for as long as the flags say, neither less nor more.
#[test]
fn waiting_has_the_length_that_was_set() {
    let forever = PATIENCE * 60;
    let sleepy = MemberId(5);
    let filled = |write| {
        let node = Node::waiting(1, forever, write);
        let (nobody, told) = server(|_| Vec::new());
        node.transport.set_members(&[(sleepy, vec![nobody])]);
        let (stream, _) = open_stream(&node);
        fill(&node, sleepy);
        (node, stream, told)
    };
    let (patient, _open, _told) = filled(forever);
    let (hasty, _also_open, _also_told) = filled(Duration::from_millis(100));
    until(|| hasty.transport.active_since(sleepy).is_none());
    assert!(patient.transport.active_since(sleepy).is_some());
    patient.stop();
    hasty.stop();
}

fn stream_answer(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nX-Server-Version: 3.6.0\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n",
        body.len()
    );
    [head.as_bytes(), body, b"\r\n"].concat()
}

fn framed(kind: MessageKind, from: u64, to: u64, term: u64) -> Vec<u8> {
    let message = peer::Message {
        kind: kind.to_wire(),
        from: MemberId(from),
        to: MemberId(to),
        term: Term(term),
        ..peer::Message::default()
    };
    let mut buf = BytesMut::new();
    put_framed(&mut buf, &message);
    buf.to_vec()
}

/// What a peer's streams bring: garbage closes them and nothing else, and we dial again.
#[test]
fn garbage_in_streams() {
    for garbage in [
        &b"\xff\xff\xff\xff\xff\xff\xff\xff"[..],
        b"\x00\x00\x00\x00\x00\x00\x00\x02\xff\xff",
        b"\x07 not a frame of any kind",
    ] {
        let (url, told) = server(move |_| stream_answer(garbage));
        let one = Node::start(1);
        one.transport.set_members(&[(MemberId(2), vec![url])]);
        let asked = told
            .iter()
            .filter(|head| head.starts_with("GET /raft/stream/"));
        // Both streams were dialled more than once.
        assert_eq!(asked.take(5).count(), 5);
        one.memory.now(|told| assert_eq!(told.messages, []));
        one.stop();
    }
}

/// Messages for others, and of removed members, are dropped; the stream lives on.
#[test]
fn messages_that_are_not_ours() {
    let (url, _told) = server(
        |head| match head.starts_with("GET /raft/stream/message/1 ") {
            true => stream_answer(
                &[
                    framed(MessageKind::Heartbeat, 2, 9, 1),
                    framed(MessageKind::Heartbeat, 3, 1, 2),
                    framed(MessageKind::Heartbeat, 2, 1, 3),
                ]
                .concat(),
            ),
            false => stream_answer(b"\0"),
        },
    );
    let one = Node::start(1);
    one.memory.remove(MemberId(3));
    one.transport.set_members(&[(MemberId(2), vec![url])]);
    let terms = one.memory.wait(|told| {
        let terms: Vec<Term> = told.messages.iter().map(|message| message.term).collect();
        (!terms.is_empty()).then_some(terms)
    });
    assert_eq!(terms[0], Term(3));
    one.stop();
}

/// Dialled with what etcd expects; refusals are survived, a removal is told once.
#[test]
fn refusals() {
    let answers = [
        "HTTP/1.1 412 Precondition Failed\r\nContent-Length: 20\r\n\r\ncluster ID mismatch\n",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-Server-Version: 2.3.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "nonsense\r\n\r\n",
    ];
    for answer in answers {
        let (url, told) = server(move |_| answer.as_bytes().to_vec());
        let one = Node::start(1);
        one.transport
            .set_members(&[(MemberId(0xab), vec![url.clone()])]);
        let streams = told
            .iter()
            .filter(|head| head.starts_with("GET /raft/stream/"));
        let heads: Vec<String> = streams.take(4).collect();
        for header in [
            "\r\nX-Server-From: 1\r\n",
            "\r\nX-Server-Version: 3.7.1\r\n",
            "\r\nX-Min-Cluster-Version: 3.0.0\r\n",
            "\r\nX-Etcd-Cluster-Id: c1\r\n",
            "\r\nX-Raft-To: ab\r\n",
            &format!("\r\nX-Peerurls: {}\r\n", one.url()),
            &format!("\r\nHost: {}\r\n", &url["http://".len()..]),
        ] {
            assert!(heads[0].contains(header), "{header} in {}", heads[0]);
        }
        one.memory.now(|told| assert_eq!(told.removed_by, []));
        one.stop();
    }
    let gone = "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n";
    let (url, told) = server(move |_| gone.as_bytes().to_vec());
    let one = Node::start(1);
    one.transport.set_members(&[(MemberId(2), vec![url])]);
    // Whoever does not end at the first word hears the next one.
    let all = one
        .memory
        .wait(|told| (told.removed_by.len() > 2).then(|| told.removed_by.clone()));
    assert!(all.iter().all(|by| *by == MemberId(2)), "{all:?}");
    assert_eq!(told.iter().take(6).count(), 6);
    one.stop();
}

/// Of several URLs, one that works is found.
#[test]
fn the_next_url_is_tried() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let (one, two) = (Node::start(1), Node::start(2));
    let urls = vec![dead.clone(), "ftp://x".to_owned(), two.url()];
    one.transport.set_members(&[(two.id, urls)]);
    two.transport
        .set_members(&[(one.id, vec![dead, one.url()])]);
    one.send_until_received(&two, || message(MessageKind::PreVote, one.id, two.id, 1));
    two.send_until_received(&one, || message(MessageKind::PreVote, two.id, one.id, 1));
    introduce(&[&one, &two]);
    one.send_until_received(&two, || message(MessageKind::PreVote, one.id, two.id, 2));
    one.stop();
    two.stop();
}
