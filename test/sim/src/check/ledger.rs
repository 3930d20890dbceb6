//! The log that all members must agree on, and what follows from it.
//!
//! The first member that applies an entry defines it; the model says what it answers; every other
//! member, and the same one after a restart, has to do the same.

use std::collections::BTreeMap;

use apply::Outcome;
use bytes::Bytes;
use prost::Message as _;
use proto::etcdserverpb::InternalRaftRequest;
use types::{Entry, EntryKind, Index, MemberId, RequestId, Term};

use super::government::Government;
use super::model::Model;
use super::reply::Reply;
use crate::network::Slot;
use crate::violation::{Checked, Violation, ensure};

/// An entry that is committed for ever.
#[derive(Debug)]
pub(crate) struct Line {
    term: Term,
    kind: EntryKind,
    data: Bytes,
    pub(crate) reply: Option<Reply>,
    pub(crate) revision: i64,
}

/// Everything that is committed.
#[derive(Debug)]
pub(crate) struct Ledger {
    lines: Vec<Line>,
    by_id: BTreeMap<RequestId, Index>,
    pub(crate) model: Model,
    pub(crate) government: Government,
    leaders: BTreeMap<Term, Slot>,
    votes: BTreeMap<(Term, MemberId), MemberId>,
    hashes: BTreeMap<(i64, i64), (u32, Slot)>,
    /// The highest index that any client has heard of.
    pub(crate) floor: Index,
    /// The highest revision that any client has heard of.
    pub(crate) floor_revision: i64,
}

impl Ledger {
    pub(crate) fn new(model: Model) -> Self {
        Self {
            lines: Vec::new(),
            by_id: BTreeMap::new(),
            model,
            government: Government::default(),
            leaders: BTreeMap::new(),
            votes: BTreeMap::new(),
            hashes: BTreeMap::new(),
            floor: Index(0),
            floor_revision: 1,
        }
    }

    /// The last committed index that anybody has applied.
    pub(crate) fn last(&self) -> Index {
        Index(self.lines.len() as u64)
    }

    /// Where a request stands in the log.
    pub(crate) fn find(&self, id: RequestId) -> Option<(Index, &Line)> {
        let index = *self.by_id.get(&id)?;
        Some((index, &self.lines[index.0 as usize - 1]))
    }

    /// A member has applied an entry; `request` is its content, if it is one. Says whether it is the
    /// first to do so.
    pub(crate) fn applied(
        &mut self,
        slot: Slot,
        entry: &Entry,
        outcome: &Outcome,
        revision: i64,
    ) -> Checked<bool> {
        let reply = outcome.applied.as_ref().map(Reply::of);
        let is_first = entry.index == self.last().next();
        if is_first {
            let expected = self.expect(entry, reply.clone())?;
            self.lines.push(Line {
                term: entry.term,
                kind: entry.kind,
                data: entry.data.clone(),
                reply: expected,
                revision: self.model.revision,
            });
        }
        let at = entry.index.0 as usize;
        let line = self.lines.get(at.wrapping_sub(1)).ok_or_else(|| {
            let what = format!("member {slot} applies entry {at} before all that precede it");
            Violation::new("agreement", what)
        })?;
        let is_same = (line.term, line.kind, &line.data) == (entry.term, entry.kind, &entry.data);
        ensure(is_same, "agreement", || {
            format!("member {slot} applies another entry {at}: {entry:?} instead of {line:?}")
        })?;
        ensure(
            line.reply == reply && line.revision == revision,
            "outcome",
            || {
                let request = InternalRaftRequest::decode(line.data.clone());
                format!(
                    "member {slot} at entry {at} comes to revision {revision} and {reply:?}, \
                     but it should be {} and {:?}; the request was {request:?}",
                    line.revision, line.reply
                )
            },
        )?;
        Ok(is_first)
    }

    /// A member has taken the state at an entry over from another one.
    pub(crate) fn installed(&mut self, slot: Slot, index: Index, revision: i64) -> Checked {
        let line = self.lines.get((index.0 as usize).wrapping_sub(1));
        let is_right = line.is_some_and(|line| line.revision == revision);
        ensure(is_right, "snapshots", || {
            format!("member {slot} installs entry {index} at revision {revision}, not {line:?}")
        })
    }

    /// What the model answers to the next entry.
    fn expect(&mut self, entry: &Entry, seen: Option<Reply>) -> Checked<Option<Reply>> {
        if entry.kind != EntryKind::Normal || entry.data.is_empty() {
            return Ok(seen);
        }
        let request = InternalRaftRequest::decode(entry.data.clone())
            .map_err(|error| Violation::new("agreement", error.to_string()))?;
        let id = RequestId(request.header.as_ref().map_or(0, |header| header.id));
        let before = self.by_id.insert(id, entry.index);
        ensure(before.is_none(), "once", || {
            format!(
                "request {id} is in the log twice, at {before:?} and {}",
                entry.index
            )
        })?;
        let reply = self.model.apply(&request);
        self.government.decided(entry.index, &self.model.auth);
        Ok(reply.or(seen))
    }

    /// A member takes the lead.
    pub(crate) fn leads(&mut self, slot: Slot, term: Term) -> Checked {
        let other = *self.leaders.entry(term).or_insert(slot);
        ensure(other == slot, "one leader a term", || {
            format!("members {other} and {slot} both lead term {term}")
        })
    }

    /// A member gives its vote.
    pub(crate) fn votes(&mut self, term: Term, from: MemberId, to: MemberId) -> Checked {
        let other = *self.votes.entry((term, from)).or_insert(to);
        ensure(other == to, "one vote a term", || {
            format!("member {from} votes for {other} and for {to} in term {term}")
        })
    }

    /// A member's state has this hash.
    pub(crate) fn hash(&mut self, slot: Slot, hash: mvcc::HashKv) -> Checked {
        let at = (hash.hash_revision, hash.compact_revision);
        let (other, first) = *self.hashes.entry(at).or_insert((hash.hash, slot));
        ensure(other == hash.hash, "equal hashes", || {
            format!(
                "members {first} and {slot} differ at revision {}, compacted to {}: {other:x} and {:x}",
                at.0, at.1, hash.hash
            )
        })
    }

    /// A client knows of this from now on.
    pub(crate) fn heard(&mut self, index: Index, revision: i64) {
        self.floor = self.floor.max(index);
        self.floor_revision = self.floor_revision.max(revision);
    }
}
