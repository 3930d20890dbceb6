//! How far watchers are behind, for `/metrics`: kept by the streams that lag, and by no other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use types::KeyRange;
use watch::Stream;

/// Watchers of one stream that are told.
const WATCHERS_MAX: usize = 8;
/// Watchers of the member that are told: those that are furthest behind.
const SHOWN_MAX: usize = 20;
/// Characters of a key that are told.
const KEY_MAX: usize = 100;

/// The streams that lag.
#[derive(Debug, Default)]
pub(crate) struct Lags {
    streams: Mutex<BTreeMap<u64, Vec<Lag>>>,
    next: AtomicU64,
}

/// A watcher that is behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lag {
    pub(crate) client: String,
    pub(crate) stream: u64,
    pub(crate) watch_id: i64,
    pub(crate) key: String,
    /// The oldest revision that it still needs.
    next: i64,
}

impl Lags {
    /// Those that are furthest behind, and by how many revisions.
    pub(crate) fn furthest(&self, current: i64) -> Vec<(Lag, i64)> {
        let streams = self.streams.lock();
        let all = streams.values().flatten();
        let mut all: Vec<_> = all
            .map(|lag| (lag.clone(), (current - lag.next + 1).max(0)))
            .collect();
        drop(streams);
        all.sort_by_key(|(lag, by)| (-by, lag.stream, lag.watch_id));
        all.truncate(SHOWN_MAX);
        all
    }
}

/// One stream's part.
pub(super) struct StreamLag {
    lags: Arc<Lags>,
    client: String,
    /// Its place, once it has lagged.
    place: Option<u64>,
}

impl StreamLag {
    pub(super) fn new(lags: Arc<Lags>, client: String) -> Self {
        Self {
            lags,
            client,
            place: None,
        }
    }

    /// Looks at a stream that has sent what it could.
    pub(super) fn look(&mut self, stream: &Stream, has_more: bool) {
        if !has_more {
            self.forget();
            return;
        }
        let next = || self.lags.next.fetch_add(1, Ordering::Relaxed);
        let place = *self.place.get_or_insert_with(next);
        let lags = stream.lagging().take(WATCHERS_MAX).map(|lagging| Lag {
            client: self.client.clone(),
            stream: place,
            watch_id: lagging.watch_id,
            key: key(lagging.range),
            next: lagging.next,
        });
        let lags = lags.collect();
        self.lags.streams.lock().insert(place, lags);
    }

    fn forget(&mut self) {
        if let Some(place) = self.place.take() {
            self.lags.streams.lock().remove(&place);
        }
    }
}

impl Drop for StreamLag {
    fn drop(&mut self) {
        self.forget();
    }
}

fn key(range: &KeyRange) -> String {
    let text = String::from_utf8_lossy(range.start());
    text.chars().take(KEY_MAX).collect()
}
