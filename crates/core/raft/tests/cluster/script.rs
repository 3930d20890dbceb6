//! The language of the golden scripts.
//!
//! ```text
//! # A sentence for the reader.
//! > command
//! what happened
//! ```
//! After each command every running member takes turns until it has nothing left to do by itself:
//! it writes, persists and applies, unless its disk is `slow`. Messages stay on the wire until
//! they are delivered. Commands:
//!
//! ```text
//! start 1 2 3 [learners=4] [option=value]   members of one cluster, nothing stored
//! boot 1 of 1,2,3 log=1,1,2 [term=] [commit=] [option=value]   a member with a stored log (terms)
//! join 4 [of 1,2,3]     a member that has yet to be added; without a configuration it needs a snapshot
//! tick 1 [n] | campaign 1 | propose 1 a b | change 1 add 4 | joint 1 add 4 remove 2 | leave 1
//! read 1 context | transfer 1 2 | step Vote from=2 to=1 term=3 index=4 logterm=2 [force]
//! deliver [n] | settle | drop [1->2] | wire      the wire: one round, until quiet, lose, show
//! pass n                                     n times: everybody ticks, then the wire settles
//! isolate 1 | heal | unreachable 1 2 | gone 1 2
//! slow 1 | persist 1 [n] | fast 1 | crash 1 [n] | restart 1 | compact 1 5
//! status 1 | log 1
//! quietly <command>                              without showing what happens
//! ```
//! Options: election, heartbeat, prevote, quorum, message, window, uncommitted.

use bytes::Bytes;
use raft::{Config, Message, MessageKind};
use types::{ConfState, Entry, EntryKind, Index, MemberId, Term};

use crate::{
    node::Node,
    trace,
    world::{World, conf},
};

/// A running script.
#[derive(Default)]
pub(crate) struct Script {
    world: World,
    out: Vec<String>,
}

/// The words of a command, `key=value` apart.
struct Words<'a> {
    plain: Vec<&'a str>,
    options: Vec<(&'a str, &'a str)>,
}

impl<'a> Words<'a> {
    fn parse(text: &'a str) -> Self {
        let (options, plain) = text
            .split_whitespace()
            .partition::<Vec<_>, _>(|word| word.contains('='));
        let options = options
            .into_iter()
            .filter_map(|word| word.split_once('='))
            .collect();
        Self { plain, options }
    }

    fn number(&self, at: usize) -> u64 {
        self.plain
            .get(at)
            .and_then(|word| word.parse().ok())
            .expect("a number")
    }

    fn option(&self, key: &str) -> Option<&'a str> {
        self.options
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| *value)
    }

    fn option_number(&self, key: &str) -> u64 {
        self.option(key)
            .map_or(0, |value| value.parse().expect("a number"))
    }
}

fn list(text: &str) -> Vec<u64> {
    text.split(',')
        .map(|id| id.parse().expect("a number"))
        .collect()
}

/// The id is also the seed.
fn config(id: u64, words: &Words<'_>) -> Config {
    let mut config = Config::new(MemberId(id), id);
    for (key, value) in &words.options {
        let is_on = *value == "on";
        let number = || value.parse::<u64>().expect("a number");
        match *key {
            "election" => config.election_ticks = u32::try_from(number()).unwrap(),
            "heartbeat" => config.heartbeat_ticks = u32::try_from(number()).unwrap(),
            "prevote" => config.pre_vote = is_on,
            "quorum" => config.check_quorum = is_on,
            "message" => config.max_message_bytes = number(),
            "window" => config.max_inflight_messages = usize::try_from(number()).unwrap(),
            "uncommitted" => config.max_uncommitted_bytes = number(),
            _ => {}
        }
    }
    config
}

impl Script {
    /// Runs one command; the lines that it shows.
    pub(crate) fn run(&mut self, command: &str) -> Vec<String> {
        let (command, is_quiet) = match command.strip_prefix("quietly ") {
            Some(rest) => (rest, true),
            None => (command, false),
        };
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        let words = Words::parse(rest);
        if !self.setup(verb, &words) && !self.network(verb, &words) && !self.look(verb, &words) {
            self.input(verb, &words);
        }
        self.work();
        let out = std::mem::take(&mut self.out);
        if is_quiet { Vec::new() } else { out }
    }

