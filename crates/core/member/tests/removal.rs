//! A member that is removed stays for those who need it to learn of that, and no longer.

use bytes::Bytes;
use member::{Config, Input, Member, Restored};
use raft::{ChangeKind, ConfChange, Message};
use types::{Entry, EntryKind, Index, MemberId, RequestId, Term};

const ELECTION_TICKS: u32 = 10;
const LEADER: MemberId = MemberId(1);
const SURVIVOR: MemberId = MemberId(2);
const LEARNER: MemberId = MemberId(3);

/// Two voters and a learner.
struct Cluster {
    members: Vec<Member>,
    /// The survivor is cut off once more than this is committed.
    known: Index,
    /// Who has ended.
    ended: Vec<MemberId>,
}

impl Cluster {
    fn new() -> Self {
        let start = |id: MemberId| {
            let mut raft = raft::Config::new(id, id.0);
            raft.election_ticks = ELECTION_TICKS;
            let mut restored = Restored::default();
            restored.raft.conf.voters = vec![LEADER, SURVIVOR];
            restored.raft.conf.learners = vec![LEARNER];
            Member::new(Config::new(raft), restored).expect("a fresh member starts")
        };
        let mut cluster = Self {
            members: [LEADER, SURVIVOR, LEARNER].map(start).into(),
            known: Index(u64::MAX),
            ended: Vec::new(),
        };
        while !cluster.leads(LEADER) {
            cluster.tick(LEADER, 1);
        }
        cluster
    }

    /// The leader and the survivor lost power once the leader had carried its removal out. The survivor has
    /// the removal, and does not know that it is committed; the leader had begun something else.
    fn restarted() -> Self {
        let start = |id: MemberId| {
            let (applied, last, voters) = match id {
                LEADER => (2, 3, vec![SURVIVOR]),
                SURVIVOR => (1, 2, vec![LEADER, SURVIVOR]),
                _ => (0, 0, Vec::new()),
            };
            let entry = |index| Entry {
                term: Term(1),
                index: Index(index),
                kind: match index {
                    2 => EntryKind::ConfChange,
                    _ => EntryKind::Normal,
                },
                data: Bytes::new(),
            };
            let mut restored = Restored {
                is_removed: id == LEADER,
                ..Restored::default()
            };
            restored.raft.conf.voters = voters;
            restored.raft.entries = (1..=last).map(entry).collect();
            restored.raft.applied = Index(applied);
            let mut raft = raft::Config::new(id, id.0);
            raft.election_ticks = ELECTION_TICKS;
            Member::new(Config::new(raft), restored).expect("what a crash left is whole")
        };
        Self {
            members: [LEADER, SURVIVOR, LEARNER].map(start).into(),
            known: Index(u64::MAX),
            ended: Vec::new(),
        }
    }

    /// The leader is removed, and the survivor is cut off before it hears that this is committed.
    fn remove_leader(&mut self) {
        self.known = self.of(LEADER).committed();
        let change = Input::ConfChange(RequestId(1), Bytes::from_static(b"remove"));
        self.of(LEADER).handle(change);
        self.settle();
        self.tick(LEADER, 1);
    }

    fn of(&mut self, id: MemberId) -> &mut Member {
        &mut self.members[id.0 as usize - 1]
    }

    fn leads(&mut self, id: MemberId) -> bool {
        self.of(id).status().leader == id
    }

    fn tick(&mut self, id: MemberId, times: u32) {
        for _ in 0..times {
            self.of(id).handle(Input::Tick);
            self.settle();
        }
    }

    fn told(&mut self, id: MemberId, by: MemberId) {
        self.of(id).handle(Input::Removed(by));
        self.settle();
    }

    /// Carries out everything, with all messages that pass; the others are lost.
    fn settle(&mut self) {
        loop {
            let mut messages = Vec::new();
            let mut is_idle = true;
            for id in [LEADER, SURVIVOR, LEARNER] {
                is_idle &= !self.turn(id, &mut messages);
            }
            let is_cut = self.of(LEADER).committed() > self.known;
            messages.retain(|message: &Message| message.to != SURVIVOR || !is_cut);
            if is_idle && messages.is_empty() {
                return;
            }
            for message in messages {
                let to = message.to;
                self.of(to).handle(Input::Message(Box::new(message)));
            }
        }
    }

