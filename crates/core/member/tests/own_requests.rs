//! Requests that only the leader of a term may make.

use bytes::Bytes;
use member::{Config, Input, Member, Restored};
use types::{ConfState, MemberId, RequestId, Term};

fn member() -> Member {
    let config = Config::new(raft::Config::new(MemberId(1), 0));
    let mut restored = Restored::default();
    restored.raft.conf = ConfState {
        voters: vec![MemberId(1)],
        ..ConfState::default()
    };
    Member::new(config, restored).expect("a fresh member starts")
}

/// Carries out everything; how many entries were applied, and who was refused.
fn turn(member: &mut Member) -> (usize, Vec<RequestId>) {
    let (mut applied, mut refused) = (0, Vec::new());
    loop {
        let effects = member.effects();
        let is_idle = effects.write.is_none() && effects.apply.is_empty() && !effects.more;
        if let Some(write) = effects.write {
            member.handle(Input::Persisted(write.ticket));
        }
        if let Some(last) = effects.apply.last() {
            applied += effects.apply.len();
            member.handle(Input::Applied {
                index: last.index,
                conf_changes: Vec::new(),
            });
        }
        refused.extend(effects.refused);
        if is_idle {
            return (applied, refused);
        }
    }
}

/// A lease that a deposed leader ends might be one that its successor has renewed.
#[test]
fn only_the_leader_of_the_term_proposes() {
    let mut member = member();
    let request = |id| vec![(RequestId(id), Bytes::from_static(b"x"))];
    member.handle(Input::ProposeIn(Term(1), request(1)));
    let (_, refused) = turn(&mut member);
    assert_eq!(refused, [RequestId(1)]);
    let term = member.status().term;
    member.handle(Input::ProposeIn(Term(term.0 + 1), request(2)));
    assert_eq!(turn(&mut member), (0, vec![RequestId(2)]));
    member.handle(Input::ProposeIn(term, request(3)));
    assert_eq!(turn(&mut member), (1, vec![]));
}
