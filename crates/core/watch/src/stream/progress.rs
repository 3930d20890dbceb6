//! Telling the client how far it is.
//!
//! A mark is put into the mailbox behind everything that was published, so that it arrives when
//! all events up to its revision have.

use super::{Stream, progress, registered};
use crate::mailbox::{Address, Item};
use crate::response::NO_WATCHER;

impl Stream {
    /// The period for quiet watchers has passed: those that are synced, asked for it and had no
    /// event since the last tick are told the current revision.
    pub fn tick(&mut self) {
        let published = self.hub.published();
        let mut marks = Vec::new();
        for watcher in self.watchers.values_mut() {
            let revision = watcher.seen_at(published);
            let address = watcher.address();
            let Some(notify) = &mut watcher.notify else {
                continue;
            };
            let due = std::mem::replace(&mut notify.quiet, true) && !notify.queued;
            if let (true, Some(to), Some(revision)) = (due, address, revision) {
                marks.push(Item::Quiet { to, revision });
            }
        }
        if self.mailbox.mark(&marks) {
            for mark in marks {
                self.note_queued(&mark);
            }
        }
    }

    /// Answers for the whole stream if every watcher is synced; otherwise says nothing.
    pub(super) fn mark_progress(&mut self) {
        let Some(revision) = self.seen_by_all(self.hub.published()) else {
            return;
        };
        if self.live.is_none() && self.mailbox.is_empty() {
            // Nothing to wait for: the answer keeps its place among those to other requests.
            self.answers.push_back(progress(NO_WATCHER, revision));
        } else {
            self.mailbox.mark(&[Item::Progress { revision }]);
        }
    }

    /// Whether a mark for the whole stream that arrives is to be sent: a watcher that was created
    /// since is covered by it only if it needs nothing up to there.
    pub(super) fn takes_progress(&self, revision: i64) -> bool {
        self.seen_by_all(revision).is_some()
    }

    /// The revision up to which every watcher has seen everything, once all that was published is
    /// sent; none if there is no watcher, or one that is behind or in the future.
    fn seen_by_all(&self, published: i64) -> Option<i64> {
        self.watchers
            .values()
            .map(|watcher| watcher.seen_at(published))
            .reduce(|least, seen| Some(least?.min(seen?)))?
    }

    /// Whether a mark that arrives for a watcher is to be sent.
    pub(super) fn take_quiet(&mut self, to: Address) -> bool {
        let Some(watcher) = registered(&mut self.watchers, to) else {
            return false;
        };
        if let Some(notify) = &mut watcher.notify {
            notify.queued = false;
        }
        true
    }

    fn note_queued(&mut self, mark: &Item) {
        if let Item::Quiet { to, .. } = mark
            && let Some(watcher) = registered(&mut self.watchers, *to)
            && let Some(notify) = &mut watcher.notify
        {
            notify.queued = true;
        }
    }
}
