//! Requests on their way while the leader changes in good order: none is lost, none made twice.

use std::collections::VecDeque;

use bytes::Bytes;
use member::{Config, Input, Member, Restored};
use raft::Message;
use types::{MemberId, RequestId};

/// Three members and the messages between them.
struct Cluster {
    members: Vec<Member>,
    messages: VecDeque<Message>,
    applied: Vec<Vec<Bytes>>,
    reads: Vec<RequestId>,
}

impl Cluster {
    fn new() -> Self {
        let voters: Vec<MemberId> = [1, 2, 3].map(MemberId).to_vec();
        let start = |id: &MemberId| {
            let config = Config::new(raft::Config::new(*id, id.0));
            let mut restored = Restored::default();
            restored.raft.conf.voters.clone_from(&voters);
            Member::new(config, restored).expect("a fresh member starts")
        };
        let mut cluster = Self {
            members: voters.iter().map(start).collect(),
            messages: VecDeque::new(),
            applied: vec![Vec::new(); 3],
            reads: Vec::new(),
        };
        while cluster.leader(0) != MemberId(1) {
            cluster.members[0].handle(Input::Tick);
            cluster.settle(|_| true);
        }
        cluster
    }

    fn leader(&self, place: usize) -> MemberId {
        self.members[place].status().leader
    }

    /// Carries out everything, with all messages that pass; the others stay for later.
    fn settle(&mut self, passes: impl Fn(&Message) -> bool) {
        loop {
            let mut is_idle = true;
            for place in 0..3 {
                is_idle &= !self.turn(place);
            }
            let sent = std::mem::take(&mut self.messages).into_iter();
            let (now, later): (VecDeque<Message>, _) = sent.partition(&passes);
            self.messages = later;
            if is_idle && now.is_empty() {
                return;
            }
            for message in now {
                let to = message.to.0 as usize - 1;
                self.members[to].handle(Input::Message(Box::new(message)));
            }
        }
    }

    /// One turn of a member; whether it did anything.
    fn turn(&mut self, place: usize) -> bool {
        let member = &mut self.members[place];
        let effects = member.effects();
        let is_busy = effects.write.is_some() || !effects.apply.is_empty() || effects.more;
        if let Some(write) = effects.write {
            member.handle(Input::Persisted(write.ticket));
        }
        if let Some(last) = effects.apply.last() {
            let data = effects.apply.iter().map(|entry| entry.data.clone());
            self.applied[place].extend(data.filter(|data| !data.is_empty()));
            member.handle(Input::Applied {
                index: last.index,
                conf_changes: Vec::new(),
            });
        }
        self.reads.extend(effects.reads);
        self.messages.extend(effects.messages);
        is_busy
    }
}

/// A follower that does not know yet that its leader hands over forwards to it: the request waits
/// there, and goes on to the next leader.
#[test]
fn requests_follow_the_leader() {
    let mut cluster = Cluster::new();
    cluster.members[0].handle(Input::Transfer(MemberId(2)));
    // The word to stand for election is held up, so that the first member is neither here nor there.
    let held_up = |message: &Message| message.to != MemberId(2);
    cluster.settle(held_up);
    let request = Bytes::from_static(b"request");
    let proposal = Input::Propose(vec![(RequestId(7), request.clone())]);
    cluster.members[2].handle(proposal);
    cluster.members[2].handle(Input::Read(vec![RequestId(8)]));
    cluster.settle(held_up);
    assert!(cluster.applied.iter().all(Vec::is_empty));
    cluster.settle(|_| true);
    assert_eq!(cluster.leader(2), MemberId(2));
    for place in [0, 1] {
        assert_eq!(cluster.applied[place], std::slice::from_ref(&request));
    }
    assert_eq!(cluster.reads, [RequestId(8)]);
}
