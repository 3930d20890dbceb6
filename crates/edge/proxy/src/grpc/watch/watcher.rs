//! One watcher of a caller: what it still has to be told, and where that comes from.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use proto::error::Code;
use proto::etcdserverpb::watch_create_request::FilterType;
use proto::etcdserverpb::{WatchCreateRequest, WatchResponse};
use proto::mvccpb::event::EventType;
use rpc::Status;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::super::namespace::Namespace;
use super::Hub;
use super::feed::Feed;
use super::groups::{Same, Seat, Told};

/// How often a watcher that is alone looks whether it can join the others.
const JOIN_PERIOD: Duration = Duration::from_secs(1);

/// A watcher.
pub(super) struct Watcher {
    hub: Rc<Hub>,
    /// What was asked for, with the namespace.
    request: WatchCreateRequest,
    same: Same,
    source: Source,
    /// The first revision that it wants and has not been told.
    next: i64,
    /// Moves when the caller asks how far its watchers are.
    asked: watch::Receiver<u64>,
    wants_progress: bool,
    period: Interval,
}

enum Source {
    Shared(Seat),
    Alone(Box<Feed>),
}

impl Watcher {
    pub(super) fn new(
        hub: Rc<Hub>,
        request: WatchCreateRequest,
        same: Same,
        seat: Option<Seat>,
        asked: watch::Receiver<u64>,
    ) -> Self {
        let source = match seat {
            Some(seat) => Source::Shared(seat),
            None => Source::Alone(hub.feed(&same, &request)),
        };
        let mut period = interval_at(Instant::now() + JOIN_PERIOD, JOIN_PERIOD);
        period.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            hub,
            next: request.start_revision,
            request,
            same,
            source,
            asked,
            wants_progress: false,
            period,
        }
    }

    /// What the caller is told next. A cancellation and an error are the last.
    pub(super) async fn next(&mut self) -> Result<WatchResponse, Status> {
        loop {
            let told = match &mut self.source {
                Source::Shared(seat) => tokio::select! {
                    told = seat.answers.recv() => match told {
                        Ok(told) => Some(told),
                        Err(RecvError::Lagged(_)) => {
                            self.go_alone();
                            None
                        }
                        Err(RecvError::Closed) => {
                            let text = "transport: the shared watch has ended";
                            return Err(Status::new(Code::Unavailable, text));
                        }
                    },
                    Ok(()) = self.asked.changed() => {
                        self.wants_progress = true;
                        seat.group.ask_progress();
                        None
                    }
                },
                Source::Alone(feed) => tokio::select! {
                    answer = feed.next() => Some(Told::new(answer)),
                    Ok(()) = self.asked.changed() => {
                        self.wants_progress = true;
                        feed.ask_progress();
                        None
                    }
                    _ = self.period.tick(), if feed.is_open() => {
                        feed.ask_progress();
                        None
                    }
                },
            };
            let Some(told) = told else { continue };
            let answer = Result::clone(&told)?;
            self.join();
            if let Some(answer) = self.take(answer) {
                return Ok(answer);
            }
        }
    }

    /// Goes on with a watch of its own.
    fn go_alone(&mut self) {
        let request = WatchCreateRequest {
            start_revision: self.next,
            ..self.request.clone()
        };
        let mut feed = self.hub.feed(&self.same, &request);
        feed.skip_creation();
        self.source = Source::Alone(feed);
    }

    /// Joins the others, if this watcher has come as far as they have.
    fn join(&mut self) {
        let Source::Alone(feed) = &self.source else {
            return;
        };
        let position = feed.position();
        if position < self.next.max(1) - 1 || !feed.is_caught_up() {
            return;
        }
        if let Some(seat) = self.hub.groups.join_behind(&self.same, position) {
            self.source = Source::Shared(seat);
            if self.wants_progress
                && let Source::Shared(seat) = &self.source
            {
                seat.group.ask_progress();
            }
        }
    }

    /// What of an answer is for the caller.
    fn take(&mut self, mut answer: WatchResponse) -> Option<WatchResponse> {
        if answer.created || answer.canceled {
            if self.next == 0 {
                self.next = answer.header.map_or(0, |header| header.revision) + 1;
            }
            return Some(answer);
        }
        if answer.events.is_empty() {
            let revision = answer.header.map_or(0, |header| header.revision);
            if revision + 1 < self.next {
                return None;
            }
            self.next = self.next.max(revision + 1);
            // Either the caller has asked just now, or for all times.
            let is_asked = std::mem::take(&mut self.wants_progress);
            return (is_asked || self.request.progress_notify).then_some(answer);
        }
        let (next, filters) = (self.next, &self.request.filters);
        answer.events.retain(|event| {
            let revision = event.kv.as_ref().map_or(0, |pair| pair.mod_revision);
            self.next = self.next.max(revision + 1);
            let filtered = match event.r#type() {
                EventType::Put => FilterType::Noput,
                EventType::Delete => FilterType::Nodelete,
            };
            revision >= next && !filters.contains(&i32::from(filtered))
        });
        (!answer.events.is_empty()).then_some(answer)
    }
}

/// What a caller sees of an answer.
pub(super) fn shown(namespace: &Namespace, mut answer: WatchResponse, id: i64) -> WatchResponse {
    if !namespace.is_whole() {
        namespace.happened(&mut answer.events);
    }
    // A creation that is refused has no id.
    if !(answer.created && answer.canceled) {
        answer.watch_id = id;
    }
    answer.fragment = false;
    answer
}

impl Hub {
    fn feed(&self, same: &Same, request: &WatchCreateRequest) -> Box<Feed> {
        let backend = Arc::clone(&self.backend);
        // Events that this caller does not want tell how far the member is.
        let request = WatchCreateRequest {
            filters: Vec::new(),
            progress_notify: true,
            ..request.clone()
        };
        Box::new(Feed::new(backend, same.who.clone(), request))
    }
}
