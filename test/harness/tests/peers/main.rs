//! The network between members against a real etcd: it dials our transport, and ours dials it.
//!
//! The other half of its cluster is not a member of ours but a few rules of raft around the transport
//! (`half.rs`), so that each message can be provoked: election, appends, reads, proposals, a snapshot, and
//! the hand-over of leadership.
#![expect(clippy::unwrap_used, reason = "a test")]

mod half;
mod real;

use std::time::Duration;

use bytes::Bytes;
use client::{Client, Config};
use prost::Message as _;
use proto::etcdserverpb::{InternalRaftRequest, PutRequest, RangeRequest, RequestHeader};
use raft::MessageKind;
use types::Entry;

use half::Half;
use real::Real;

async fn connect(real: &Real) -> Client {
    let config = Config {
        endpoints: vec![real.endpoint()],
        ..Config::default()
    };
    let client = Client::connect(config).await.unwrap();
    client.within(Duration::from_secs(60))
}

fn request(key: &str) -> PutRequest {
    PutRequest {
        key: Bytes::from(key.to_owned()),
        value: Bytes::from(vec![b'v'; 100]),
        ..PutRequest::default()
    }
}

async fn put(client: &Client, key: &str) {
    client.put(request(key)).await.unwrap();
}

/// A linearizable read: the real member needs us for it.
async fn has(client: &Client, key: &str) -> bool {
    let range = RangeRequest {
        key: Bytes::from(key.to_owned()),
        ..RangeRequest::default()
    };
    client.range(range).await.unwrap().count == 1
}

fn holds(entry: &Entry, key: &str) -> bool {
    let data = &entry.data;
    data.windows(key.len()).any(|bytes| bytes == key.as_bytes())
}

/// A proposal as a follower forwards it.
fn proposal(key: &str) -> Entry {
    let request = InternalRaftRequest {
        header: Some(RequestHeader {
            id: 77,
            ..RequestHeader::default()
        }),
        put: Some(request(key)),
        ..InternalRaftRequest::default()
    };
    Entry {
        data: request.encode_to_vec().into(),
        ..Entry::default()
    }
}

/// One real member, one transport: together they are a cluster.
#[tokio::test]
async fn a_real_member_takes_us_for_one() {
    let scratch = tempfile::tempdir().unwrap();
    let (real_port, half_port) = (harness::free_port().unwrap(), harness::free_port().unwrap());
    let half = Half::start(real_port, half_port);
    let mut real = Real::start(scratch.path(), real_port, half_port).unwrap();

    // It campaigns, we vote; it publishes itself through its log, which takes our acknowledgement.
    real.wait_ready();
    for kind in [MessageKind::PreVote, MessageKind::Vote, MessageKind::Append] {
        half.until("it campaigns", |state| state.seen(kind) > 0);
    }
    assert!(half.is_connected());
    let client = connect(&real).await;

    // Appends and heartbeats; a linearizable read is confirmed by our echo.
    for number in 0..30 {
        put(&client, &format!("append-{number}")).await;
    }
    assert!(has(&client, "append-29").await);
    half.until("we have what it has committed", |state| {
        state.committed().any(|entry| holds(entry, "append-29"))
    });
    half.until("it sends heartbeats", |state| {
        state.seen(MessageKind::Heartbeat) > 0
    });

    // What a follower asks of its leader.
    half.read_index(*b"\x01\x02\x03\x04\x05\x06\x07\x08");
    half.until("it answers a read", |state| {
        let reads = state.reads.iter();
        reads.clone().any(|(context, index)| {
            **context == *b"\x01\x02\x03\x04\x05\x06\x07\x08" && index.0 > 30
        })
    });
    half.propose(proposal("forwarded"));
    half.until("it has appended what we have forwarded", |state| {
        state.committed().any(|entry| holds(entry, "forwarded"))
    });
    assert!(has(&client, "forwarded").await);

    // Its log is short: who has lost everything gets a snapshot, with the database.
    half.forget_everything();
    half.until("a snapshot comes", |state| state.snapshot.is_some());
    half.check_snapshot(b"append-3");
    put(&client, "after the snapshot").await;
    assert!(has(&client, "after the snapshot").await);

    // It hands over, follows us, and forwards what its clients want.
    half.ask_for_leadership();
    half.until("we lead", |state| state.leads());
    put(&client, "through us").await;
    assert!(has(&client, "through us").await);
    half.until("it has forwarded", |state| {
        state.seen(MessageKind::Propose) > 0
            && state.seen(MessageKind::ReadIndex) > 0
            && state.committed().any(|entry| holds(entry, "through us"))
    });
    half.stop();
}
