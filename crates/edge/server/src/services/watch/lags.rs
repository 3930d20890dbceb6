//! How far streams of watches are behind, for `/metrics`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use watch::{Backlog, Stream};

/// Streams that are told: those that are furthest behind.
const SHOWN_MAX: usize = 20;

/// The open streams.
#[derive(Debug, Default)]
pub(crate) struct Lags {
    streams: Mutex<BTreeMap<u64, (String, Backlog)>>,
    next: AtomicU64,
}

/// A watcher that is behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lag {
    pub(crate) client: String,
    pub(crate) stream: u64,
    /// The watcher that waits longest.
    pub(crate) watch_id: i64,
    /// Revisions.
    pub(crate) by: i64,
}

impl Lags {
    /// Those that are furthest behind.
    pub(crate) fn furthest(&self, current: i64) -> Vec<Lag> {
        let streams = self.streams.lock();
        let lag = |(stream, (client, backlog)): (&u64, &(String, Backlog))| {
            let (watch_id, next) = backlog.oldest()?;
            let by = (current - next + 1).max(0);
            let (client, stream) = (client.clone(), *stream);
            Some(Lag {
                client,
                stream,
                watch_id,
                by,
            })
        };
        let mut all: Vec<Lag> = streams.iter().filter_map(lag).collect();
        drop(streams);
        all.sort_by_key(|lag| (-lag.by, lag.stream));
        all.truncate(SHOWN_MAX);
        all
    }
}

/// One stream among them, for as long as it is open.
pub(super) struct Registered {
    lags: Arc<Lags>,
    place: u64,
}

impl Registered {
    pub(super) fn new(lags: &Arc<Lags>, client: String, stream: &Stream) -> Self {
        let place = lags.next.fetch_add(1, Ordering::Relaxed);
        lags.streams
            .lock()
            .insert(place, (client, stream.backlog()));
        Self {
            lags: Arc::clone(lags),
            place,
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.lags.streams.lock().remove(&self.place);
    }
}
