//! Databases that follow a snapshot's message.

use std::net::TcpListener;
use std::thread::JoinHandle;

use raft::{Message, MessageKind, Snapshot};
use tokio::sync::mpsc;
use transport::Database;
use types::{Index, MemberId, SnapshotMark, Term};

use crate::node::{Node, introduce, message};

const LEN: u64 = 20_000_000;
const PIECE: usize = 100_000;

fn byte_at(offset: u64) -> u8 {
    (offset ^ (offset >> 8) ^ (offset >> 16)) as u8
}

/// A database whose bytes follow from their place, and that ends after `made` of them; what the thread
/// that makes it returns is whether all of these were taken.
fn database(len: u64, made: u64) -> (Database, JoinHandle<bool>) {
    let (taken, pieces) = mpsc::channel(2);
    let maker = std::thread::spawn(move || {
        let mut all = (0..made)
            .step_by(PIECE)
            .map(|at| at..made.min(at + PIECE as u64));
        all.all(|piece| taken.blocking_send(piece.map(byte_at).collect()).is_ok())
    });
    (Database { len, pieces }, maker)
}

fn snapshot(from: MemberId, to: MemberId) -> Message {
    Message {
        snapshot: Some(Box::new(Snapshot {
            mark: SnapshotMark {
                index: Index(77),
                term: Term(3),
                conf: None,
            },
            ..Snapshot::default()
        })),
        ..message(MessageKind::Snapshot, from, to, 4)
    }
}

/// The whole database arrives; sending it is reported.
#[test]
fn arrives() {
    let (one, two) = (Node::start(1), Node::start(2));
    introduce(&[&one, &two]);
    let sent = snapshot(one.id, two.id);
    let (database, maker) = database(LEN, LEN);
    one.transport.send_snapshot(sent.clone(), database);
    let (received, file) = two.memory.wait(|told| told.snapshots.pop());
    assert_eq!(received, sent);
    assert_eq!(file.len().unwrap(), LEN);
    let mut bytes = vec![0; LEN as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert!((0..).zip(&bytes).all(|(at, byte)| *byte == byte_at(at)));
    let report = one.memory.wait(|told| told.snapshots_sent.pop());
    assert_eq!(report, (two.id, true));
    assert!(maker.join().unwrap());
    one.stop();
    two.stop();
}

/// A database that is not made to its end must not look whole.
#[test]
fn cut_short() {
    let (one, two) = (Node::start(1), Node::start(2));
    introduce(&[&one, &two]);
    let (database, _) = database(LEN, LEN / 2);
    one.transport
        .send_snapshot(snapshot(one.id, two.id), database);
    let report = one.memory.wait(|told| told.snapshots_sent.pop());
    assert_eq!(report, (two.id, false));
    two.memory.now(|told| assert_eq!(told.snapshots.len(), 0));
    one.stop();
    two.stop();
}

/// Consensus waits for a report: it comes whatever happens.
#[test]
fn failures_are_reported() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let one = Node::start(1);
    let (dead, unknown) = (MemberId(2), MemberId(3));
    one.transport.set_members(&[(dead, vec![url])]);
    for to in [dead, unknown] {
        let (database, maker) = database(LEN, LEN);
        one.transport.send_snapshot(snapshot(one.id, to), database);
        let report = one.memory.wait(|told| told.snapshots_sent.pop());
        assert_eq!(report, (to, false));
        // Whoever makes the database must not wait for ever.
        assert!(!maker.join().unwrap());
    }
    // Without its database a snapshot does not leave.
    one.transport.send(vec![snapshot(one.id, dead)]);
    let report = one.memory.wait(|told| told.snapshots_sent.pop());
    assert_eq!(report, (dead, false));
    one.stop();
}

/// One that is slower than allowed elsewhere takes as long as it must.
#[test]
fn throttled() {
    let one = Node::with(1, "127.0.0.1:0", |config| {
        config.snapshot_bytes_per_second = Some(4_000_000);
    });
    let two = Node::start(2);
    introduce(&[&one, &two]);
    let started = std::time::Instant::now();
    let len = 2_000_000;
    let (database, _) = database(len, len);
    one.transport
        .send_snapshot(snapshot(one.id, two.id), database);
    two.memory.wait(|told| told.snapshots.pop());
    assert!(started.elapsed() >= std::time::Duration::from_millis(450));
    one.stop();
    two.stop();
}
