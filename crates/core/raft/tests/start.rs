//! How a member starts from what it has stored, and how a snapshot replaces that.

use bytes::Bytes;
use raft::{ChangeKind, ConfChange, Config, Message, MessageKind, Raft, Restored, Role, Snapshot};
use types::{ConfState, Entry, EntryKind, HardState, Index, MemberId, SnapshotMark, Term};

fn conf(voters: &[u64]) -> ConfState {
    let voters = voters.iter().map(|id| MemberId(*id)).collect();
    ConfState {
        voters,
        ..ConfState::default()
    }
}

fn entry(kind: EntryKind, index: u64, term: u64) -> Entry {
    Entry {
        kind,
        index: Index(index),
        term: Term(term),
        ..Entry::default()
    }
}

fn start(restored: Restored) -> Raft {
    Raft::new(Config::new(MemberId(1), 1), restored).expect("the state is whole")
}

/// A new cluster's log begins with its members as committed changes; until they are applied nobody
/// may lead by counting them.
#[test]
fn a_bootstrapped_member_leads_once_its_changes_are_applied() {
    let mut raft = start(Restored {
        hard_state: HardState {
            term: Term(1),
            commit: Index(1),
            ..HardState::default()
        },
        conf: conf(&[1]),
        entries: vec![entry(EntryKind::ConfChange, 1, 1)],
        ..Restored::default()
    });
    raft.campaign();
    assert_eq!(raft.role(), Role::Follower);
    assert_eq!(raft.effects().committed.len(), 1);
    raft.apply_conf_change(&ConfChange::single(ChangeKind::AddVoter, MemberId(1)))
        .expect("adding a member again is no change");
    raft.applied(Index(1));
    raft.campaign();
    assert_eq!(raft.role(), Role::Candidate);
    let write = raft.effects().write.expect("term and vote");
    assert!(write.must_sync);
    raft.persisted(write.ticket);
    assert!(raft.is_leader());
}

/// A crash between the entries and the hard state of one write must not take the term back: the
/// log would hold entries of a term in which this member could still be a candidate.
#[test]
fn the_term_is_at_least_that_of_the_last_entry() {
    let raft = start(Restored {
        hard_state: HardState {
            term: Term(1),
            vote: MemberId(2),
            commit: Index(0),
        },
        conf: conf(&[1, 2, 3]),
        entries: vec![entry(EntryKind::Normal, 1, 3)],
        ..Restored::default()
    });
    let status = raft.status();
    assert_eq!((status.term, status.vote), (Term(3), MemberId::NONE));
}

fn snapshot(index: u64, voters: &[u64]) -> Message {
    let mark = SnapshotMark {
        index: Index(index),
        term: Term(1),
        conf: Some(conf(voters)),
    };
    Message {
        kind: MessageKind::Snapshot,
        from: MemberId(2),
        to: MemberId(1),
        term: Term(1),
        snapshot: Some(Box::new(Snapshot {
            mark,
            data: Bytes::new(),
        })),
        ..Message::default()
    }
}

/// A member that took such a snapshot would drop out of the cluster by its own configuration.
#[test]
fn a_snapshot_without_this_member_is_refused() {
    let mut raft = start(Restored {
        conf: conf(&[1, 2, 3]),
        ..Restored::default()
    });
    raft.step(snapshot(9, &[2, 3])).expect("well formed");
    let effects = raft.effects();
    assert!(effects.write.expect("the term").snapshot.is_none());
    assert_eq!(
        (raft.status().last, raft.conf()),
        (Index(0), conf(&[1, 2, 3]))
    );
}

/// The apply thread may still be busy with older entries when a snapshot arrives.
#[test]
fn entries_from_before_a_snapshot_change_nothing() {
    let mut raft = start(Restored {
        hard_state: HardState {
            commit: Index(1),
            ..HardState::default()
        },
        conf: conf(&[1, 2, 3]),
        entries: vec![entry(EntryKind::ConfChange, 1, 1)],
        ..Restored::default()
    });
    assert_eq!(raft.effects().committed.len(), 1);
    raft.step(snapshot(9, &[1, 2, 3])).expect("well formed");
    let write = raft.effects().write.expect("a snapshot");
    let add = ConfChange::single(ChangeKind::AddVoter, MemberId(4));
    assert_eq!(raft.apply_conf_change(&add), Ok(conf(&[1, 2, 3])));
    raft.applied(Index(1));
    raft.persisted(write.ticket);
    let answers = raft.effects().messages;
    assert_eq!(
        (answers[0].kind, answers[0].index),
        (MessageKind::AppendResponse, Index(9))
    );
    raft.applied(Index(9));
    assert_eq!(raft.apply_conf_change(&add), Ok(conf(&[1, 2, 3, 4])));
}
