//! What a log should hold, computed without one, and the means to write the same into a real one.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use disk::{Dir, MemDir};
use types::{
    ClusterId, ConfState, Entry, EntryKind, HardState, Index, MemberId, SnapshotMark, Term,
};
use wal::{Metadata, Options, Recovered, Wal, WalError};

pub(crate) const METADATA: Metadata = Metadata {
    member: MemberId(0x2e39_69ae_9b0b_826e),
    cluster: ClusterId(0xea6f_64fc_a073_c53e),
};

/// One record.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Entry(Entry),
    State(HardState),
    Mark(SnapshotMark),
}

/// The records of one flush.
pub(crate) type Group = Vec<Step>;

pub(crate) fn entry(term: u64, index: u64, data: impl Into<Bytes>) -> Entry {
    Entry {
        kind: EntryKind::Normal,
        term: Term(term),
        index: Index(index),
        data: data.into(),
    }
}

pub(crate) fn state(term: u64, commit: u64) -> HardState {
    HardState {
        term: Term(term),
        vote: MemberId(7),
        commit: Index(commit),
    }
}

pub(crate) fn mark(term: u64, index: u64) -> SnapshotMark {
    SnapshotMark {
        index: Index(index),
        term: Term(term),
        conf: Some(ConfState {
            voters: vec![MemberId(7), MemberId(9)],
            ..ConfState::default()
        }),
    }
}

/// What a reader must find after exactly these records.
pub(crate) fn replay<'a>(steps: impl IntoIterator<Item = &'a Step> + Clone) -> Recovered {
    let mut state = HardState::default();
    for step in steps.clone() {
        if let Step::State(next) = step {
            state = *next;
        }
    }
    let mut snapshot = SnapshotMark::default();
    let mut log = BTreeMap::new();
    for step in steps {
        match step {
            Step::State(_) => {}
            Step::Entry(entry) => {
                log.split_off(&entry.index);
                log.insert(entry.index, entry.clone());
            }
            Step::Mark(mark) if mark.index <= state.commit => {
                let is_repeated = *mark == snapshot;
                let leads_here = |e: &Entry| e.term == mark.term;
                if !is_repeated && !log.get(&mark.index).is_some_and(leads_here) {
                    log.clear();
                }
                snapshot = mark.clone();
            }
            Step::Mark(_) => {}
        }
    }
    Recovered {
        metadata: METADATA,
        state,
        entries: log
            .split_off(&snapshot.index.next())
            .into_values()
            .collect(),
        snapshot,
        repaired: None,
    }
}

/// Small random numbers from a seed.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// A member's life: entries of many sizes, new terms that overwrite uncommitted entries, commits
/// with nothing else, marks of own snapshots, and received ones that replace the log.
pub(crate) fn script(seed: u64, groups: usize) -> Vec<Group> {
    let mut life = Life {
        dice: Dice(seed),
        term: 1,
        commit: 0,
        terms: vec![0],
    };
    (0..groups).map(|_| life.group()).collect()
}

struct Life {
    dice: Dice,
    term: u64,
    commit: u64,
    /// The term of every index.
    terms: Vec<u64>,
}

impl Life {
    fn last(&self) -> u64 {
        self.terms.len() as u64 - 1
    }

    fn group(&mut self) -> Group {
        let mut group = Group::new();
        if self.dice.below(5) == 0 {
            self.term += 1;
            let lost = self.dice.below(self.last() - self.commit + 1);
            self.terms.truncate(self.terms.len() - lost as usize);
        }
        if self.dice.below(15) == 0 {
            self.receive(&mut group);
        }
        for _ in 0..self.dice.below(5) {
            self.terms.push(self.term);
            let data = payload(&mut self.dice);
            group.push(Step::Entry(entry(self.term, self.last(), data)));
        }
        if self.commit < self.last() && self.dice.below(3) > 0 {
            self.commit += 1 + self.dice.below(self.last() - self.commit);
        }
        group.push(Step::State(state(self.term, self.commit)));
        if self.commit > 0 && self.dice.below(4) == 0 {
            let term = self.terms[self.commit as usize];
            group.push(Step::Mark(mark(term, self.commit)));
        }
        group
    }

    /// A snapshot of a new leader, in front of the log or over its uncommitted end.
    fn receive(&mut self, group: &mut Group) {
        self.term += 1;
        let index = self.commit + 1 + self.dice.below(8);
        self.terms.resize(index as usize + 1, 0);
        self.terms[index as usize] = self.term;
        self.commit = index;
        group.push(Step::Mark(mark(self.term, index)));
        group.push(Step::State(state(self.term, index)));
    }
}

/// Among them payloads of zeros, which look like sectors that were lost.
fn payload(dice: &mut Dice) -> Vec<u8> {
    let len = match dice.below(4) {
        0 => 0,
        1 => dice.below(40),
        2 => dice.below(600),
        _ => dice.below(3000),
    };
    let byte = dice.below(3) as u8;
    (0..len).map(|at| byte.wrapping_mul(at as u8 | 1)).collect()
}

/// Options for a small log, so that scripts cross many segments.
pub(crate) fn small(preallocate: bool) -> Options {
    Options {
        segment_bytes: 6000,
        preallocate,
        sync: true,
    }
}

pub(crate) fn create(dir: &MemDir, options: Options) -> Wal {
    Wal::create(dir, "wal", options, &METADATA).unwrap()
}

pub(crate) fn wal_dir(dir: &MemDir) -> Arc<dyn Dir> {
    dir.sub("wal")
}

pub(crate) fn append(wal: &mut Wal, group: &[Step]) -> Result<(), WalError> {
    for step in group {
        match step {
            Step::Entry(entry) => wal.append(std::slice::from_ref(entry), None)?,
            Step::State(state) => wal.append(&[], Some(state))?,
            Step::Mark(mark) => wal.append_snapshot(mark)?,
        }
    }
    Ok(())
}
