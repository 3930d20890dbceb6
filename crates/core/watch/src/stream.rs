//! The machine behind one watch stream: requests in, responses out.
//!
//! [`Stream::handle`] and [`Stream::tick`] take what happened; [`Stream::poll`] gives the next
//! response, and is called until it says [`Step::Idle`] after each of them and after each wake.
//! The caller asks for the next response only when the client has taken the one before: what it
//! does not take waits in the mailbox, and beyond that in the history.
//!
//! Order of what is sent: answers to requests, then what the mailbox holds, then history for those
//! who are behind, one chunk in turn for each. While the mailbox never empties, history gets a step
//! after every [`LIVE_TURNS`] of it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::draft::{Draft, Drafted};
use crate::history::{History, HistoryError};
use crate::hub::Hub;
use crate::limits::Limits;
use crate::mailbox::{Address, Item, Mailbox, Wake};
use crate::request::Request;
use crate::response::{Body, NO_WATCHER, Response};
use crate::watcher::{State, Watcher};

pub use lagging::Backlog;

mod lagging;
mod progress;
mod requests;
mod revoke;

/// Turns of live events between two steps of history. A step of history takes up to 1 ms, a turn
/// some microseconds: so live events are delayed by it about tenfold at worst, not a thousandfold.
const LIVE_TURNS: u32 = 64;

/// Answers that may wait before the client has to take some: requests are not read further.
const ANSWERS_WAITING_MAX: usize = 1024;

/// One watch stream.
#[derive(Debug)]
pub struct Stream {
    hub: Arc<Hub>,
    mailbox: Arc<Mailbox>,
    limits: Limits,
    watchers: BTreeMap<i64, Watcher>,
    /// The next id to give out.
    next_id: i64,
    /// The next serial number of a watcher.
    serial: u64,
    /// Answers to requests.
    answers: VecDeque<Response>,
    /// Watchers that are behind, by id and serial number, in the order of their turns. One that
    /// was cancelled since is recognised by its serial number.
    behind: VecDeque<(i64, u64)>,
    /// The response being made of an entry of the mailbox.
    live: Option<Draft>,
    /// The response being made of a chunk of history; its watcher is not in `behind`.
    past: Option<Draft>,
    /// Turns of live events since the last step of history.
    live_turns: u32,
}

/// What [`Stream::poll`] has come to.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// To be sent; then poll again.
    Send(Response),
    /// Some history was read. Poll again, after others on the thread have had their turn.
    Again,
    /// Nothing to do until the next request, tick or wake.
    Idle,
}

impl Stream {
    /// A stream without watchers; `wake` is called when there is something to poll for.
    #[must_use]
    pub fn new(hub: Arc<Hub>, wake: Wake, limits: Limits) -> Self {
        hub.counters().streams.add(1);
        Self {
            mailbox: Arc::new(Mailbox::new(wake, &limits, hub.counters().clone())),
            hub,
            limits,
            watchers: BTreeMap::new(),
            next_id: 0,
            serial: 0,
            answers: VecDeque::new(),
            behind: VecDeque::new(),
            live: None,
            past: None,
            live_turns: 0,
        }
    }

    /// Takes a request of the client.
    pub fn handle<H: History>(&mut self, request: Request, history: &H) {
        match request {
            Request::Create(create) => self.create(create, history),
            Request::Cancel(id) => self.cancel(id, history),
            Request::Progress => self.mark_progress(),
        }
    }

    /// Whether the client has taken enough of its answers that its next request should be read.
    #[must_use]
    pub fn accepts_requests(&self) -> bool {
        self.answers.len() < ANSWERS_WAITING_MAX
    }

