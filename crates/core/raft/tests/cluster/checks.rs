//! What must hold at every moment, whatever fails: the safety properties of the Raft paper, and
//! that a linearizable read sees everything that was applied anywhere before it began.

use std::collections::BTreeMap;

use bytes::Bytes;
use raft::Effects;
use types::{Entry, Term};

use crate::{node::Disk, world::World};

/// Everything seen so far.
#[derive(Default)]
pub(crate) struct Checks {
    /// Who led each term.
    leaders: BTreeMap<Term, u64>,
    /// Each committed entry, and the least term in which it was known to be committed.
    committed: BTreeMap<u64, (Entry, Term)>,
    /// The reads that wait, and what they must see at least.
    reads: BTreeMap<Bytes, u64>,
    pub(crate) reads_answered: u64,
}

impl Checks {
    /// The greatest index that any member was given to apply.
    pub(crate) fn newest(&self) -> u64 {
        self.committed.keys().next_back().copied().unwrap_or(0)
    }

    /// A read begins: whatever is committed must show in it.
    pub(crate) fn begin_read(&mut self, context: Bytes) {
        self.reads.insert(context, self.newest());
    }

    /// Looks at one member after its turn.
    pub(crate) fn after_turn(&mut self, world: &World, id: u64, effects: &Effects) {
        let node = &world.nodes[&id];
        let Some(raft) = &node.raft else {
            return;
        };
        for entry in &effects.committed {
            let known = self.committed.entry(entry.index.0);
            let (first, term) = known.or_insert_with(|| (entry.clone(), raft.term()));
            assert_eq!(first, entry, "a committed entry never changes");
            *term = raft.term().min(*term);
        }
        for read in &effects.read_states {
            if let Some(floor) = self.reads.remove(&read.context) {
                assert!(
                    read.index.0 >= floor,
                    "a read sees what was applied before it"
                );
                self.reads_answered += 1;
            }
        }
        if raft.is_leader() {
            let leader = *self.leaders.entry(raft.term()).or_insert(id);
            assert_eq!(leader, id, "one leader a term");
            if effects.soft_state.is_some() {
                self.check_completeness(&node.disk.ahead(&node.writes), raft.term());
            }
        }
    }

    /// A leader has every entry that was committed in an earlier term.
    fn check_completeness(&self, log: &Disk, leader_term: Term) {
        for (index, (entry, committed_in)) in &self.committed {
            if *committed_in < leader_term && *index > log.snapshot.index.0 {
                assert_eq!(
                    log.term(*index),
                    Some(entry.term),
                    "a leader has index {index}"
                );
            }
        }
    }

    /// Logs that agree in one entry agree in everything before it.
    pub(crate) fn check_matching(world: &World) {
        let logs: Vec<Disk> = world
            .nodes
            .values()
            .map(|node| node.disk.ahead(&node.writes))
            .collect();
        for (at, a) in logs.iter().enumerate() {
            for b in &logs[at + 1..] {
                let mut agrees = false;
                for entry in a.entries.iter().rev() {
                    let Some(other) = b.term(entry.index.0) else {
                        continue;
                    };
                    agrees |= other == entry.term;
                    assert!(
                        !agrees || other == entry.term,
                        "logs match up to where they agree"
                    );
                }
            }
        }
    }
}
