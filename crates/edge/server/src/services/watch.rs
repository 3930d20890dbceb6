//! The Watch service: one stream machine of the `watch` crate behind each call.
//!
//! A call is one future: it takes requests, asks the machine what to send while the client has room
//! for it, and sleeps until a request, a wake of the hub, or a timer. Nothing is made for a client
//! that does not read: its events stay in the machine's mailbox, or in the history. Steps of history
//! take about a millisecond, and other calls of the thread have their turn between them.

mod history;
mod lags;
mod metrics;
mod readers;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use proto::error::Code;
use proto::etcdserverpb::watch_request::RequestUnion;
use proto::etcdserverpb::{WatchCreateRequest, WatchRequest};
use rpc::{Call, Inbound, Outbound, Status};
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{Interval, MissedTickBehavior, interval_at};
use watch::{Body, Create, Filters, Identity, Limits, Request, Response, Step, Stream};

use self::history::Store;
use self::lags::Registered;
use self::readers::Readers;
use super::{Services, decode, error};
use crate::engine::{Engine, Sent};

pub(crate) use self::lags::{Lag, Lags};
pub(crate) use self::metrics::HubMetrics;

impl Services {
    pub(super) async fn watch(
        &self,
        call: &Call,
        mut inbound: Inbound,
        outbound: Outbound,
    ) -> Result<(), Status> {
        let wake = Arc::new(Notify::new());
        let mut session = Session::new(self, call, &outbound, Arc::clone(&wake));
        let client = call.peer().to_string();
        let _registered = Registered::new(&self.lags, client, &session.stream);
        let mut rights = self.engine().auth_changes();
        let mut progress = progress_timer(self.engine().limits().watch_progress_interval);
        let mut is_open = true;
        loop {
            let pumped = session.pump()?;
            tokio::select! {
                biased;
                message = inbound.next(), if is_open && session.stream.accepts_requests() => {
                    match message {
                        Some(message) => session.take(message?).await?,
                        // The client has nothing more to ask, but goes on listening.
                        None => is_open = false,
                    }
                }
                () = wake.notified(), if pumped == Pumped::Idle => {}
                ready = outbound.ready(), if pumped == Pumped::Full => {
                    ready.map_err(|_| Status::cancelled())?;
                }
                () = yield_now(), if pumped == Pumped::Reading => {}
                _ = progress.tick() => session.stream.tick(),
                // Who may no longer read hears it at once, not with the next event.
                Ok(()) = rights.changed() => session.readers.recheck(&mut session.stream, &session.store),
            }
        }
    }
}

/// The timer of progress notifications: its period is drawn out by up to a tenth, so that streams
/// opened together do not stay together.
fn progress_timer(period: Duration) -> Interval {
    let thousandths = u32::try_from(RandomState::new().hash_one(0) % 101).unwrap_or_default();
    let period = period + period * thousandths / 1000;
    let mut timer = interval_at(tokio::time::Instant::now() + period, period);
    // A client that did not read for an hour needs one notification.
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    timer
}

/// A call's stream machine and its surroundings.
struct Session<'a> {
    services: &'a Services,
    call: &'a Call,
    engine: &'a Engine,
    readers: Readers<'a>,
    store: Store<'a>,
    stream: Stream,
    outbound: &'a Outbound,
}

/// Why sending has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pumped {
    /// There is nothing to send.
    Idle,
    /// The client has no room.
    Full,
    /// A step of history was made.
    Reading,
}

impl<'a> Session<'a> {
    fn new(
        services: &'a Services,
        call: &'a Call,
        outbound: &'a Outbound,
        wake: Arc<Notify>,
    ) -> Self {
        let engine = services.engine();
        let limits = Limits::new(engine.limits().max_request_bytes);
        let wake = Box::new(move || wake.notify_one());
        Self {
            services,
            call,
            engine,
            readers: Readers::new(engine),
            store: Store::new(engine),
            stream: Stream::new(Arc::clone(engine.hub()), wake, limits),
            outbound,
        }
    }

    /// Takes a message of the client.
    async fn take(&mut self, message: Bytes) -> Result<(), Status> {
        let WatchRequest { request_union } = decode(message)?;
        let request = match request_union {
            Some(RequestUnion::CreateRequest(request)) => {
                // Before the rights are looked at: what changes after this is looked at again.
                self.readers.recheck(&mut self.stream, &self.store);
                let caller = self.services.identify(self.call).await;
                let mut create = create(request);
                create.denied = self.readers.admit(caller, &create);
                if let Some(notes) = self.call.notes().filter(|_| create.denied.is_some()) {
                    notes.refuse(Code::PermissionDenied);
                }
                Request::Create(create)
            }
            Some(RequestUnion::CancelRequest(request)) => Request::Cancel(request.watch_id),
            Some(RequestUnion::ProgressRequest(_)) => Request::Progress,
            None => return Ok(()),
        };
        self.stream.handle(request, &self.store);
        Ok(())
    }

    /// Sends what there is and the client has room for.
    fn pump(&mut self) -> Result<Pumped, Status> {
        while self.outbound.has_room() {
            match self.stream.poll(&self.store).map_err(error::range)? {
                Step::Send(response) => {
                    // Rights that were lost before an event are known before it is seen.
                    self.readers.recheck(&mut self.stream, &self.store);
                    if self.stream.may_send(&response) {
                        let began = Instant::now();
                        self.send(&response)?;
                        self.note(&response, began);
                    }
                }
                Step::Again => return Ok(Pumped::Reading),
                Step::Idle => return Ok(Pumped::Idle),
            }
        }
        Ok(Pumped::Full)
    }

    /// Notes how long sending a response took.
    fn note(&self, response: &Response, began: Instant) {
        let (sent, events) = match &response.body {
            Body::Events { events, .. } => (Sent::Events, events.len()),
            Body::Progress => (Sent::Progress, 0),
            _ => (Sent::Control, 0),
        };
        let durations = self.services.handle.durations();
        durations.sent(sent, began.elapsed(), events);
    }

    fn send(&self, response: &Response) -> Result<(), Status> {
        let identity = Identity {
            cluster: self.engine.cluster_id(),
            member: self.engine.member_id(),
            term: self.engine.status().term(),
        };
        let mut bytes = BytesMut::new();
        response.encode(&identity, &mut bytes);
        self.outbound
            .push(bytes.freeze())
            .map_err(|_| Status::cancelled())
    }
}

fn create(request: WatchCreateRequest) -> Create {
    let mut filters = Filters::default();
    for filter in request.filters {
        filters.add(filter);
    }
    Create {
        key: request.key,
        range_end: request.range_end,
        start_revision: request.start_revision,
        progress_notify: request.progress_notify,
        filters,
        prev_kv: request.prev_kv,
        watch_id: request.watch_id,
        fragment: request.fragment,
        denied: None,
    }
}
