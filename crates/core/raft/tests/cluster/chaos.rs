//! Random clusters under random faults: messages are lost, doubled and reordered, disks are slow,
//! members crash with part of their writes done, are cut off, added and removed. Safety is checked
//! all the way; when the faults end, the cluster must work again.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use bytes::Bytes;
use raft::Config;
use types::{ConfState, EntryKind, MemberId};

use crate::{
    checks::Checks,
    random::Random,
    trace,
    world::{World, conf},
};

const MEMBERS: u64 = 5;
const STEPS: usize = 6000;
const WIRE_MAX: usize = 300;

struct Chaos {
    world: World,
    checks: Checks,
    random: Random,
    proposed: u64,
    /// Of everything that happened.
    trace: DefaultHasher,
    is_lenient: bool,
}

impl Chaos {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let voters: Vec<u64> = (1..=3 + random.below(MEMBERS - 2)).collect();
        let (pre_vote, check_quorum) = (!random.one_in(4), !random.one_in(4));
        let max_message_bytes = [1, 60, 1 << 20][random.below(3) as usize];
        let max_inflight_messages = [1, 3, 100][random.below(3) as usize];
        let max_applying_bytes = [1, 100, 1 << 20][random.below(3) as usize];
        let mut world = World::default();
        for id in 1..=MEMBERS {
            let config = Config {
                pre_vote,
                check_quorum,
                max_message_bytes,
                max_inflight_messages,
                max_applying_bytes,
                election_ticks: 5,
                ..Config::new(MemberId(id), random.next())
            };
            world.add(config, conf(&voters, &[]));
            world.node(id).is_disk_slow = true;
        }
        Self {
            world,
            checks: Checks::default(),
            random,
            proposed: 0,
            trace: DefaultHasher::new(),
            is_lenient: !(pre_vote && check_quorum),
        }
    }

    fn any_member(&mut self) -> u64 {
        1 + self.random.below(MEMBERS)
    }

    fn turn(&mut self, id: u64) {
        let effects = self.world.turn(id);
        self.checks.after_turn(&self.world, id, &effects);
        trace::effects(id, &effects).hash(&mut self.trace);
    }

    fn step(&mut self) {
        let id = self.any_member();
        match self.random.below(1000) {
            0..560 => return self.deliver_any(),
            560..640 => self.tick(id),
            640..830 => self.world.node(id).persist_one(),
            830..930 => {
                self.world.node(id).apply_one();
            }
            930..985 => self.ask(id),
            985..992 => self.disturb(id),
            _ => self.restart(id),
        }
        self.turn(id);
    }

    fn tick(&mut self, id: u64) {
        if let Some(raft) = &mut self.world.node(id).raft {
            raft.tick();
        }
    }

    /// One message at random; now and then it is lost, or stays to come again.
    fn deliver_any(&mut self) {
        if self.world.wire.is_empty() {
            return;
        }
        let at = self.random.below(self.world.wire.len() as u64) as usize;
        let is_doubled = self.random.one_in(20) && self.world.wire.len() < WIRE_MAX;
        let message = if is_doubled {
            self.world.wire[at].clone()
        } else {
            self.world.wire.swap_remove(at)
        };
        let (from, to) = (message.from.0, message.to.0);
        if self.random.one_in(25) || self.world.wire.len() > WIRE_MAX {
            self.world.lose(&message);
        } else {
            // What is refused shows in the state that is checked.
            let _ = self.world.deliver(message);
        }
        self.turn(to);
        self.turn(from);
    }

    /// A client or an operator wants something.
    fn ask(&mut self, id: u64) {
        let (kind, other) = (self.random.below(10), self.any_member());
        let change = self.any_change();
        self.proposed += 1;
        let unique = Bytes::from(format!("{}", self.proposed));
        let Some(raft) = &mut self.world.nodes.get_mut(&id).unwrap().raft else {
            return;
        };
        match kind {
            0..6 => raft.propose(vec![unique]).unwrap_or_default(),
            6..8 => {
                if raft.read_index(unique.clone()).is_ok() {
                    self.checks.begin_read(unique);
                }
            }
            8 => raft.transfer_leader(MemberId(other)).unwrap_or_default(),
            _ => raft
                .propose_conf_change(change.0, Bytes::from(change.1))
                .unwrap_or_default(),
        }
    }

    fn any_change(&mut self) -> (EntryKind, String) {
        let mut one = || {
            let verb = ["add", "remove", "learner"][self.random.below(3) as usize];
            format!("{verb} {}", 1 + self.random.below(MEMBERS))
        };
        let (first, second) = (one(), one());
        match self.random.below(6) {
            0 => (EntryKind::ConfChangeV2, String::new()),
            1 => (EntryKind::ConfChangeV2, format!("{first} {second}")),
            2 => (EntryKind::ConfChangeV2, format!("explicit {first}")),
            _ => (EntryKind::ConfChange, first),
        }
    }

    /// Compaction, a change of who is reachable, or news that somebody is gone, true or not.
    fn disturb(&mut self, id: u64) {
        match self.random.below(8) {
            6 | 7 => {
                let gone = MemberId(self.any_member());
                if let Some(raft) = &mut self.world.node(id).raft {
                    raft.report_gone(gone);
                }
            }
            0 => drop(self.world.isolated.insert(id)),
            1 | 2 => self.world.isolated.clear(),
            _ => {
                let node = self.world.node(id);
                let applied = node.machine.applied;
                node.compact(applied);
            }
        }
    }

    fn restart(&mut self, id: u64) {
        let (is_wanted, forgets) = (self.random.one_in(4), self.random.one_in(3));
        let node = self.world.node(id);
        if node.raft.is_none() {
            node.start();
        } else if is_wanted {
            let written = node.writes.len() as u64 + 1;
            let written = self.random.below(written) as usize;
            self.world.node(id).crash(written, forgets);
        }
    }

    /// No more faults; everything that is due happens in each round.
    fn calm(&mut self, rounds: usize) {
        for _ in 0..rounds {
            for id in 1..=MEMBERS {
                self.tick(id);
                self.work(id);
            }
            for message in std::mem::take(&mut self.world.wire) {
                let to = message.to.0;
                let _ = self.world.deliver(message);
                self.work(to);
            }
        }
    }

    fn work(&mut self, id: u64) {
        loop {
            self.turn(id);
            let node = self.world.node(id);
            if node.writes.is_empty() && node.to_apply.is_empty() {
                break;
            }
            while !node.writes.is_empty() && node.raft.is_some() {
                node.persist_one();
            }
            while node.apply_one().is_some() {}
            if node.raft.is_none() {
                break;
            }
        }
    }

    /// Ends the faults. Changes of the configuration may still be under way, so that the set of
    /// members that have to run is looked at more than once.
    fn recover(&mut self) {
        self.world.isolated.clear();
        for _ in 0..5 {
            self.run_members();
            self.calm(20);
        }
    }

    /// Starts everyone; stops members that all others know to be removed. They do not know it
    /// themselves and would disturb elections: only pre-vote and leases together keep them out.
    fn run_members(&mut self) {
        let ids = |conf: &ConfState| {
            let lists = [&conf.voters, &conf.learners, &conf.voters_outgoing];
            lists
                .into_iter()
                .flatten()
                .copied()
                .collect::<BTreeSet<MemberId>>()
        };
        let newest = self
            .world
            .nodes
            .values()
            .max_by_key(|node| node.machine.applied)
            .unwrap();
        let members = ids(&newest.machine.conf);
        let views = members
            .iter()
            .map(|id| ids(&self.world.nodes[&id.0].machine.conf));
        let wanted: BTreeSet<MemberId> = views.flatten().chain(members.clone()).collect();
        for (id, node) in &mut self.world.nodes {
            let is_wanted = !self.is_lenient || wanted.contains(&MemberId(*id));
            match &node.raft {
                None if is_wanted => node.start(),
                Some(_) if !is_wanted => node.crash(usize::MAX, false),
                _ => {}
            }
        }
    }

    fn leader(&self) -> Option<u64> {
        let leads =
            |node: &&crate::node::Node| node.raft.as_ref().is_some_and(raft::Raft::is_leader);
        let leaders = self.world.nodes.values().filter(leads);
        leaders
            .max_by_key(|node| node.raft.as_ref().unwrap().term())
            .map(|node| node.config.id.0)
    }

    /// Everyone in the configuration has the same state, which includes a fresh proposal; whether
    /// there is a leader to check that with.
    fn check_liveness(&mut self) -> bool {
        let Some(leader) = self.leader() else {
            self.check_deadlock();
            return false;
        };
        let raft = self.world.node(leader).raft.as_mut().unwrap();
        raft.propose(vec![Bytes::from("last")])
            .expect("the leader takes proposals");
        // Long enough for a window of one entry.
        self.calm(150);
        let state = self.world.nodes[&leader].machine.clone();
        assert_eq!(
            state.history.last().unwrap().2,
            "last",
            "a proposal is committed"
        );
        for id in state.conf.voters.iter().chain(&state.conf.learners) {
            let node = &self.world.nodes[&id.0];
            assert_eq!(node.machine, state, "member {id} has caught up");
        }
        true
    }
}

