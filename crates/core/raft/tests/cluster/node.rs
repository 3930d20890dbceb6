//! One member with its disk and its state machine: the smallest possible shell.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use raft::{ChangeKind, ConfChange, Config, Effects, Message, Raft, Restored, Transition, Write};
use types::{ConfState, Entry, EntryKind, HardState, Index, MemberId, SnapshotMark, Term};

/// What survives a crash.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    pub(crate) hard_state: HardState,
    pub(crate) snapshot: SnapshotMark,
    pub(crate) entries: Vec<Entry>,
}

impl Disk {
    /// Carries out a write as the log's format would be read back.
    pub(crate) fn carry_out(&mut self, write: &Write) {
        if let Some(snapshot) = &write.snapshot {
            self.snapshot = snapshot.mark.clone();
            self.entries.clear();
        }
        for entry in &write.entries {
            self.entries.retain(|old| old.index < entry.index);
            assert_eq!(entry.index, self.last().next(), "the log has no gaps");
            self.entries.push(entry.clone());
        }
        if let Some(state) = write.hard_state {
            self.hard_state = state;
        }
    }

    /// The log as it will be when all writes under way are carried out.
    pub(crate) fn ahead(&self, writes: &VecDeque<Write>) -> Self {
        let mut ahead = self.clone();
        writes.iter().for_each(|write| ahead.carry_out(write));
        ahead
    }

    /// The term of the entry at `index`, if it is not covered by the snapshot.
    pub(crate) fn term(&self, index: u64) -> Option<Term> {
        let position = usize::try_from(index.checked_sub(self.snapshot.index.0 + 1)?).ok()?;
        self.entries.get(position).map(|entry| entry.term)
    }

    pub(crate) fn last(&self) -> Index {
        Index(self.snapshot.index.0 + self.entries.len() as u64)
    }
}

/// What the entries build: the list of payloads, and the configuration.
#[derive(Clone, Default, PartialEq, Debug)]
pub(crate) struct Machine {
    pub(crate) applied: Index,
    pub(crate) term: Term,
    pub(crate) conf: ConfState,
    pub(crate) history: Vec<(Index, Term, Bytes)>,
}

/// A member, running or not.
pub(crate) struct Node {
    pub(crate) config: Config,
    pub(crate) raft: Option<Raft>,
    pub(crate) disk: Disk,
    pub(crate) machine: Machine,
    /// The machine at the disk's snapshot.
    pub(crate) saved: Machine,
    /// States that came beside snapshot messages.
    pub(crate) images: BTreeMap<(Index, Term), Machine>,
    /// Asked for and not yet carried out.
    pub(crate) writes: VecDeque<Write>,
    /// Whether writes wait to be carried out one by one.
    pub(crate) is_disk_slow: bool,
    /// Handed out and not yet applied.
    pub(crate) to_apply: VecDeque<Entry>,
}

impl Node {
    /// A member that has never run, with the configuration of index 0.
    pub(crate) fn new(config: Config, conf: ConfState) -> Self {
        let machine = Machine {
            conf,
            ..Machine::default()
        };
        Self {
            config,
            raft: None,
            disk: Disk::default(),
            saved: machine.clone(),
            machine,
            images: BTreeMap::new(),
            writes: VecDeque::new(),
            is_disk_slow: false,
            to_apply: VecDeque::new(),
        }
    }

    /// Starts from what is on disk.
    pub(crate) fn start(&mut self) {
        let restored = Restored {
            hard_state: self.disk.hard_state,
            snapshot: self.disk.snapshot.clone(),
            conf: self.machine.conf.clone(),
            entries: self.disk.entries.clone(),
            applied: self.machine.applied,
        };
        self.raft = Some(Raft::new(self.config.clone(), restored).expect("the disk is whole"));
    }

    /// Stops; of the writes under way the first `written` have reached the disk. With `forgets` the
    /// state machine falls back to the last snapshot.
    pub(crate) fn crash(&mut self, written: usize, forgets: bool) {
        self.raft = None;
        self.to_apply.clear();
        for write in std::mem::take(&mut self.writes).into_iter().take(written) {
            self.carry_out(&write);
        }
        if forgets {
            self.machine = self.saved.clone();
        }
    }

