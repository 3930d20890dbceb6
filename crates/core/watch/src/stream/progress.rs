//! Telling the client how far it is.
//!
//! A mark is put into the mailbox behind everything that was published, so that it arrives when
//! all events up to its revision have.

use super::{Stream, registered};
use crate::mailbox::{Address, Item};

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
        let published = self.hub.published();
        let seen = self
            .watchers
            .values()
            .map(|watcher| watcher.seen_at(published))
            .reduce(|least, seen| Some(least?.min(seen?)));
        // No watcher: nothing to tell. One that is behind or in the future: nothing either.
        if let Some(Some(revision)) = seen {
            self.mailbox.mark(&[Item::Progress { revision }]);
        }
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
