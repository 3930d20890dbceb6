//! Which watchers have not been sent everything yet.

use types::KeyRange;

use super::Stream;
use crate::watcher::State;

/// A watcher that waits for something that has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lagging<'a> {
    /// Its id in the stream.
    pub watch_id: i64,
    /// What it watches.
    pub range: &'a KeyRange,
    /// The oldest revision that it may still be sent.
    pub next: i64,
}

impl Stream {
    /// Watchers that read history, and the one that the oldest waiting event is for.
    pub fn lagging(&self) -> impl Iterator<Item = Lagging<'_>> {
        let waiting = self.mailbox.oldest();
        self.watchers.values().filter_map(move |watcher| {
            let next = match (watcher.state, waiting) {
                (State::Behind { next }, _) => next,
                (State::Synced { address, .. }, Some((to, revision))) if to == address => revision,
                _ => return None,
            };
            Some(Lagging {
                watch_id: watcher.spec.watch_id,
                range: &watcher.spec.range,
                next,
            })
        })
    }
}
