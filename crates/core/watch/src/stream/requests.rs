//! Creating and cancelling watchers.

use std::sync::Arc;

use super::{Stream, canceled, register};
use crate::history::History;
use crate::request::Create;
use crate::response::{Body, NO_WATCHER, Refusal, Response};
use crate::watcher::{Notify, Spec, State, Watcher};

impl Stream {
    pub(super) fn create<H: History>(&mut self, create: Create, history: &H) {
        // Asked before the watcher is registered: it sees what comes after this revision.
        let revision = history.revisions().current;
        let (watch_id, body) = match self.admit(create, revision) {
            Ok(id) => (id, Body::Created),
            Err(refusal) => (NO_WATCHER, Body::Refused(refusal)),
        };
        self.answers.push_back(Response {
            watch_id,
            revision,
            body,
        });
    }

    /// Cancels a watcher; also one that compaction has ended, which still holds its id.
    pub(super) fn cancel<H: History>(&mut self, id: i64, history: &H) {
        if self.end(id) {
            self.answers
                .push_back(canceled(id, history.revisions().current, 0));
        }
    }

    /// Takes a watcher out of the stream; false when there is none of this id.
    pub(super) fn end(&mut self, id: i64) -> bool {
        let Some(watcher) = self.watchers.remove(&id) else {
            return false;
        };
        self.release(&watcher);
        // No event of the watcher may follow its end.
        for draft in [&mut self.live, &mut self.past] {
            draft.take_if(|draft| draft.serial == watcher.serial);
        }
        true
    }

    /// Takes a watcher that has left the stream out of hub and counts. Its entries in the mailbox
    /// and in the queue of those behind are recognised later by ticket and serial number.
    pub(super) fn release(&mut self, watcher: &Watcher) {
        let counters = self.hub.counters();
        counters.watchers.add(-1);
        let is_behind = match watcher.state {
            // The hub may have counted it as behind already.
            State::Synced { address, .. } => !self.hub.unregister(&watcher.spec.range, address),
            State::Behind { .. } => true,
            State::Compacted => false,
        };
        if is_behind {
            counters.behind.add(-1);
        }
    }

    fn admit(&mut self, create: Create, current: i64) -> Result<i64, Refusal> {
        // In etcd's order: which of two reasons is given is what clients see.
        if create.start_revision < 0 {
            return Err(Refusal::NegativeStart);
        }
        let range = create.range();
        if let Some(reason) = create.denied {
            return Err(Refusal::Denied(reason));
        }
        if range.is_empty() {
            return Err(Refusal::EmptyRange);
        }
        let watch_id = self.choose_id(create.watch_id)?;
        let next = match create.start_revision {
            0 => current + 1,
            start => start,
        };
        let notify = create.progress_notify.then_some(Notify {
            quiet: true,
            queued: false,
        });
        self.serial += 1;
        self.start(Watcher {
            serial: self.serial,
            spec: Arc::new(Spec {
                watch_id,
                range,
                filters: create.filters,
                prev_kv: create.prev_kv,
                fragment: create.fragment,
                start_revision: create.start_revision,
            }),
            state: State::Behind { next },
            notify,
        });
        Ok(watch_id)
    }

    /// The id that the client wants, or the next free one. Ids given out here are not given out
    /// again.
    fn choose_id(&mut self, wanted: i64) -> Result<i64, Refusal> {
        if wanted != 0 {
            return match self.watchers.contains_key(&wanted) {
                true => Err(Refusal::DuplicateId),
                false => Ok(wanted),
            };
        }
        while self.watchers.contains_key(&self.next_id) {
            self.next_id += 1;
        }
        let id = self.next_id;
        self.next_id += 1;
        Ok(id)
    }

    /// Registers the watcher, or queues it for the history.
    fn start(&mut self, mut watcher: Watcher) {
        let counters = self.hub.counters();
        counters.watchers.add(1);
        if !register(&self.hub, &self.mailbox, &mut watcher) {
            counters.behind.add(1);
            self.behind
                .push_back((watcher.spec.watch_id, watcher.serial));
        }
        self.watchers.insert(watcher.spec.watch_id, watcher);
    }
}
