//! Three members as machines: a leader whose disk stands still lets another one lead.
#![expect(clippy::unwrap_used, reason = "a test")]

use bytes::Bytes;
use member::{Config, Input, Member, Restored};
use types::{ConfState, Entry, HardState, Index, MemberId, RequestId, SnapshotMark};

const IDS: [u64; 3] = [1, 2, 3];
/// Far more than an election takes.
const TICKS_MAX: usize = 200;

struct World {
    members: Vec<Member>,
    applied: Vec<Vec<Entry>>,
    /// Whose disk finishes no write.
    stalled: Option<usize>,
}

impl World {
    fn new() -> Self {
        let conf = ConfState {
            voters: IDS.map(MemberId).to_vec(),
            ..ConfState::default()
        };
        let member = |id: u64| {
            let restored = Restored {
                raft: raft::Restored {
                    hard_state: HardState::default(),
                    snapshot: SnapshotMark::default(),
                    conf: conf.clone(),
                    entries: Vec::new(),
                    applied: Index(0),
                },
                ..Restored::default()
            };
            let config = Config::new(raft::Config::new(MemberId(id), id));
            Member::new(config, restored).unwrap()
        };
        Self {
            members: IDS.map(member).into(),
            applied: vec![Vec::new(); IDS.len()],
            stalled: None,
        }
    }

    /// Carries out what is due, until nothing is.
    fn settle(&mut self) {
        loop {
            let mut is_idle = true;
            for at in 0..self.members.len() {
                let effects = self.members[at].effects();
                is_idle &= !effects.more && effects.messages.is_empty() && effects.apply.is_empty();
                if let Some(write) = effects.write.filter(|_| self.stalled != Some(at)) {
                    self.members[at].handle(Input::Persisted(write.ticket));
                    is_idle = false;
                }
                if let Some(last) = effects.apply.last() {
                    self.members[at].handle(Input::Applied {
                        index: last.index,
                        conf_changes: Vec::new(),
                    });
                    self.applied[at].extend(effects.apply);
                }
                for message in effects.messages {
                    let to = message.to.0 as usize - 1;
                    self.members[to].handle(Input::Message(Box::new(message)));
                }
            }
            if is_idle {
                return;
            }
        }
    }

    fn tick(&mut self) {
        for member in &mut self.members {
            member.handle(Input::Tick);
        }
        self.settle();
    }

    fn leader(&self) -> Option<usize> {
        let statuses = self.members.iter().map(Member::status);
        let newest = statuses.max_by_key(|status| (status.term, status.leader))?;
        (!newest.leader.is_none()).then(|| newest.leader.0 as usize - 1)
    }

    /// Ticks until what is asked for is there.
    fn until<T>(&mut self, what: &str, ask: impl Fn(&Self) -> Option<T>) -> T {
        for _ in 0..TICKS_MAX {
            if let Some(found) = ask(self) {
                return found;
            }
            self.tick();
        }
        panic!("in vain: {what}");
    }
}

/// A leader answers what it has applied, and applies what is durable here: with a disk that stands
/// still it would hold up everybody, while the others' disks are well.
#[test]
fn a_leader_with_a_stalled_disk_hands_over() {
    let mut world = World::new();
    let old = world.until("a leader", World::leader);
    world.stalled = Some(old);
    let request = |id| vec![(RequestId(id), Bytes::from_static(b"request"))];
    world.members[old].handle(Input::Propose(request(1)));
    world.settle();
    let new = world.until("another leader", |world| {
        world.leader().filter(|leader| *leader != old)
    });
    world.members[new].handle(Input::Propose(request(2)));
    let has_both = |world: &World| {
        let requests = world.applied[new].iter();
        let count = requests.filter(|entry| !entry.data.is_empty()).count();
        (count == 2).then_some(())
    };
    world.until("both requests", has_both);
    // A disk that works again is followed by everything.
    world.stalled = None;
    assert_eq!(world.leader(), Some(new));
}