    fn say(&mut self, line: impl Into<String>) {
        self.out.push(line.into());
    }

    fn refused(&mut self, id: u64, result: Result<(), impl std::fmt::Display>) {
        if let Err(error) = result {
            self.say(format!("{id} refuses: {error}"));
        }
    }

    /// Members that appear.
    fn setup(&mut self, verb: &str, words: &Words<'_>) -> bool {
        match verb {
            "start" => {
                let voters: Vec<u64> = (0..words.plain.len()).map(|at| words.number(at)).collect();
                let learners = words.option("learners").map(list).unwrap_or_default();
                let state = conf(&voters, &learners);
                for id in voters.iter().chain(&learners) {
                    self.world.add(config(*id, words), state.clone());
                }
            }
            "join" => {
                let voters = words
                    .plain
                    .get(2)
                    .map(|text| list(text))
                    .unwrap_or_default();
                self.world
                    .add(config(words.number(0), words), conf(&voters, &[]));
            }
            "boot" => self.boot(words),
            _ => return false,
        }
        true
    }

    fn boot(&mut self, words: &Words<'_>) {
        let (id, state) = (words.number(0), conf(&list(words.plain[2]), &[]));
        let mut node = Node::new(config(id, words), state);
        let terms = words.option("log").map(list).unwrap_or_default();
        let entry = |(term, index)| Entry {
            index: Index(index),
            term: Term(term),
            ..Entry::default()
        };
        node.disk.entries = terms.iter().copied().zip(1..).map(entry).collect();
        node.disk.hard_state.term = Term(words.option_number("term"));
        node.disk.hard_state.commit = Index(words.option_number("commit"));
        node.start();
        self.world.nodes.insert(id, node);
    }

    /// What happens to messages, disks and processes.
    fn network(&mut self, verb: &str, words: &Words<'_>) -> bool {
        match verb {
            "deliver" => {
                let rounds = if words.plain.is_empty() {
                    1
                } else {
                    words.number(0)
                };
                (0..rounds).for_each(|_| self.deliver());
            }
            "settle" => self.settle(),
            "pass" => (0..words.number(0)).for_each(|_| self.pass()),
            "drop" => self.drop_messages(words.plain.first().copied()),
            "wire" => {
                for message in self.world.wire.clone() {
                    self.say(format!("{} -> {}", message.from, trace::message(&message)));
                }
            }
            "isolate" => drop(self.world.isolated.insert(words.number(0))),
            "heal" => self.world.isolated.clear(),
            "slow" => self.world.node(words.number(0)).is_disk_slow = true,
            "fast" => self.world.node(words.number(0)).is_disk_slow = false,
            "persist" => {
                let count = if words.plain.len() > 1 {
                    words.number(1)
                } else {
                    u64::MAX
                };
                let node = self.world.node(words.number(0));
                for _ in 0..count.min(node.writes.len() as u64) {
                    node.persist_one();
                }
            }
            "crash" => {
                let written = if words.plain.len() > 1 {
                    words.number(1)
                } else {
                    0
                };
                self.world
                    .node(words.number(0))
                    .crash(usize::try_from(written).unwrap(), false);
            }
            "restart" => self.world.node(words.number(0)).start(),
            "compact" => {
                let index = Index(words.number(1));
                self.world.node(words.number(0)).compact(index);
            }
            _ => return false,
        }
        true
    }

    fn deliver(&mut self) {
        for message in std::mem::take(&mut self.world.wire) {
            let to = message.to.0;
            let result = self.world.deliver(message);
            self.refused(to, result);
            self.work();
        }
    }

    fn settle(&mut self) {
        while !self.world.wire.is_empty() {
            self.deliver();
        }
    }

    fn pass(&mut self) {
        let running = self
            .world
            .nodes
            .values_mut()
            .filter_map(|node| node.raft.as_mut());
        running.for_each(raft::Raft::tick);
        self.work();
        self.settle();
    }

    fn drop_messages(&mut self, link: Option<&str>) {
        let all = std::mem::take(&mut self.world.wire);
        for message in all {
            let here = format!("{}->{}", message.from, message.to);
            if link.is_some_and(|link| link != here) {
                self.world.wire.push(message);
            }
        }
    }

