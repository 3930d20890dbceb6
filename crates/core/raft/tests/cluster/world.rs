//! Several members and the wire between them.

use std::collections::{BTreeMap, BTreeSet};

use raft::{Config, Effects, Message, MessageKind, StepError};
use types::{ConfState, Index, MemberId, Term};

use crate::node::{Machine, Node};

/// A cluster; nothing happens in it by itself.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) nodes: BTreeMap<u64, Node>,
    pub(crate) wire: Vec<Message>,
    /// Members that hear nobody and are not heard.
    pub(crate) isolated: BTreeSet<u64>,
    /// The states that travel beside snapshot messages.
    pub(crate) images: BTreeMap<(Index, Term), Machine>,
}

/// A configuration of voters.
pub(crate) fn conf(voters: &[u64], learners: &[u64]) -> ConfState {
    let list = |ids: &[u64]| ids.iter().map(|id| MemberId(*id)).collect();
    ConfState {
        voters: list(voters),
        learners: list(learners),
        ..ConfState::default()
    }
}

impl World {
    /// Adds a member and starts it.
    pub(crate) fn add(&mut self, config: Config, conf: ConfState) {
        let id = config.id.0;
        let mut node = Node::new(config, conf);
        node.start();
        self.nodes.insert(id, node);
    }

    pub(crate) fn node(&mut self, id: u64) -> &mut Node {
        self.nodes.get_mut(&id).expect("a known member")
    }

    /// One turn of a member; its messages go to the wire.
    pub(crate) fn turn(&mut self, id: u64) -> Effects {
        let node = self.node(id);
        let effects = node.turn();
        if effects
            .messages
            .iter()
            .any(|message| message.snapshot.is_some())
        {
            let machine = node.machine.clone();
            self.images.insert((machine.applied, machine.term), machine);
        }
        self.wire.extend(effects.messages.iter().cloned());
        effects
    }

    /// Hands a message from the wire to its receiver, if that runs and is reachable.
    pub(crate) fn deliver(&mut self, message: Message) -> Result<(), StepError> {
        let (from, to) = (message.from.0, message.to.0);
        let is_cut = self.isolated.contains(&from) || self.isolated.contains(&to);
        let is_running = self.nodes.get(&to).is_some_and(|node| node.raft.is_some());
        if is_cut || !is_running {
            self.lose(&message);
            return Ok(());
        }
        if let Some(snapshot) = &message.snapshot {
            // The state is on the receiver's disk before consensus hears of it.
            let key = (snapshot.mark.index, snapshot.mark.term);
            let image = self.images[&key].clone();
            self.node(to).images.insert(key, image);
            self.report_snapshot(from, to, true);
        }
        match &mut self.node(to).raft {
            Some(raft) => raft.step(message),
            None => Ok(()),
        }
    }

    /// Tells the sender of a lost message what it may know.
    pub(crate) fn lose(&mut self, message: &Message) {
        let (from, to) = (message.from.0, message.to.0);
        match message.kind {
            MessageKind::Snapshot => self.report_snapshot(from, to, false),
            MessageKind::Append => {
                if let Some(Some(raft)) = self.nodes.get_mut(&from).map(|node| &mut node.raft) {
                    raft.report_unreachable(MemberId(to));
                }
            }
            _ => {}
        }
    }

    fn report_snapshot(&mut self, from: u64, to: u64, delivered: bool) {
        if let Some(Some(raft)) = self.nodes.get_mut(&from).map(|node| &mut node.raft) {
            raft.report_snapshot(MemberId(to), delivered);
        }
    }
}
