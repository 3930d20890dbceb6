//! Keys that this proxy owns, so that it may answer for them without asking a member.
//!
//! Whoever wants to own a key writes an *owner key* of it, which has the proxy's lease: the prefix
//! and then the key. Proxies with the same prefix keep these rules:
//!
//! - A key is written only by its owner, or while it has none; each write compares its owner key.
//! - Who wants to write another one's key puts [`REVOKE`] into the owner key. The owner forgets the
//!   value first, and deletes the owner key then.
//! - An owner answers only while its lease cannot have run out: the time is counted from before the
//!   renewal was sent.
//!
//! So what an owner remembers of a key is what a member would answer. A write past the proxies breaks
//! that, as it does with etcd's proxy. Only callers without a token are answered and guarded: whoever
//! shows a token is answered by members. Keys with a lease end without a write, so that their values
//! are not remembered.

mod calls;
mod guarded;
mod session;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use proto::etcdserverpb::{RangeRequest, RangeResponse};
use tokio::sync::{mpsc, watch};

use super::cache::Touched;
use super::namespace::Namespace;

/// What asks the owner of a key to give it up.
const REVOKE: &[u8] = b"REVOKE";
/// Keys that are owned at a time; others are read at members.
const KEYS_MAX: usize = 1024;
/// The largest answer that is remembered.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// How long a key that somebody else wanted is not asked for again.
const REST: Duration = Duration::from_secs(2);
/// Owner keys that wait for being deleted.
const RELEASES_MAX: usize = KEYS_MAX;

/// What is owned.
pub(super) struct Leasing {
    /// Put before a key, it is its owner key, as callers see it.
    prefix: Namespace,
    /// The prefix as members see it.
    whole_prefix: Bytes,
    state: Mutex<State>,
    /// Moves when somebody has given up a key.
    freed: watch::Sender<u64>,
    releases: mpsc::Sender<Release>,
}

/// An owner key of ours that is to go, unless it is another one by now.
#[derive(Debug)]
struct Release {
    key: Bytes,
    created: i64,
}

#[derive(Default)]
struct State {
    session: Option<Session>,
    owned: HashMap<Bytes, Owned>,
    resting: HashMap<Bytes, Instant>,
    writes: HashMap<u64, Vec<Touched>>,
    /// Tells one turn of events from all others.
    turn: u64,
}

#[derive(Clone, Copy)]
struct Session {
    lease: i64,
    until: Instant,
}

struct Owned {
    /// The revision that created the owner key; none while that is asked for.
    created: Option<i64>,
    answer: Option<RangeResponse>,
    /// The last turn that concerned the key.
    turn: u64,
}

/// How a key can be read.
enum Reading {
    /// The answer is here.
    Here(RangeResponse),
    /// It is ours, and the value has to be fetched.
    Ours { created: i64, turn: u64 },
    /// It may become ours.
    Free { lease: i64, turn: u64 },
    /// A member has to be asked.
    Elsewhere,
}

impl Leasing {
    /// Nothing is owned before [`Leasing::keep`] runs, which takes the second part.
    pub(super) fn new(prefix: &str, namespace: &Namespace) -> (Self, session::Releases) {
        let mut whole_prefix = Bytes::copy_from_slice(prefix.as_bytes());
        namespace.enter(&mut whole_prefix);
        let (releases, released) = mpsc::channel(RELEASES_MAX);
        let leasing = Self {
            prefix: Namespace::new(prefix),
            whole_prefix,
            state: Mutex::default(),
            freed: watch::Sender::default(),
            releases,
        };
        (leasing, session::Releases(released))
    }

    /// Whether a read is one of a single key as it is now.
    pub(super) fn concerns(request: &RangeRequest) -> bool {
        let revisions = [
            request.revision,
            request.min_mod_revision,
            request.max_mod_revision,
            request.min_create_revision,
            request.max_create_revision,
        ];
        !request.key.is_empty() && request.range_end.is_empty() && revisions == [0; 5]
    }

    /// Forgets everything, as when rights change.
    pub(super) fn clear(&self) {
        let mut state = self.lock();
        state.session = None;
        state.owned.clear();
    }

    fn read(&self, key: &Bytes) -> Reading {
        let now = Instant::now();
        let mut state = self.lock();
        let Some(session) = state.session.filter(|session| now < session.until) else {
            return Reading::Elsewhere;
        };
        let is_written = |range: &Touched| range.holds(key);
        if state.writes.values().flatten().any(is_written) {
            return Reading::Elsewhere;
        }
        if let Some(owned) = state.owned.get(key) {
            return match (&owned.answer, owned.created) {
                (Some(answer), _) => Reading::Here(answer.clone()),
                (None, Some(created)) => Reading::Ours {
                    created,
                    turn: owned.turn,
                },
                (None, None) => Reading::Elsewhere,
            };
        }
        state.resting.retain(|_, until| now < *until);
        if state.resting.contains_key(key) || state.owned.len() >= KEYS_MAX {
            return Reading::Elsewhere;
        }
        let turn = state.next_turn();
        let asked = Owned {
            created: None,
            answer: None,
            turn,
        };
        state.owned.insert(key.clone(), asked);
        Reading::Free {
            lease: session.lease,
            turn,
        }
    }

