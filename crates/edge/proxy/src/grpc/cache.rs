//! Answers to reads that need not be the newest.
//!
//! As in etcd's proxy, a serializable read may be answered with what an earlier one brought. A write
//! through this proxy takes what it touches out at once, and so does every event that a watch
//! through it brings; what others write elsewhere is not noticed, so that nothing is kept for longer
//! than [`AGE_MAX`]. Only reads of callers without a token are kept: whoever shows a token has
//! rights of its own, and these may end.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

/// The age at which an answer is not given any more.
const AGE_MAX: Duration = Duration::from_secs(5);
/// Answers that are kept.
const ENTRIES_MAX: usize = 2048;
/// Bytes that are kept.
const BYTES_MAX: usize = 64 << 20;

/// Answers by the requests that they answer.
#[derive(Default)]
pub(super) struct Cache {
    state: Mutex<State>,
    hits: AtomicU64,
    misses: AtomicU64,
}

#[derive(Default)]
struct State {
    entries: HashMap<Bytes, Entry>,
    bytes: usize,
    /// Moves with every write.
    writes: u64,
    uses: u64,
}

struct Entry {
    key: Bytes,
    range_end: Bytes,
    answer: Bytes,
    since: Instant,
    used: u64,
}

/// What was known when a read began: an answer that a write has overtaken is not kept.
#[derive(Clone, Copy)]
pub(super) struct Began(u64);

/// A range of keys that a request touches.
#[derive(Clone, Debug)]
pub(super) struct Touched {
    pub(super) key: Bytes,
    pub(super) range_end: Bytes,
}

impl Touched {
    /// Whether a key is in the range.
    pub(super) fn holds(&self, key: &[u8]) -> bool {
        match &*self.range_end {
            b"" => *self.key == *key,
            b"\0" => *self.key <= *key,
            end => *self.key <= *key && key < end,
        }
    }

    /// The least range that holds all these; none of no range.
    pub(super) fn covering(ranges: &[Self]) -> Option<Self> {
        let key = ranges.iter().map(|range| &range.key).min()?.clone();
        let end = |range: &Self| match &*range.range_end {
            b"" => Some(Bytes::from([&range.key, &b"\0"[..]].concat())),
            b"\0" => None,
            _ => Some(range.range_end.clone()),
        };
        let ends: Option<Vec<Bytes>> = ranges.iter().map(end).collect();
        let last = ends.and_then(|ends| ends.into_iter().max());
        let range_end = last.unwrap_or(Bytes::from_static(b"\0"));
        Some(Self { key, range_end })
    }
}

impl Cache {
    /// The answer to a request, if there is one that may still be given.
    pub(super) fn get(&self, request: &Bytes) -> Option<Bytes> {
        let mut state = self.lock();
        state.uses += 1;
        let uses = state.uses;
        let entry = state.entries.get_mut(request);
        let fresh = entry.filter(|entry| entry.since.elapsed() < AGE_MAX);
        let answer = fresh.map(|entry| {
            entry.used = uses;
            entry.answer.clone()
        });
        let counter = match answer.is_some() {
            true => &self.hits,
            false => &self.misses,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        answer
    }

    pub(super) fn begin(&self) -> Began {
        Began(self.lock().writes)
    }

    /// Keeps an answer.
    pub(super) fn keep(&self, began: Began, request: Bytes, touched: Touched, answer: Bytes) {
        let mut state = self.lock();
        if began.0 != state.writes || request.len() + answer.len() > BYTES_MAX / 16 {
            return;
        }
        state.uses += 1;
        let entry = Entry {
            key: touched.key,
            range_end: touched.range_end,
            answer,
            since: Instant::now(),
            used: state.uses,
        };
        state.bytes += entry.bytes(&request);
        if let Some(old) = state.entries.insert(request.clone(), entry) {
            state.bytes -= old.bytes(&request);
        }
        while state.entries.len() > ENTRIES_MAX || state.bytes > BYTES_MAX {
            state.evict();
        }
    }

    /// Takes out what a write touches.
    pub(super) fn invalidate<'a>(&self, touched: impl IntoIterator<Item = &'a Touched>) {
        let mut state = self.lock();
        state.writes += 1;
        if state.entries.is_empty() {
            return;
        }
        for range in touched {
            state.entries.retain(|_, entry| !entry.meets(range));
        }
        state.bytes = state
            .entries
            .iter()
            .map(|(request, entry)| entry.bytes(request))
            .sum();
    }

