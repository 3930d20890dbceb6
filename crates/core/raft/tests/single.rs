//! One voter through the whole path: the shape of the loop that every shell runs.

use bytes::Bytes;
use raft::{Config, Effects, Raft, Restored, Role};
use types::{ConfState, Index, MemberId};

fn start() -> Raft {
    let conf = ConfState {
        voters: vec![MemberId(1)],
        ..ConfState::default()
    };
    let restored = Restored {
        conf,
        ..Restored::default()
    };
    Raft::new(Config::new(MemberId(1), 7), restored).expect("a fresh member starts")
}

/// Answers writes and applications at once until nothing is left to do; the payloads applied.
fn settle(raft: &mut Raft) -> Vec<Bytes> {
    let mut applied = Vec::new();
    loop {
        let Effects {
            write,
            messages,
            committed,
            ..
        } = raft.effects();
        assert!(messages.is_empty(), "there is nobody to talk to");
        if write.is_none() && committed.is_empty() {
            return applied;
        }
        if let Some(write) = write {
            raft.persisted(write.ticket);
        }
        if let Some(last) = committed.last() {
            raft.applied(last.index);
        }
        applied.extend(committed.into_iter().map(|entry| entry.data));
    }
}

/// A member alone in its cluster must serve without waiting for anyone.
#[test]
fn elects_itself_and_commits() {
    let mut raft = start();
    raft.campaign();
    assert_eq!(raft.role(), Role::Candidate);
    assert_eq!(settle(&mut raft), [Bytes::new()]);
    assert_eq!(raft.role(), Role::Leader);
    raft.propose(vec![Bytes::from("a"), Bytes::from("b")])
        .expect("a leader takes proposals");
    assert_eq!(settle(&mut raft), ["a", "b"]);
    raft.read_index(Bytes::from("r"))
        .expect("a leader takes reads");
    let reads = raft.effects().read_states;
    assert_eq!(
        (reads[0].index, &reads[0].context[..]),
        (Index(3), &b"r"[..])
    );
    raft.compact(Index(2));
    assert_eq!(raft.status().first, Index(3));
}

/// A write that is not yet durable must not be acknowledged to a client.
#[test]
fn commits_only_what_is_durable() {
    let mut raft = start();
    raft.campaign();
    settle(&mut raft);
    raft.propose(vec![Bytes::from("a")])
        .expect("a leader takes proposals");
    let first = raft.effects();
    raft.propose(vec![Bytes::from("b")])
        .expect("a leader takes proposals");
    let second = raft.effects();
    assert!(first.committed.is_empty() && second.committed.is_empty());
    raft.persisted(first.write.expect("an entry to write").ticket);
    assert_eq!(raft.effects().committed[0].data, "a");
    raft.persisted(second.write.expect("an entry to write").ticket);
    assert_eq!(raft.effects().committed[0].data, "b");
}

/// A proposal costs a small share of a put; whole batches go through the core without copies.
#[test]
fn payloads_are_shared() {
    let mut raft = start();
    raft.campaign();
    settle(&mut raft);
    let payload = Bytes::from(vec![7; 4096]);
    raft.propose(vec![payload.clone(); 100])
        .expect("a leader takes proposals");
    for applied in settle(&mut raft) {
        assert_eq!(applied.as_ptr(), payload.as_ptr());
    }
}