    /// Carries out the oldest write.
    pub(crate) fn persist_one(&mut self) {
        let (Some(write), Some(raft)) = (self.writes.pop_front(), &mut self.raft) else {
            return;
        };
        raft.persisted(write.ticket);
        if let Some(snapshot) = &write.snapshot {
            raft.applied(snapshot.mark.index);
        }
        self.carry_out(&write);
    }

    /// Writes to the disk; a snapshot's state is there before its mark is.
    fn carry_out(&mut self, write: &Write) {
        self.disk.carry_out(write);
        if let Some(snapshot) = &write.snapshot {
            let key = (snapshot.mark.index, snapshot.mark.term);
            self.machine = self.images[&key].clone();
            self.saved = self.machine.clone();
            self.to_apply.clear();
        }
    }

    /// Applies the oldest entry that was handed out; what it was.
    pub(crate) fn apply_one(&mut self) -> Option<Entry> {
        let entry = self.to_apply.pop_front()?;
        let raft = self.raft.as_mut()?;
        assert_eq!(
            entry.index,
            self.machine.applied.next(),
            "entries are applied in order"
        );
        self.machine.applied = entry.index;
        self.machine.term = entry.term;
        self.machine
            .history
            .push((entry.index, entry.term, entry.data.clone()));
        if entry.kind != EntryKind::Normal {
            let change = parse_change(&String::from_utf8_lossy(&entry.data));
            // What does not fit is refused alike on every member.
            if let Ok(conf) = raft.apply_conf_change(&change) {
                self.machine.conf = conf;
            } else {
                let noop = ConfChange::single(ChangeKind::AddVoter, MemberId::NONE);
                raft.apply_conf_change(&noop).ok();
            }
        }
        raft.applied(entry.index);
        Some(entry)
    }

    /// Saves the machine and drops the log up to `index`.
    pub(crate) fn compact(&mut self, index: Index) {
        let Some(raft) = &mut self.raft else {
            return;
        };
        // A snapshot that is being installed comes first.
        let is_installing = self.writes.iter().any(|write| write.snapshot.is_some());
        if is_installing || self.machine.applied <= self.disk.snapshot.index {
            return;
        }
        self.saved = self.machine.clone();
        self.disk.snapshot = SnapshotMark {
            index: self.machine.applied,
            term: self.machine.term,
            conf: Some(self.machine.conf.clone()),
        };
        self.disk
            .entries
            .retain(|entry| entry.index > self.machine.applied);
        raft.compact(index);
    }

    /// Collects effects into the queues; messages are returned.
    pub(crate) fn turn(&mut self) -> Effects {
        let Some(raft) = &mut self.raft else {
            return Effects::default();
        };
        let mut effects = raft.effects();
        if effects
            .write
            .as_ref()
            .is_some_and(|write| write.snapshot.is_some())
        {
            // What the snapshot replaces need not be applied any more.
            self.to_apply.clear();
        }
        self.to_apply.extend(effects.committed.iter().cloned());
        if let Some(write) = &effects.write {
            self.writes.push_back(write.clone());
        }
        for message in &mut effects.messages {
            self.fill_snapshot(message);
        }
        effects
    }

    /// Puts the real state in place of what the core knows of it.
    fn fill_snapshot(&self, message: &mut Message) {
        if let Some(snapshot) = &mut message.snapshot {
            assert!(snapshot.mark.index <= self.machine.applied);
            snapshot.mark = SnapshotMark {
                index: self.machine.applied,
                term: self.machine.term,
                conf: Some(self.machine.conf.clone()),
            };
        }
    }
}

/// Reads `add 4`, `learner 4`, `remove 4`, several of them, and a leading `joint` or `explicit`;
/// nothing leaves a joint configuration.
pub(crate) fn parse_change(text: &str) -> ConfChange {
    let mut change = ConfChange::default();
    let mut words = text.split_whitespace().peekable();
    match words.peek() {
        Some(&"joint") => change.transition = Transition::JointImplicit,
        Some(&"explicit") => change.transition = Transition::JointExplicit,
        _ => {}
    }
    if change.transition != Transition::Auto {
        words.next();
    }
    while let (Some(verb), Some(id)) = (words.next(), words.next()) {
        let kind = match verb {
            "add" => ChangeKind::AddVoter,
            "learner" => ChangeKind::AddLearner,
            "remove" => ChangeKind::Remove,
            _ => ChangeKind::Update,
        };
        change
            .changes
            .push((kind, MemberId(id.parse().expect("a member"))));
    }
    change
}