    /// Takes everything out.
    pub(super) fn clear(&self) {
        let mut state = self.lock();
        state.writes += 1;
        state.entries.clear();
        state.bytes = 0;
    }

    /// Hits, misses, and answers that are kept.
    pub(super) fn counts(&self) -> (u64, u64, usize) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (
            count(&self.hits),
            count(&self.misses),
            self.lock().entries.len(),
        )
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Drops what was not asked for the longest.
    fn evict(&mut self) {
        let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used);
        let Some(request) = oldest.map(|(request, _)| request.clone()) else {
            self.bytes = 0;
            return;
        };
        if let Some(entry) = self.entries.remove(&request) {
            self.bytes -= entry.bytes(&request);
        }
    }
}

impl Entry {
    fn bytes(&self, request: &Bytes) -> usize {
        // The request's keys are slices of it.
        request.len() + self.answer.len()
    }

    fn meets(&self, other: &Touched) -> bool {
        ends_after(&self.key, &self.range_end, &other.key)
            && ends_after(&other.key, &other.range_end, &self.key)
    }
}

/// Whether the range from `key` to `range_end` ends behind `place`.
fn ends_after(key: &[u8], range_end: &[u8], place: &[u8]) -> bool {
    match range_end {
        [] => place <= key,
        [0] => true,
        end => place < end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(key: &'static str, end: &'static str) -> Touched {
        Touched {
            key: key.into(),
            range_end: end.into(),
        }
    }

    fn keep(cache: &Cache, name: &'static str, touched: Touched) {
        cache.keep(cache.begin(), name.into(), touched, "answer".into());
    }

    /// Who has written and then reads its old value has found a bug.
    #[test]
    fn writes_take_out_what_they_touch() {
        let cache = Cache::default();
        for (kept, written, gone) in [
            (range("b", ""), range("b", ""), true),
            (range("b", ""), range("c", ""), false),
            (range("a", "c"), range("b", ""), true),
            (range("a", "c"), range("c", ""), false),
            (range("b", ""), range("a", "c"), true),
            (range("a", "\0"), range("z", ""), true),
            (range("b", "\0"), range("a", ""), false),
            (range("a", "c"), range("b", "d"), true),
            (range("a", "c"), range("c", "d"), false),
        ] {
            keep(&cache, "x", kept.clone());
            assert!(cache.get(&"x".into()).is_some());
            cache.invalidate([&written]);
            let is_gone = cache.get(&"x".into()).is_none();
            assert_eq!(is_gone, gone, "{kept:?} {written:?}");
        }
        assert_eq!(cache.counts().2, 1);
        cache.clear();
        assert!(cache.get(&"x".into()).is_none());
    }

    /// An answer that was under way while its key was written may be the old one.
    #[test]
    fn overtaken_answers_are_not_kept() {
        let cache = Cache::default();
        let began = cache.begin();
        cache.invalidate([&range("a", "")]);
        cache.keep(began, "x".into(), range("a", ""), "old".into());
        assert!(cache.get(&"x".into()).is_none());
    }

    #[test]
    fn it_is_bounded() {
        let cache = Cache::default();
        for number in 0..ENTRIES_MAX + 10 {
            let request = Bytes::from(number.to_string());
            cache.get(&"0".into());
            cache.keep(cache.begin(), request, range("a", ""), "x".into());
        }
        assert_eq!(cache.counts().2, ENTRIES_MAX);
        assert!(cache.get(&"0".into()).is_some(), "the one in use stays");
        assert!(cache.get(&"1".into()).is_none());
        let large = Bytes::from(vec![0; 1 << 20]);
        for number in 0..100 {
            let request = Bytes::from(format!("large {number}"));
            cache.keep(cache.begin(), request, range("a", ""), large.clone());
        }
        assert!(cache.lock().bytes <= BYTES_MAX);
        assert!(cache.counts().2 < 100);
    }
}
