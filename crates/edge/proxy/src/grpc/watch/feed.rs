//! One watch at a member, that goes on at another one when its stream breaks.
//!
//! The feed knows up to which revision everything was handed out, and asks for the rest whenever it
//! opens a stream again: nothing is missed and nothing comes twice. Only a compaction that overtook
//! it ends it, as a cancellation.

use std::sync::Arc;
use std::time::Duration;

use client::ResponseStream;
use proto::error::{Code, Error};
use proto::etcdserverpb::watch_request::RequestUnion;
use proto::etcdserverpb::{WatchCreateRequest, WatchProgressRequest, WatchRequest, WatchResponse};
use proto::mvccpb::Event;
use rpc::Status;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::super::backend::Backend;
use super::super::failure::{is_passing, status};
use super::super::who::{PATIENCE, Who};

const PATH: &str = "/etcdserverpb.Watch/Watch";
/// The pause before a broken stream is opened again.
const REOPEN_PAUSE: Duration = Duration::from_millis(100);

/// One watch at a member.
pub(super) struct Feed {
    backend: Arc<Backend>,
    who: Who,
    request: WatchCreateRequest,
    open: Option<Open>,
    is_created: bool,
    wants_progress: bool,
    /// Parts of an answer that the member has split.
    parts: Vec<Event>,
    /// Since when there is no stream.
    lost: Option<Instant>,
    is_caught_up: bool,
    /// Whether the revision before the start is over, so that it can be asked for once more: members
    /// tell nothing of the progress of a watch that starts in their future.
    overlaps: bool,
}

struct Open {
    requests: mpsc::Sender<WatchRequest>,
    answers: ResponseStream<WatchResponse>,
}

impl Feed {
    pub(super) fn new(backend: Arc<Backend>, who: Who, request: WatchCreateRequest) -> Self {
        Self {
            backend,
            who,
            request: WatchCreateRequest {
                watch_id: 0,
                // Parts of a large answer are put together here, and split again for those who ask.
                fragment: true,
                ..request
            },
            open: None,
            is_created: false,
            wants_progress: false,
            parts: Vec::new(),
            lost: None,
            is_caught_up: false,
            overlaps: false,
        }
    }

    /// Says that the store has reached the revision before the start.
    pub(super) fn overlapping(self) -> Self {
        Self {
            overlaps: true,
            ..self
        }
    }

    /// Everything up to this revision has been handed out.
    pub(super) fn position(&self) -> i64 {
        self.request.start_revision - 1
    }

    /// Whether a member knows the watch just now.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether the last answer told everything that there was.
    pub(super) fn is_caught_up(&self) -> bool {
        self.is_caught_up
    }

    /// Takes the creation as told: this goes on with an earlier watch.
    pub(super) fn skip_creation(&mut self) {
        self.is_created = true;
    }

    /// Has the member say how far it is, as soon as it can.
    pub(super) fn ask_progress(&mut self) {
        self.wants_progress = true;
        self.send_progress();
    }

    fn send_progress(&mut self) {
        let Some(open) = self.open.as_ref().filter(|_| self.wants_progress) else {
            return;
        };
        let union = RequestUnion::ProgressRequest(WatchProgressRequest {});
        let request = WatchRequest {
            request_union: Some(union),
        };
        // A stream that takes nothing is about to end; then it is asked again.
        self.wants_progress = open.requests.try_send(request).is_err();
    }

    /// The next answer: the creation first, then events, progress, and a cancellation as the last.
    /// Safe to drop while waiting.
    ///
    /// # Errors
    /// What no other member can help with.
    pub(super) async fn next(&mut self) -> Result<WatchResponse, Status> {
        loop {
            let Some(open) = &mut self.open else {
                match self.reopen().await {
                    Ok(open) => self.open = Some(open),
                    Err(failure) => self.rest(failure).await?,
                }
                continue;
            };
            let answer = match open.answers.next().await {
                Ok(Some(answer)) => answer,
                Ok(None) => {
                    let text = "transport: the stream has ended";
                    self.rest(Status::new(Code::Unavailable, text)).await?;
                    continue;
                }
                Err(error) => {
                    self.rest(status(error)).await?;
                    continue;
                }
            };
            self.lost = None;
            if let Some(answer) = self.take(answer) {
                return Ok(answer);
            }
        }
    }

    async fn reopen(&mut self) -> Result<Open, Status> {
        let client = self.backend.client_of(&self.who).map_err(status)?;
        let mut request = self.request.clone();
        if self.overlaps && request.start_revision > 1 {
            request.start_revision -= 1;
        }
        let union = RequestUnion::CreateRequest(request);
        let first = WatchRequest {
            request_union: Some(union),
        };
        let opened = client.relay_both(PATH, vec![first]).await;
        let (requests, answers) = opened.map_err(status)?;
        Ok(Open { requests, answers })
    }

    /// Waits a little after a failure that passes. Who asked for a leader hears that there is none.
    async fn rest(&mut self, failure: Status) -> Result<(), Status> {
        self.open = None;
        self.parts.clear();
        if !is_passing(&failure) {
            return Err(failure);
        }
        let lost = *self.lost.get_or_insert_with(Instant::now);
        if self.who.requires_leader() && lost.elapsed() > PATIENCE {
            return Err(Error::NoLeader.into());
        }
        sleep(REOPEN_PAUSE).await;
        Ok(())
    }

    /// Takes an answer of the member; none when there is nothing to hand out.
    fn take(&mut self, mut answer: WatchResponse) -> Option<WatchResponse> {
        if answer.created {
            return self.created(answer);
        }
        if answer.fragment {
            self.parts.append(&mut answer.events);
            return None;
        }
        if !self.parts.is_empty() {
            let mut events = std::mem::take(&mut self.parts);
            events.append(&mut answer.events);
            answer.events = events;
        }
        if answer.canceled {
            let is_early = self.overlaps && answer.compact_revision == self.request.start_revision;
            if is_early {
                // Only what was asked for once more is gone.
                self.overlaps = false;
                self.open = None;
                return None;
            }
            return Some(answer);
        }
        let (start, had_events) = (self.request.start_revision, !answer.events.is_empty());
        answer.events.retain(|event| {
            let pair = event.kv.as_ref();
            pair.is_none_or(|pair| pair.mod_revision >= start)
        });
        if had_events && answer.events.is_empty() {
            return None;
        }
        self.advance(&answer);
        Some(answer)
    }

    fn created(&mut self, mut answer: WatchResponse) -> Option<WatchResponse> {
        let is_first = !std::mem::replace(&mut self.is_created, true);
        if answer.canceled {
            // Who was already told of the creation hears of the end.
            answer.created = is_first;
            return Some(answer);
        }
        if self.request.start_revision == 0 {
            let now = answer.header.map_or(0, |header| header.revision);
            self.request.start_revision = now + 1;
        }
        self.send_progress();
        is_first.then_some(answer)
    }

    /// Moves the start of a later stream behind what this answer covers.
    fn advance(&mut self, answer: &WatchResponse) {
        let of_store = answer.header.map_or(0, |header| header.revision);
        let covered = match answer.events.last().and_then(|event| event.kv.as_ref()) {
            Some(pair) => pair.mod_revision,
            None => of_store,
        };
        self.is_caught_up = covered >= of_store;
        self.overlaps = true;
        self.request.start_revision = self.request.start_revision.max(covered + 1);
    }
}