    /// The next thing to send or to do.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn poll<H: History>(&mut self, history: &H) -> Result<Step, H::Fault> {
        if let Some(answer) = self.answers.pop_front() {
            return Ok(Step::Send(answer));
        }
        if self.live_turns < LIVE_TURNS || !self.is_catching_up() {
            let step = self.poll_live(history)?;
            if step != Step::Idle {
                self.live_turns = self.live_turns.saturating_add(1);
                return Ok(step);
            }
        }
        self.live_turns = 0;
        self.poll_past(history)
    }

    fn is_catching_up(&self) -> bool {
        self.past.is_some() || !self.behind.is_empty()
    }

    /// Takes from the mailbox until there is something to send.
    fn poll_live<H: History>(&mut self, history: &H) -> Result<Step, H::Fault> {
        loop {
            if let Some(draft) = &mut self.live {
                let drafted = draft.step(history, &self.limits)?;
                let last = matches!(drafted, Drafted::Last(_));
                if last {
                    self.live = None;
                }
                match drafted {
                    Drafted::Unfinished => return Ok(Step::Again),
                    Drafted::Part(response) | Drafted::Last(Some(response)) => {
                        return Ok(self.send_events(response));
                    }
                    Drafted::Last(None) => {}
                }
            }
            match self.mailbox.pop() {
                None => return Ok(Step::Idle),
                Some(Item::Events { to, events, .. }) => {
                    self.live = self.registered(to).map(|watcher| {
                        let revision = events.revision;
                        Draft::new(watcher.serial, watcher.spec.clone(), revision, vec![events])
                    });
                }
                Some(Item::Lapsed { to, from }) => self.fall_behind(to, from),
                Some(Item::Quiet { to, revision }) => {
                    if self.take_quiet(to) {
                        return Ok(Step::Send(progress(to.watch_id, revision)));
                    }
                }
                Some(Item::Progress { revision }) => {
                    if self.takes_progress(revision) {
                        return Ok(Step::Send(progress(NO_WATCHER, revision)));
                    }
                }
            }
        }
    }

    /// Works on the chunk in hand, or reads one for the next watcher that is behind.
    fn poll_past<H: History>(&mut self, history: &H) -> Result<Step, H::Fault> {
        if self.past.is_none() {
            let Some((id, serial)) = self.behind.pop_front() else {
                return Ok(Step::Idle);
            };
            if let Some(canceled) = self.read_chunk(id, serial, history)? {
                return Ok(Step::Send(canceled));
            }
        }
        let Some(draft) = &mut self.past else {
            return Ok(Step::Again);
        };
        let (id, serial) = (draft.watch_id(), draft.serial);
        match draft.step(history, &self.limits)? {
            Drafted::Unfinished => Ok(Step::Again),
            Drafted::Part(response) => Ok(self.send_events(response)),
            Drafted::Last(response) => {
                self.past = None;
                self.catch_up(id, serial);
                Ok(response.map_or(Step::Again, |response| self.send_events(response)))
            }
        }
    }

    /// Reads the next chunk for a watcher that is behind; the answer is its end, if compaction has
    /// overtaken it.
    fn read_chunk<H: History>(
        &mut self,
        id: i64,
        serial: u64,
        history: &H,
    ) -> Result<Option<Response>, H::Fault> {
        let Some(watcher) = behind(&mut self.watchers, id, serial) else {
            return Ok(None);
        };
        let State::Behind { next } = watcher.state else {
            return Ok(None);
        };
        // Asked first: the header may lag behind the events read, and is raised to them below.
        let revisions = history.revisions();
        if next > revisions.current {
            // Whatever is published from here on comes through the hub.
            self.catch_up(id, serial);
            return Ok(None);
        }
        let (revisions_max, bytes_max) = (self.limits.chunk_revisions, self.limits.chunk_bytes);
        let chunk = match history.history(&watcher.spec.range, next, revisions_max, bytes_max) {
            Ok(chunk) => chunk,
            Err(HistoryError::Compacted { at }) => {
                watcher.state = State::Compacted;
                self.hub.counters().behind.add(-1);
                return Ok(Some(canceled(id, 0, at)));
            }
            Err(HistoryError::Fault(fault)) => return Err(fault),
        };
        assert!(chunk.next > next, "a chunk of history makes progress");
        watcher.state = State::Behind { next: chunk.next };
        let last = chunk.revisions.last().map_or(0, |events| events.revision);
        let header = revisions.current.max(last);
        self.past = Some(Draft::new(
            serial,
            watcher.spec.clone(),
            header,
            chunk.revisions,
        ));
        Ok(None)
    }

    /// Registers a watcher that was sent all that was read for it, or queues it for more.
    fn catch_up(&mut self, id: i64, serial: u64) {
        let Some(watcher) = behind(&mut self.watchers, id, serial) else {
            return;
        };
        if register(&self.hub, &self.mailbox, watcher) {
            self.hub.counters().behind.add(-1);
        } else {
            self.behind.push_back((id, serial));
        }
    }

    /// Notes that the hub has dropped a watcher.
    fn fall_behind(&mut self, to: Address, from: i64) {
        if let Some(watcher) = registered(&mut self.watchers, to) {
            watcher.state = State::Behind { next: from };
            // A mark that follows is for the registration that has ended, and is dropped.
            if let Some(notify) = &mut watcher.notify {
                notify.queued = false;
            }
            self.behind.push_back((to.watch_id, watcher.serial));
        }
    }

    /// The watcher that is registered under this address.
    fn registered(&mut self, to: Address) -> Option<&mut Watcher> {
        registered(&mut self.watchers, to)
    }

    /// Sends events and notes that their watcher is not quiet.
    fn send_events(&mut self, response: Response) -> Step {
        if let Body::Events { events, .. } = &response.body {
            self.hub.count_sent(events.len());
        }
        let watcher = self.watchers.get_mut(&response.watch_id);
        if let Some(notify) = watcher.and_then(|watcher| watcher.notify.as_mut()) {
            notify.quiet = false;
        }
        Step::Send(response)
    }
}

/// Registers a watcher that is behind, if it has seen everything that was published.
fn register(hub: &Hub, mailbox: &Arc<Mailbox>, watcher: &mut Watcher) -> bool {
    let State::Behind { next } = watcher.state else {
        return false;
    };
    let spec = &watcher.spec;
    let address = hub.register(spec.watch_id, &spec.range, spec.filters, next, mailbox);
    if let Some(address) = address {
        watcher.state = State::Synced {
            address,
            from: next,
        };
    }
    address.is_some()
}

/// The watcher of this id, if it is still the same one and behind.
fn behind(watchers: &mut BTreeMap<i64, Watcher>, id: i64, serial: u64) -> Option<&mut Watcher> {
    watchers
        .get_mut(&id)
        .filter(|watcher| watcher.serial == serial && matches!(watcher.state, State::Behind { .. }))
}

fn registered(watchers: &mut BTreeMap<i64, Watcher>, to: Address) -> Option<&mut Watcher> {
    watchers
        .get_mut(&to.watch_id)
        .filter(|watcher| watcher.address() == Some(to))
}

fn canceled(watch_id: i64, revision: i64, compacted: i64) -> Response {
    Response {
        watch_id,
        revision,
        body: Body::Canceled { compacted },
    }
}

fn progress(watch_id: i64, revision: i64) -> Response {
    Response {
        watch_id,
        revision,
        body: Body::Progress,
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        for watcher in std::mem::take(&mut self.watchers).into_values() {
            self.release(&watcher);
        }
        self.hub.counters().streams.add(-1);
    }
}
