//! Watch streams: one stream machine of the `watch` crate for each watcher.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ::auth::{Access, AuthState};
use ::watch::{Body, Chunk, Create, History, HistoryError, Request, Revisions, Step, Stream};
use bytes::Bytes;
use mvcc::{RangeError, Reader};
use types::{Index, KeyRange};

use super::rights::Caller;
use super::{Process, Stop, fault};
use crate::bug::Bug;
use crate::queue::Time;
use crate::sim::{Event, Part, Sim, StreamId, User};
use crate::violation::Checked;

/// Steps that a stream may take in one turn.
const STEPS_MAX: usize = 8;

/// A stream and when its last response arrives: responses do not overtake each other.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    user: User,
    range: KeyRange,
    /// The rights that the watcher was last held against.
    seen: (bool, u64),
    woken: Arc<AtomicBool>,
    last: Time,
}

impl Connection {
    /// Whether there is something to send.
    pub(super) fn is_woken(&self) -> bool {
        self.woken.load(Ordering::Relaxed)
    }

    /// Ends the watcher if it has lost its right since it was last looked at.
    fn recheck(&mut self, rights: &AuthState, past: &Past<'_>) {
        let now = (rights.is_enabled(), rights.revision());
        if self.seen == now {
            return;
        }
        self.seen = now;
        let caller = Caller::of(self.user, rights);
        let check = |range: &KeyRange| rights.check(caller.who(), Access::Read, range);
        self.stream
            .revoke(|range| Some(check(range).err()?.to_string()), past);
    }

    /// Only who may read is told what happens, and only who may not is told that it ends.
    fn check(&self, applied: Index, response: &::watch::Response, sim: &Sim) -> Checked {
        let goes_on = match response.body {
            Body::Events { .. } => true,
            Body::Revoked(_) => false,
            _ => return Ok(()),
        };
        let government = &sim.ledger.government;
        government.watch(applied, self.user, &self.range, goes_on)
    }

    /// Time for progress notifications passes.
    pub(super) fn tick(&mut self) {
        self.stream.tick();
    }
}

impl Process {
    /// A client begins to watch.
    pub(crate) fn open(&mut self, id: StreamId, user: User, mut create: Create, sim: &mut Sim) {
        let range = create.range();
        if self.may_read(user, &range).is_err() {
            let delay = sim.network.delay(&mut sim.random);
            let (stream, response) = (id, None);
            let event = Event::Watch { stream, response };
            sim.queue.push(sim.now + delay, event);
            return;
        }
        if create.start_revision > 1 && sim.has(Bug::ResumeLate) {
            create.start_revision += 1;
        }
        let woken = Arc::new(AtomicBool::new(true));
        let wake = {
            let woken = Arc::clone(&woken);
            Box::new(move || woken.store(true, Ordering::Relaxed))
        };
        let mut stream = Stream::new(Arc::clone(&self.hub), wake, sim.plan.watch);
        stream.handle(Request::Create(create), &Past(&self.reader));
        let connection = Connection {
            stream,
            user,
            range,
            seen: (self.rights.is_enabled(), self.rights.revision()),
            woken,
            last: 0,
        };
        self.streams.insert(id, connection);
        self.wake(Part::Pump, sim);
    }

    /// Sends what the streams have to say.
    pub(super) fn pump(&mut self, sim: &mut Sim) -> Result<(), Stop> {
        let mut has_more = false;
        for (id, connection) in &mut self.streams {
            connection.woken.store(false, Ordering::Relaxed);
            if !sim.has(Bug::WatchRevoked) {
                connection.recheck(&self.rights, &Past(&self.reader));
            }
            for step in 0.. {
                if step == STEPS_MAX {
                    has_more = true;
                    break;
                }
                let past = Past(&self.reader);
                match connection.stream.poll(&past).map_err(fault)? {
                    Step::Send(response) => {
                        connection.check(self.apply.applied(), &response, sim)?;
                        send(*id, connection, response, sim);
                    }
                    Step::Again => {}
                    Step::Idle => break,
                }
            }
        }
        if has_more {
            self.wake(Part::Pump, sim);
        }
        Ok(())
    }
}

fn send(id: StreamId, connection: &mut Connection, mut response: ::watch::Response, sim: &mut Sim) {
    let mut copies = 1;
    if let Body::Events { events, .. } = &mut response.body {
        if sim.strikes(Bug::DropWatchEvent, 2) {
            copies = 0;
        } else if sim.strikes(Bug::RepeatWatchEvent, 2) {
            copies = 2;
        }
        if sim.has(Bug::WrongPrevious) {
            for event in events {
                event.previous = event
                    .previous
                    .take()
                    .map(|_| Bytes::from_static(b"\x0a\x01x"));
            }
        }
    }
    let delay = sim.network.delay(&mut sim.random);
    connection.last = connection.last.max(sim.now + delay);
    for _ in 0..copies {
        let event = Event::Watch {
            stream: id,
            response: Some(Box::new(response.clone())),
        };
        sim.queue.push(connection.last, event);
    }
}

/// The store's past, as the stream machines ask for it.
struct Past<'a>(&'a Reader);

impl History for Past<'_> {
    type Fault = RangeError;

    fn revisions(&self) -> Revisions {
        let mvcc::Revisions { current, compacted } = self.0.revisions();
        Revisions { current, compacted }
    }

    fn history(
        &self,
        range: &KeyRange,
        from: i64,
        revisions_max: usize,
        bytes_max: usize,
    ) -> Result<Chunk, HistoryError<RangeError>> {
        let history = self.0.history(range, from, revisions_max, bytes_max);
        let mvcc::History { events, next } = history.map_err(refusal)?;
        Ok(Chunk {
            revisions: events,
            next,
        })
    }

    fn record_at(
        &self,
        key: &[u8],
        revision: i64,
    ) -> Result<Option<Bytes>, HistoryError<RangeError>> {
        self.0.record_at(key, revision).map_err(refusal)
    }
}

fn refusal(error: RangeError) -> HistoryError<RangeError> {
    match error {
        RangeError::Compacted { at } => HistoryError::Compacted { at },
        fault => HistoryError::Fault(fault),
    }
}
