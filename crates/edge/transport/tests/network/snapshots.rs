//! Databases that follow a snapshot's message.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use disk::{File, LockKind};
use raft::{Message, MessageKind, Snapshot};
use types::{Index, MemberId, SnapshotMark, Term};

use crate::node::{Node, introduce, message};

const LEN: u64 = 20_000_000;

/// A database whose bytes follow from their place; reading beyond `readable` fails.
#[derive(Debug)]
struct Database {
    readable: u64,
}

fn byte_at(offset: u64) -> u8 {
    (offset ^ (offset >> 8) ^ (offset >> 16)) as u8
}

impl File for Database {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        if offset + buf.len() as u64 > self.readable {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        (offset..)
            .zip(buf)
            .for_each(|(at, byte)| *byte = byte_at(at));
        Ok(())
    }

    fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        unreachable!("only read")
    }

    fn len(&self) -> io::Result<u64> {
        Ok(LEN)
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        unreachable!("only read")
    }

    fn sync_data(&self) -> io::Result<()> {
        unreachable!("only read")
    }

    fn try_lock(&self, _: LockKind) -> io::Result<()> {
        unreachable!("only read")
    }
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
    let database = Arc::new(Database { readable: LEN });
    one.transport.send_snapshot(sent.clone(), database, LEN);
    let (received, file) = two.memory.wait(|told| told.snapshots.pop());
    assert_eq!(received, sent);
    assert_eq!(file.len().unwrap(), LEN);
    let mut bytes = vec![0; LEN as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert!((0..).zip(&bytes).all(|(at, byte)| *byte == byte_at(at)));
    let report = one.memory.wait(|told| told.snapshots_sent.pop());
    assert_eq!(report, (two.id, true));
    one.stop();
    two.stop();
}

/// A database that cannot be read to its end must not look whole.
#[test]
fn cut_short() {
    let (one, two) = (Node::start(1), Node::start(2));
    introduce(&[&one, &two]);
    let database = Arc::new(Database { readable: LEN / 2 });
    one.transport
        .send_snapshot(snapshot(one.id, two.id), database, LEN);
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
        let database = Arc::new(Database { readable: LEN });
        one.transport
            .send_snapshot(snapshot(one.id, to), database, LEN);
        let report = one.memory.wait(|told| told.snapshots_sent.pop());
        assert_eq!(report, (to, false));
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
    let database = Arc::new(Database { readable: len });
    one.transport
        .send_snapshot(snapshot(one.id, two.id), database, len);
    two.memory.wait(|told| told.snapshots.pop());
    assert!(started.elapsed() >= std::time::Duration::from_millis(450));
    one.stop();
    two.stop();
}