impl Chaos {
    /// The one way to end without a leader, which changes that hold from their application on have
    /// in common with etcd: members that have no vote any more, or not yet, by what they have
    /// applied, hold a longer log than every member that could campaign, and are needed by those,
    /// who do not know that yet.
    fn check_deadlock(&self) {
        let running = || {
            self.world
                .nodes
                .values()
                .filter_map(|node| node.raft.as_ref())
        };
        let longest = |has_vote: bool| {
            let logs = running().map(raft::Raft::status).filter_map(|status| {
                let conf = &status.conf;
                let votes =
                    conf.voters.contains(&status.id) || conf.voters_outgoing.contains(&status.id);
                let disk = &self.world.nodes[&status.id.0].disk;
                let term = disk.term(status.last.0).unwrap_or(disk.snapshot.term);
                (votes == has_vote).then_some((term, status.last))
            });
            logs.max()
        };
        let states: Vec<String> = running().flat_map(trace::status).collect();
        assert!(
            longest(false) > longest(true),
            "no leader when all is calm:\n{}",
            states.join("\n")
        );
    }
}

struct Outcome {
    trace: u64,
    committed: u64,
    reads: u64,
    is_live: bool,
}

fn run(seed: u64) -> Outcome {
    let mut chaos = Chaos::new(seed);
    for step in 0..STEPS {
        chaos.step();
        if step % 250 == 0 {
            Checks::check_matching(&chaos.world);
        }
    }
    Checks::check_matching(&chaos.world);
    chaos.recover();
    let is_live = chaos.check_liveness();
    Checks::check_matching(&chaos.world);
    Outcome {
        trace: chaos.trace.finish(),
        committed: chaos.checks.newest(),
        reads: chaos.checks.reads_answered,
        is_live,
    }
}

/// The promise of the crate: whatever fails, members never disagree, and work when they can.
#[test]
fn clusters_survive_random_faults() {
    let (first, count) = match std::env::var_os("SEED") {
        Some(seed) => (seed.to_str().unwrap().parse().unwrap(), 1),
        None => (0, 200),
    };
    let (mut committed, mut reads, mut live) = (0, 0, 0);
    for seed in first..first + count {
        let outcome = std::panic::catch_unwind(|| run(seed));
        let outcome = outcome.unwrap_or_else(|_| panic!("seed {seed}"));
        committed += outcome.committed;
        reads += outcome.reads;
        live += u64::from(outcome.is_live);
    }
    // A run in which nothing happens proves nothing.
    let is_busy = committed / count > 40 && reads / count > 10;
    assert!(
        is_busy && live * 100 >= count * 95,
        "{committed} {reads} {live} of {count}"
    );
}

/// A failure that does not repeat cannot be understood.
#[test]
fn a_seed_repeats() {
    assert_eq!(run(7).trace, run(7).trace);
    assert_ne!(run(7).trace, run(8).trace);
}
