//! Between clients and members: questions, answers, streams.

use watch::Response;

use super::World;
use crate::check::ROOT;
use crate::client::{Call, Errand, user};
use crate::queue::{MS, Time};
use crate::sim::{Answer, Ask, CallId, Event, StreamId, User};
use crate::violation::Checked;

impl World {
    /// A client wants something, unless it still waits.
    pub(super) fn client_asks(&mut self, client: usize) {
        if self.clients[client].waits_for.is_some() {
            return;
        }
        let Some((slot, ask)) = self.wish(client) else {
            return;
        };
        self.clients[client].slot = slot;
        let user = match self.sim.plan.extras.auth {
            true if self.calm_since.is_some() => ROOT,
            true => user(&mut self.sim.random),
            false => "",
        };
        let call = self.ask(Some(client), slot, user, ask);
        self.clients[client].waits_for = Some(call);
    }

    /// What the client wants, and of whom.
    fn wish(&mut self, client: usize) -> Option<(usize, Ask)> {
        if self.calm_since.is_some() {
            let errand = *self.clients[client].errands.first()?;
            return Some(match errand {
                Errand::Put(slot) => {
                    let mut put = self.workload.put(&mut self.known, &mut self.sim.random);
                    put.lease = 0;
                    (
                        slot,
                        crate::client::write(|request| request.put = Some(put)),
                    )
                }
                Errand::Get(slot) => {
                    let query = mvcc::RangeQuery::of(types::KeyRange::All);
                    (slot, Ask::Range(query, true))
                }
            });
        }
        let sim = &mut self.sim;
        let ask = self.workload.next(&mut self.known, &mut sim.random);
        let slot = match sim.random.percent(50) {
            true => self.clients[client].slot,
            false => sim.random.index(self.nodes.len()),
        };
        Some((slot, ask))
    }

    /// Sends a question on its way.
    pub(super) fn ask(
        &mut self,
        client: Option<usize>,
        slot: usize,
        user: User,
        ask: Ask,
    ) -> CallId {
        let call = self.number();
        let sim = &mut self.sim;
        let asked = Call::new(client, slot, user, ask.clone(), sim);
        self.calls.insert(call, asked);
        let delay = sim.network.delay(&mut sim.random);
        let event = Event::Ask {
            slot,
            call,
            user,
            ask,
        };
        sim.queue.push(sim.now + delay, event);
        sim.queue
            .push(sim.now + sim.plan.patience, Event::GiveUp(call));
        call
    }

    /// An answer arrives.
    pub(super) fn answer(&mut self, id: CallId, answer: &Answer) -> Checked {
        let Some(call) = self.calls.remove(&id) else {
            return Ok(());
        };
        let sim = &mut self.sim;
        sim.trace
            .digest((sim.now, id, matches!(answer, Answer::Failed)));
        sim.line(|| format!("{:?} of {} is told {answer:?}", call.client, call.slot));
        let is_answered = call.answered(answer, &mut self.known, sim)?;
        let Some(client) = call.client else {
            return Ok(());
        };
        if is_answered && self.calm_since.is_some() {
            self.errand_done(client);
        }
        self.next_wish(client, is_answered);
        Ok(())
    }

    /// Nobody waits for this answer any more.
    pub(super) fn give_up(&mut self, id: CallId) {
        let Some(call) = self.calls.remove(&id) else {
            return;
        };
        self.sim.trace.digest((self.sim.now, id));
        if let Some(client) = call.client {
            self.next_wish(client, false);
        }
    }

    fn errand_done(&mut self, client: usize) {
        let client = &mut self.clients[client];
        // What was asked before the calm is no errand.
        if client.errands.is_empty() {
            return;
        }
        client.errands.remove(0);
    }

    fn next_wish(&mut self, client: usize, is_answered: bool) {
        self.clients[client].waits_for = None;
        let sim = &mut self.sim;
        let think: Time = match is_answered {
            true => sim.random.between(0, 2 * sim.plan.think),
            false => sim.random.between(5, 50) * MS,
        };
        sim.queue.push(sim.now + think, Event::Client(client));
    }

    /// A watcher without a stream opens one.
    pub(super) fn open_stream(&mut self, watcher: usize) {
        if self.watchers[watcher].stream.is_some() {
            return;
        }
        let stream = self.number();
        let sim = &mut self.sim;
        let slot = sim.random.index(self.nodes.len());
        // In the end everybody may see everything.
        if sim.plan.extras.auth {
            self.watchers[watcher].user = match self.calm_since {
                Some(_) => ROOT,
                None => user(&mut sim.random),
            };
        }
        let user = self.watchers[watcher].user;
        let create = Box::new(self.watchers[watcher].create(&mut sim.random));
        self.watchers[watcher].stream = Some(stream);
        self.streams.insert(stream, watcher);
        let delay = sim.network.delay(&mut sim.random);
        let event = Event::Open {
            slot,
            stream,
            user,
            create,
        };
        sim.queue.push(sim.now + delay, event);
    }

    /// A response of a watch arrives, or the stream turns out to be broken.
    pub(super) fn watch(&mut self, stream: StreamId, response: Option<Box<Response>>) -> Checked {
        let Some(&watcher) = self.streams.get(&stream) else {
            return Ok(());
        };
        let goes_on = match response {
            Some(response) => {
                let goes_on = self.watchers[watcher].take(&response, &mut self.sim)?;
                // Now and then a client goes elsewhere.
                goes_on && !self.sim.random.basis_points(50)
            }
            None => false,
        };
        if !goes_on {
            self.streams.remove(&stream);
            self.watchers[watcher].stream = None;
            let at = self.sim.now + self.sim.random.between(1, 100) * MS;
            self.sim.queue.push(at, Event::Watcher(watcher));
        }
        Ok(())
    }
}