    /// The key became ours, or it did not.
    fn acquired(&self, key: &Bytes, turn: u64, created: Option<i64>, answer: &RangeResponse) {
        let mut state = self.lock();
        let asked = state.owned.get_mut(key);
        match (asked.filter(|owned| owned.created.is_none()), created) {
            (Some(owned), Some(_)) => {
                owned.created = created;
                owned.remember(turn, answer);
            }
            (Some(_), None) => drop(state.owned.remove(key)),
            // Somebody wanted it in the meantime.
            (None, Some(created)) => self.release(&mut state, key.clone(), created),
            (None, None) => {}
        }
    }

    /// Nobody waits for the answer of who has the key.
    fn forget_asked(&self, key: &Bytes) {
        let mut state = self.lock();
        let asked = state.owned.get(key);
        if asked.is_some_and(|owned| owned.created.is_none()) {
            state.owned.remove(key);
        }
    }

    /// The value of a key that is ours.
    fn fetched(&self, key: &Bytes, turn: u64, answer: &RangeResponse) {
        if let Some(owned) = self.lock().owned.get_mut(key) {
            owned.remember(turn, answer);
        }
    }

    /// It is not ours any more, whatever became of it.
    fn lose(&self, key: &Bytes, created: i64) {
        let mut state = self.lock();
        let lost = state.owned.get(key);
        if lost.is_some_and(|owned| owned.created == Some(created)) {
            state.owned.remove(key);
        }
    }

    /// Gives an owner key of ours up.
    fn give_up(&self, key: &Bytes, created: i64) {
        self.lose(key, created);
        self.release(&mut self.lock(), key.clone(), created);
    }

    fn release(&self, state: &mut State, key: Bytes, created: i64) {
        if self.releases.try_send(Release { key, created }).is_err() {
            // Too many to delete them one by one: they go with their lease.
            state.session = None;
            state.owned.clear();
        }
    }

    /// A write begins: nothing is told of these keys until it is over.
    fn begin_write(&self, touched: &[Touched]) -> Write<'_> {
        let mut state = self.lock();
        let id = state.next_turn();
        state.writes.insert(id, touched.to_vec());
        state.change(touched, id);
        Write { leasing: self, id }
    }

    /// The revision of the owner key, if the one key that is touched is ours.
    fn owner(&self, touched: &[Touched]) -> Option<(Bytes, i64)> {
        let [only] = touched else { return None };
        let is_single = only.range_end.is_empty();
        let state = self.lock();
        let owned = state.owned.get(&only.key).filter(|_| is_single)?;
        Some((only.key.clone(), owned.created?))
    }

    fn is_own(&self, lease: i64) -> bool {
        let session = self.lock().session;
        session.is_some_and(|session| session.lease == lease)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next_turn(&mut self) -> u64 {
        self.turn += 1;
        self.turn
    }

    /// What was remembered of these keys is not so any more.
    fn change(&mut self, touched: &[Touched], turn: u64) {
        for (key, owned) in &mut self.owned {
            if touched.iter().any(|range| range.holds(key)) {
                owned.answer = None;
                owned.turn = turn;
            }
        }
    }
}

impl Owned {
    /// Unless something has happened since `turn`.
    fn remember(&mut self, turn: u64, answer: &RangeResponse) {
        let has_lease = answer.kvs.iter().any(|pair| pair.lease != 0);
        let is_small = prost::Message::encoded_len(answer) <= ANSWER_BYTES_MAX;
        if self.turn == turn && is_small && !has_lease {
            self.answer = Some(answer.clone());
        }
    }
}

/// A write that is under way.
struct Write<'a> {
    leasing: &'a Leasing,
    id: u64,
}

impl Drop for Write<'_> {
    fn drop(&mut self) {
        let mut state = self.leasing.lock();
        let turn = state.next_turn();
        if let Some(touched) = state.writes.remove(&self.id) {
            state.change(&touched, turn);
        }
    }
}

/// A write to a key of ours whose outcome is not known yet. Should it never be, the key is given up:
/// the write cannot happen after that, because it compares the owner key.
struct Unsure<'a> {
    leasing: &'a Leasing,
    key: Bytes,
    created: i64,
    is_over: bool,
}

impl Drop for Unsure<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.leasing.give_up(&self.key, self.created);
        }
    }
}

#[cfg(test)]
mod tests;
