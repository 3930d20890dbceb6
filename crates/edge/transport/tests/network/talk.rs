//! Members that behave.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use prometheus::{Registry, TextEncoder};
use raft::{Message, MessageKind};
use types::{Entry, EntryKind, Index, MemberId, Term};

use crate::node::{Node, append, heartbeat, introduce, message, until};

/// One message of each kind that travels by streams.
fn all_kinds(from: MemberId, to: MemberId) -> Vec<Message> {
    let entry = Entry {
        kind: EntryKind::ConfChange,
        term: Term(4),
        index: Index(10),
        data: Bytes::from_static(b"payload"),
    };
    let kinds = (0..30).filter_map(MessageKind::from_wire);
    let kinds = kinds.filter(|kind| *kind != MessageKind::Snapshot);
    kinds
        .map(|kind| Message {
            log_term: Term(3),
            index: Index(9),
            commit: Index(8),
            entries: vec![entry.clone(), Entry::default()],
            reject: true,
            reject_hint: Index(6),
            context: Bytes::from_static(b"context"),
            ..message(kind, from, to, 5)
        })
        .collect()
}

/// Every field of every message arrives, in both directions.
#[test]
fn every_message_arrives() {
    let (one, two) = (Node::start(1), Node::start(2));
    introduce(&[&one, &two]);
    for (from, to) in [(&one, &two), (&two, &one)] {
        from.send_until_received(to, || heartbeat(from, to.id, 1));
        to.memory.now(|told| told.messages.clear());
        let sent = all_kinds(from.id, to.id);
        from.transport.send(sent.clone());
        let received = to.memory.wait(|told| {
            told.messages.retain(|message| message.term == Term(5));
            (told.messages.len() == sent.len()).then(|| told.messages.clone())
        });
        for message in sent {
            assert!(
                received.contains(&message),
                "{:?} has changed",
                message.kind
            );
        }
        assert!(from.transport.active_since(to.id).is_some());
    }
    one.stop();
    two.stop();
}

/// Three members; appends of one keep their order, and go by streams rather than by posts.
#[test]
fn appends_keep_their_order() {
    let nodes = [Node::start(1), Node::start(2), Node::start(3)];
    introduce(&[&nodes[0], &nodes[1], &nodes[2]]);
    let [leader, followers @ ..] = &nodes;
    for follower in followers {
        leader.send_until_received(follower, || append(leader.id, follower.id, 1, Bytes::new()));
        // An append stream stands when appends come without posts.
        until(|| {
            let posts = follower.posts.load(Ordering::Relaxed);
            follower.memory.now(|told| told.messages.clear());
            leader
                .send_until_received(follower, || append(leader.id, follower.id, 2, Bytes::new()));
            follower.posts.load(Ordering::Relaxed) == posts
        });
    }
    let posts = followers[0].posts.load(Ordering::Relaxed);
    let count = 2000;
    for index in 0..count {
        let data = Bytes::from(vec![index as u8; (index * 37 % 5000) as usize]);
        let to = |to: &Node| append(leader.id, to.id, 1000 + index, data.clone());
        leader.transport.send(followers.iter().map(to).collect());
        if index % 500 == 0 {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
    for follower in followers {
        let received = follower.memory.wait(|told| {
            told.messages.retain(|message| message.index >= Index(1000));
            (told.messages.len() == count as usize).then(|| std::mem::take(&mut told.messages))
        });
        for (at, message) in received.iter().enumerate() {
            let index = at as u64;
            assert_eq!(message.index, Index(1000 + index));
            assert_eq!(message.entries[0].data.len() as u64, index * 37 % 5000);
        }
    }
    let posts = followers[0].posts.load(Ordering::Relaxed) - posts;
    assert!(posts < 10, "{posts} posts");
    nodes.into_iter().for_each(Node::stop);
}

/// A member that ends is known to be gone at once, and talked to again when it comes back, without
/// anybody telling.
#[test]
fn restart() {
    let (one, two) = (Node::start(1), Node::start(2));
    introduce(&[&one, &two]);
    one.send_until_received(&two, || heartbeat(&one, two.id, 1));
    two.send_until_received(&one, || heartbeat(&two, one.id, 1));
    let address = two.address.to_string();
    two.stop();
    one.transport
        .send(vec![message(MessageKind::Vote, one.id, MemberId(2), 2)]);
    one.memory
        .wait(|told| told.unreachable.contains(&MemberId(2)).then_some(()));
    one.memory
        .wait(|told| told.gone.contains(&MemberId(2)).then_some(()));

    let again = Node::at(2, &address);
    introduce(&[&one, &again]);
    one.send_until_received(&again, || heartbeat(&one, again.id, 3));
    again.send_until_received(&one, || heartbeat(&again, one.id, 3));
    one.stop();
    again.stop();
}

/// A member that does not know the newest member yet can answer it.
#[test]
fn strangers_are_answered() {
    let (old, new) = (Node::start(1), Node::start(2));
    new.transport.set_members(&[old.member()]);
    new.send_until_received(&old, || {
        message(MessageKind::AppendResponse, new.id, old.id, 1)
    });
    old.send_until_received(&new, || append(old.id, new.id, 5, Bytes::from_static(b"x")));
    assert_eq!(old.transport.active_since(new.id), None);
    // Once it is known, it becomes a peer as others.
    introduce(&[&old, &new]);
    old.send_until_received(&new, || heartbeat(&old, new.id, 2));
    old.stop();
    new.stop();
}

/// A removed member is told, and heard no more; others do not talk to it.
#[test]
fn removed_members() {
    let (one, two) = (Node::start(1), Node::start(2));
    introduce(&[&one, &two]);
    two.send_until_received(&one, || heartbeat(&two, one.id, 1));
    one.memory.remove(two.id);
    one.transport.set_members(&[]);
    two.memory
        .wait(|told| (!told.removed_by.is_empty()).then_some(()));
    one.memory.now(|told| told.messages.clear());
    two.transport.send(vec![heartbeat(&two, one.id, 2)]);
    two.memory
        .wait(|told| told.unreachable.contains(&one.id).then_some(()));
    one.memory.now(|told| assert_eq!(told.messages, []));
    two.memory
        .now(|told| assert!(told.removed_by.iter().all(|by| *by == one.id)));
    one.stop();
    two.stop();
}

/// Dashboards and alerts read these names.
#[test]
fn metrics() {
    let (one, two) = (Node::start(1), Node::start(2));
    let registry = Registry::new();
    one.metrics.register(&registry).unwrap();
    introduce(&[&one, &two]);
    one.send_until_received(&two, || heartbeat(&one, two.id, 1));
    two.send_until_received(&one, || heartbeat(&two, one.id, 1));
    until(|| {
        two.transport.send(vec![heartbeat(&two, one.id, 1)]);
        let text = TextEncoder::new()
            .encode_to_string(&registry.gather())
            .unwrap();
        [
            "etcd_network_known_peers{Local=\"1\",Remote=\"1\"} 1",
            "etcd_network_known_peers{Local=\"1\",Remote=\"2\"} 1",
            "etcd_network_active_peers{Local=\"1\",Remote=\"2\"} 1",
            "etcd_network_peer_sent_bytes_total{To=\"2\"}",
            "etcd_network_peer_received_bytes_total{From=\"2\"}",
            "etcd_network_peer_round_trip_time_seconds_count{To=\"2\"}",
        ]
        .iter()
        .all(|line| text.contains(line))
    });
    one.stop();
    two.stop();
}
