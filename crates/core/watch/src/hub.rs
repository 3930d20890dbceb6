//! Where the apply thread leaves what happened and the streams register their synced watchers.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use parking_lot::Mutex;
use types::{KeyRange, RevisionEvents};

use crate::mailbox::{Address, Mailbox, Offer, Ticket, weight};
use crate::registry::{Member, Registry};
use crate::request::Filters;
use crate::stats::{Counters, Stats};

/// The meeting point of the apply thread and all streams of a member.
///
/// The apply thread reports every revision in order ([`Hub::report`]), after it has become visible
/// to [`History`] and before it answers the request that made it.
///
/// [`History`]: crate::History
#[derive(Debug)]
pub struct Hub {
    /// Held for the matching of one revision or one registration, never while a stream is woken.
    state: Mutex<State>,
    counters: Arc<Counters>,
}

#[derive(Debug)]
struct State {
    /// The last revision that was reported.
    published: i64,
    /// The next ticket.
    ticket: u64,
    registry: Registry,
}

impl Hub {
    /// A hub for a store whose newest revision is `revision`; `seed` should be unknown to clients.
    #[must_use]
    pub fn new(revision: i64, seed: u64) -> Self {
        Self {
            state: Mutex::new(State {
                published: revision,
                ticket: 0,
                registry: Registry::new(seed),
            }),
            counters: Arc::default(),
        }
    }

    /// Whether no watcher is synced, so that the events of the next revision need not be made and
    /// [`Hub::pass`] will do. A watcher that registers meanwhile reads the history.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.counters.synced.get() == 0
    }

    /// Begins to report a run of revisions; streams are woken when the report is dropped, once for
    /// all of them.
    #[must_use]
    pub fn report(&self) -> Report<'_> {
        Report {
            hub: self,
            woken: Vec::new(),
        }
    }

    /// Reports revisions with their events.
    ///
    /// # Panics
    /// As [`Report::publish`].
    pub fn publish(&self, batch: &[Arc<RevisionEvents>]) {
        let mut report = self.report();
        for events in batch {
            report.publish(events);
        }
    }

    /// Reports revisions without their events; see [`Report::pass`].
    pub fn pass(&self, revision: i64) {
        self.report().pass(revision);
    }

    /// Counts for the metrics.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.counters.snapshot()
    }

    pub(crate) fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Registers a watcher that has seen everything below `next`; refused when something from
    /// there on was already published.
    pub(crate) fn register(
        &self,
        watch_id: i64,
        range: &KeyRange,
        filters: Filters,
        next: i64,
        mailbox: &Arc<Mailbox>,
    ) -> Option<Address> {
        let mut state = self.state.lock();
        if next <= state.published {
            return None;
        }
        state.ticket += 1;
        let address = Address {
            watch_id,
            ticket: Ticket(state.ticket),
        };
        let member = Member {
            address,
            filters,
            next,
            mailbox: mailbox.clone(),
        };
        state.registry.insert(range, member);
        self.counters.synced.add(1);
        Some(address)
    }

    /// Takes a watcher out; says whether it was still registered.
    pub(crate) fn unregister(&self, range: &KeyRange, address: Address) -> bool {
        let removed = self.state.lock().registry.remove(range, address);
        if removed {
            self.counters.synced.add(-1);
        }
        removed
    }

    /// The last revision that was reported; everything up to it is in the mailboxes.
    pub(crate) fn published(&self) -> i64 {
        self.state.lock().published
    }

    /// Tells the stream of a watcher that is being taken out where to read on.
    fn lapse(&self, member: &Member, from: i64, woken: &mut Vec<Arc<Mailbox>>) {
        self.counters.synced.add(-1);
        self.counters.behind.add(1);
        if member.mailbox.lapse(member.address, from) == Offer::First {
            woken.push(member.mailbox.clone());
        }
    }

    pub(crate) fn count_sent(&self, events: usize) {
        self.counters.events.fetch_add(events as u64, Relaxed);
    }
}

/// A run of revisions being reported, in order.
#[derive(Debug)]
pub struct Report<'a> {
    hub: &'a Hub,
    /// Mailboxes that were empty before.
    woken: Vec<Arc<Mailbox>>,
}

impl Report<'_> {
    /// Gives a revision to the watchers that it concerns; never waits for a stream.
    ///
    /// # Panics
    /// When it does not follow the one before.
    pub fn publish(&mut self, events: &Arc<RevisionEvents>) {
        let mut state = self.hub.state.lock();
        let revision = events.revision;
        assert_eq!(
            revision,
            state.published + 1,
            "revisions are published in order"
        );
        state.published = revision;
        if state.registry.is_empty() {
            return;
        }
        let weight = weight(events);
        for event in &events.events {
            state.registry.offer(revision, event, |member| {
                match member.mailbox.offer(member.address, events, weight) {
                    Offer::Queued => true,
                    Offer::First => {
                        self.woken.push(member.mailbox.clone());
                        true
                    }
                    Offer::Full => {
                        self.hub.lapse(member, revision, &mut self.woken);
                        false
                    }
                }
            });
        }
    }

    /// Says that the store has moved on to `revision` without events: because nobody listened
    /// ([`Hub::is_idle`]), or because its content came from a snapshot. Whoever is registered reads
    /// the history.
    pub fn pass(&mut self, revision: i64) {
        let mut state = self.hub.state.lock();
        let unseen = state.published + 1;
        state.published = state.published.max(revision);
        if state.registry.is_empty() {
            return;
        }
        for member in state.registry.drain() {
            self.hub
                .lapse(&member, member.next.max(unseen), &mut self.woken);
        }
    }
}

impl Drop for Report<'_> {
    fn drop(&mut self) {
        for mailbox in &self.woken {
            mailbox.wake();
        }
    }
}
