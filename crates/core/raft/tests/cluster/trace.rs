//! Everything observable, as text.

use raft::{Effects, Message, MessageKind, ProgressState, ReadState, Role, SoftState, Write};
use types::{ConfState, Entry, EntryKind, MemberId, SnapshotMark};

fn quoted(bytes: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(bytes))
}

pub(crate) fn entry(entry: &Entry) -> String {
    let kind = match entry.kind {
        EntryKind::Normal => "",
        EntryKind::ConfChange => " change",
        EntryKind::ConfChangeV2 => " change2",
    };
    let data = if entry.data.is_empty() {
        String::new()
    } else {
        format!(" {}", quoted(&entry.data))
    };
    format!("{}:{}{kind}{data}", entry.index, entry.term)
}

fn entries(list: &[Entry]) -> String {
    list.iter().map(entry).collect::<Vec<_>>().join(", ")
}

fn ids(list: &[MemberId]) -> String {
    list.iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}

pub(crate) fn conf(conf: &ConfState) -> String {
    let mut text = format!("voters {}", ids(&conf.voters));
    for (name, list) in [
        ("outgoing", &conf.voters_outgoing),
        ("learners", &conf.learners),
        ("learners next", &conf.learners_next),
    ] {
        if !list.is_empty() {
            text += &format!(", {name} {}", ids(list));
        }
    }
    if conf.auto_leave {
        text += ", left automatically";
    }
    text
}

fn mark(mark: &SnapshotMark) -> String {
    let conf = mark.conf.as_ref().map(conf).unwrap_or_default();
    format!("{}:{} with {conf}", mark.index, mark.term)
}

fn soft_state(state: SoftState) -> String {
    let term = state.term;
    match state.role {
        Role::Leader => format!("leads term {term}"),
        Role::Candidate => format!("is candidate in term {term}"),
        Role::PreCandidate => format!("is pre-candidate in term {term}"),
        Role::Follower if state.leader.is_none() => format!("follows nobody in term {term}"),
        Role::Follower => format!("follows {} in term {term}", state.leader),
    }
}

pub(crate) fn write(write: &Write) -> String {
    let mut parts = Vec::new();
    if let Some(snapshot) = &write.snapshot {
        parts.push(format!("snapshot {}", mark(&snapshot.mark)));
    }
    if !write.entries.is_empty() {
        parts.push(entries(&write.entries));
    }
    if let Some(state) = write.hard_state {
        parts.push(format!(
            "state term {} vote {} commit {}",
            state.term, state.vote, state.commit
        ));
    }
    let sync = if write.must_sync { "" } else { " (no sync)" };
    format!("writes {}{sync}", parts.join("; "))
}

fn read(state: &ReadState) -> String {
    format!("may read {} at {}", quoted(&state.context), state.index)
}

/// A message without its sender.
pub(crate) fn message(message: &Message) -> String {
    let m = message;
    let mut text = format!("{:?} to {}", m.kind, m.to);
    if !matches!(m.kind, MessageKind::Propose | MessageKind::ReadIndex) {
        text += &format!(" term {}", m.term);
    }
    let position = format!("{}:{}", m.index, m.log_term);
    match m.kind {
        MessageKind::Append => {
            text += &format!(
                " after {position} [{}] commit {}",
                entries(&m.entries),
                m.commit
            );
        }
        MessageKind::AppendResponse if m.reject => {
            text += &format!(" rejects {} hint {}:{}", m.index, m.reject_hint, m.log_term);
        }
        MessageKind::AppendResponse => text += &format!(" has {}", m.index),
        MessageKind::Vote | MessageKind::PreVote => text += &format!(" last {position}"),
        MessageKind::VoteResponse | MessageKind::PreVoteResponse => {
            text += if m.reject { " no" } else { " yes" };
        }
        MessageKind::Snapshot => {
            let snapshot = m.snapshot.as_ref().expect("a snapshot");
            text += &format!(" {}", mark(&snapshot.mark));
        }
        MessageKind::Heartbeat => text += &format!(" commit {}", m.commit),
        MessageKind::Propose => text += &format!(" [{}]", entries(&m.entries)),
        MessageKind::ReadIndex => text += &format!(" {}", quoted(&m.entries[0].data)),
        MessageKind::ReadIndexResponse => {
            text += &format!(" {} at {}", quoted(&m.entries[0].data), m.index);
        }
        MessageKind::TransferLeader => text += &format!(" for {}", m.from),
        MessageKind::HeartbeatResponse | MessageKind::TimeoutNow => {}
    }
    if !m.context.is_empty() {
        text += &match m.context.as_ref().try_into().map(u64::from_le_bytes) {
            Ok(round) => format!(" round {round}"),
            Err(_) => format!(" context {}", quoted(&m.context)),
        };
    }
    text
}

/// The effects of one turn, a line each.
pub(crate) fn effects(id: u64, effects: &Effects) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(effects.soft_state.map(soft_state));
    lines.extend(effects.write.as_ref().map(write));
    lines.extend(
        effects
            .messages
            .iter()
            .map(|m| format!("sends {}", message(m))),
    );
    lines.extend(effects.read_states.iter().map(read));
    lines
        .into_iter()
        .map(|line| format!("{id} {line}"))
        .collect()
}

/// The state of a member, a line for each thing that a leader knows.
pub(crate) fn status(raft: &raft::Raft) -> Vec<String> {
    let status = raft.status();
    let id = status.id;
    let soft = SoftState {
        leader: status.leader,
        role: status.role,
        term: status.term,
    };
    let transfer = if status.transferee.is_none() {
        String::new()
    } else {
        format!(", hands over to {}", status.transferee)
    };
    let mut lines = vec![
        format!("{id} {}{transfer}", soft_state(soft)),
        format!(
            "{id} first {} last {} stable {} commit {} applied {}",
            status.first, status.last, status.stable, status.commit, status.applied
        ),
        format!("{id} {}", conf(&status.conf)),
    ];
    lines.extend(status.progress.iter().map(|p| {
        let state = match p.state {
            ProgressState::Probe => "probe".to_owned(),
            ProgressState::Replicate => "replicate".to_owned(),
            ProgressState::Snapshot(index) => format!("snapshot {index}"),
        };
        let active = if p.is_active { "" } else { " silent" };
        let learner = if p.is_learner { " learner" } else { "" };
        format!(
            "{id} sees {} matched {} next {} {state} inflight {}{active}{learner}",
            p.id, p.matched, p.next, p.inflight_messages
        )
    }));
    lines
}