    /// What shows without changing anything.
    fn look(&mut self, verb: &str, words: &Words<'_>) -> bool {
        if verb != "status" && verb != "log" {
            return false;
        }
        let node = self.world.node(words.number(0));
        let lines = match (&node.raft, verb) {
            (None, _) => vec!["not running".to_owned()],
            (Some(raft), "status") => trace::status(raft),
            (Some(_), _) => node.disk.entries.iter().map(trace::entry).collect(),
        };
        self.out.extend(lines);
        true
    }

    /// What is asked of a member.
    fn input(&mut self, verb: &str, words: &Words<'_>) {
        if verb == "step" {
            return self.step(words);
        }
        let id = words.number(0);
        let raft = self.world.node(id).raft.as_mut().expect("a running member");
        let text = words.plain[1..].join(" ");
        let data = Bytes::from(text.clone());
        match verb {
            "tick" => {
                let count = if words.plain.len() > 1 {
                    words.number(1)
                } else {
                    1
                };
                for _ in 0..count {
                    let raft = self.world.node(id).raft.as_mut().expect("a running member");
                    raft.tick();
                    self.work();
                }
            }
            "campaign" => raft.campaign(),
            "propose" => {
                let payloads = text
                    .split_whitespace()
                    .map(|word| Bytes::from(word.to_owned()));
                let result = raft.propose(payloads.collect());
                self.refused(id, result);
            }
            "change" => {
                let result = raft.propose_conf_change(EntryKind::ConfChange, data);
                self.refused(id, result);
            }
            "joint" | "leave" => {
                let result = raft.propose_conf_change(EntryKind::ConfChangeV2, data);
                self.refused(id, result);
            }
            "read" => {
                let result = raft.read_index(data);
                self.refused(id, result);
            }
            "transfer" => {
                let result = raft.transfer_leader(MemberId(words.number(1)));
                self.refused(id, result);
            }
            "unreachable" => raft.report_unreachable(MemberId(words.number(1))),
            "gone" => raft.report_gone(MemberId(words.number(1))),
            _ => panic!("unknown command {verb}"),
        }
    }

    fn step(&mut self, words: &Words<'_>) {
        let kind = (0..30)
            .filter_map(MessageKind::from_wire)
            .find(|kind| format!("{kind:?}") == words.plain[0])
            .expect("a kind of message");
        let is_forced = words.plain.contains(&"force");
        let message = Message {
            kind,
            from: MemberId(words.option_number("from")),
            to: MemberId(words.option_number("to")),
            term: Term(words.option_number("term")),
            index: Index(words.option_number("index")),
            log_term: Term(words.option_number("logterm")),
            commit: Index(words.option_number("commit")),
            reject: words.plain.contains(&"reject"),
            context: Bytes::from_static(if is_forced {
                raft::CAMPAIGN_TRANSFER
            } else {
                b""
            }),
            ..Message::default()
        };
        let to = message.to.0;
        let result = self.world.deliver(message);
        self.refused(to, result);
    }

    /// Every member does what it can do alone.
    fn work(&mut self) {
        let ids: Vec<u64> = self.world.nodes.keys().copied().collect();
        for id in ids {
            while self.work_once(id) {}
        }
    }

    fn work_once(&mut self, id: u64) -> bool {
        let effects = self.world.turn(id);
        self.out.extend(trace::effects(id, &effects));
        let node = self.world.node(id);
        let mut is_busy = !effects.is_empty();
        let before: ConfState = node.machine.conf.clone();
        let mut applied = Vec::new();
        while let Some(entry) = node.apply_one() {
            applied.push(trace::entry(&entry));
        }
        if !node.is_disk_slow && !node.writes.is_empty() {
            node.persist_one();
            is_busy = true;
        }
        let after = node.machine.conf.clone();
        if !applied.is_empty() {
            self.say(format!("{id} applies {}", applied.join(", ")));
        }
        if before != after {
            self.say(format!("{id} now has {}", trace::conf(&after)));
        }
        is_busy || !applied.is_empty()
    }
}