    /// One turn of a member; whether it did anything.
    fn turn(&mut self, id: MemberId, messages: &mut Vec<Message>) -> bool {
        let member = self.of(id);
        let effects = member.effects();
        let is_busy = effects.write.is_some() || !effects.apply.is_empty() || effects.more;
        if let Some(write) = effects.write {
            member.handle(Input::Persisted(write.ticket));
        }
        if let Some(last) = effects.apply.last() {
            let changes = effects.apply.iter();
            let changes = changes.filter(|entry| entry.kind == EntryKind::ConfChange);
            let removal = ConfChange {
                changes: vec![(ChangeKind::Remove, LEADER)],
                ..ConfChange::default()
            };
            member.handle(Input::Applied {
                index: last.index,
                conf_changes: changes.map(|_| removal.clone()).collect(),
            });
        }
        messages.extend(effects.messages);
        if effects.removed {
            self.ended.push(id);
        }
        is_busy
    }
}

/// Of two, a survivor that has not heard that the removal is committed waits for a vote: whoever could
/// give it stays, and tells what is committed.
#[test]
fn a_leader_stays_until_the_survivor_knows() {
    let mut cluster = Cluster::new();
    cluster.remove_leader();
    cluster.tick(LEADER, 20 * ELECTION_TICKS);
    assert!(cluster.leads(LEADER));
    assert!(!cluster.of(SURVIVOR).is_sole_leader());

    // The learner knows already: its word counts for little.
    cluster.told(LEADER, LEARNER);
    cluster.tick(LEADER, ELECTION_TICKS);
    assert_eq!(cluster.ended, []);

    cluster.known = Index(u64::MAX);
    cluster.tick(LEADER, 2 * ELECTION_TICKS);
    assert!(cluster.leads(SURVIVOR));
    cluster.told(LEADER, SURVIVOR);
    assert_eq!(cluster.ended, [LEADER]);
}

/// Its log keeps it from voting for the survivor: it leads once more.
#[test]
fn a_leader_helps_after_a_restart() {
    let mut cluster = Cluster::restarted();
    for _ in 0..20 * ELECTION_TICKS {
        cluster.tick(LEADER, 1);
        cluster.tick(SURVIVOR, 1);
    }
    assert!(cluster.leads(SURVIVOR));
    assert!(cluster.of(SURVIVOR).is_sole_leader());
    assert_eq!(cluster.ended, []);
    cluster.told(LEADER, SURVIVOR);
    assert_eq!(cluster.ended, [LEADER]);
}

/// A process that was removed does not run for ever, not even if the others are lost.
#[test]
fn a_leader_does_not_stay_for_ever() {
    let mut cluster = Cluster::new();
    cluster.remove_leader();
    cluster.tick(LEADER, 30 * ELECTION_TICKS);
    // A learner's word that comes late makes it stay no longer.
    cluster.told(LEADER, LEARNER);
    assert_eq!(cluster.ended, []);
    cluster.tick(LEADER, 30 * ELECTION_TICKS);
    assert_eq!(cluster.ended, [LEADER]);
}

/// A member that was away while it was removed is told so when it is back.
#[test]
fn a_follower_that_knows_nothing_is_told() {
    let mut cluster = Cluster::new();
    cluster.told(SURVIVOR, LEADER);
    assert_eq!(cluster.ended, [SURVIVOR]);
    cluster.told(LEARNER, SURVIVOR);
    assert_eq!(cluster.ended, [SURVIVOR, LEARNER]);
}

/// A member that was added and removed before it heard of anybody has nothing to give.
#[test]
fn a_new_member_is_told() {
    let config = Config::new(raft::Config::new(MemberId(4), 0));
    let mut new = Member::new(config, Restored::default()).expect("a fresh member starts");
    new.handle(Input::Removed(LEADER));
    assert!(new.effects().removed);
}
