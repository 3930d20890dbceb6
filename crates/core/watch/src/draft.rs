//! A response with events in the making.
//!
//! Previous pairs are looked up here, when the events are about to be sent, and in steps: one
//! revision may hold a hundred thousand deletions.

use std::sync::Arc;

use types::{Event, EventKind, RevisionEvents};

use crate::encode::ENVELOPE_BYTES_MAX;
use crate::history::{History, HistoryError};
use crate::limits::Limits;
use crate::response::{Body, Response, SentEvent};
use crate::watcher::Spec;

/// What one step may cost, in events looked at: well under 1 ms.
const STEP_COST_MAX: usize = 8192;
/// What a look-up of a previous pair costs, in events looked at: some microseconds.
const LOOKUP_COST: usize = 64;

/// Events of one watcher on their way into one response, or into its parts.
#[derive(Debug)]
pub(crate) struct Draft {
    /// The watcher's serial number.
    pub(crate) serial: u64,
    spec: Arc<Spec>,
    /// The revision of the header.
    revision: i64,
    source: Vec<Arc<RevisionEvents>>,
    /// The next revision in `source` and the next event in it.
    at: (usize, usize),
    part: Vec<SentEvent>,
    /// The encoded size of `part`.
    part_bytes: usize,
    /// The revision of the newest event in `part`.
    part_revision: i64,
}

/// What a step has made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Drafted {
    /// Nothing yet.
    Unfinished,
    /// A part; others follow.
    Part(Response),
    /// The last part, or nothing if the watcher wants none of the events.
    Last(Option<Response>),
}

impl Draft {
    pub(crate) fn new(
        serial: u64,
        spec: Arc<Spec>,
        revision: i64,
        source: Vec<Arc<RevisionEvents>>,
    ) -> Self {
        Self {
            serial,
            spec,
            revision,
            source,
            at: (0, 0),
            part: Vec::new(),
            part_bytes: 0,
            part_revision: 0,
        }
    }

    /// The watcher's id.
    pub(crate) fn watch_id(&self) -> i64 {
        self.spec.watch_id
    }

    /// Works on; not to be called again after [`Drafted::Last`].
    pub(crate) fn step<H: History>(
        &mut self,
        history: &H,
        limits: &Limits,
    ) -> Result<Drafted, H::Fault> {
        let mut cost = 0;
        while cost < STEP_COST_MAX {
            self.skip_finished();
            let Some((revision, event)) = self.peek() else {
                let last = (!self.part.is_empty()).then(|| self.take(false));
                return Ok(Drafted::Last(last));
            };
            cost += 1;
            if !self.spec.admits(event) {
                self.at.1 += 1;
                continue;
            }
            let wants_previous = self.spec.prev_kv && has_previous(event);
            let mut sent = SentEvent {
                encoded: event.encoded.clone(),
                previous: None,
            };
            if wants_previous {
                cost += LOOKUP_COST;
                sent.previous = match history.record_at(&event.key, revision - 1) {
                    Ok(record) => record,
                    Err(HistoryError::Compacted { .. }) => None,
                    Err(HistoryError::Fault(fault)) => return Err(fault),
                };
            }
            self.at.1 += 1;
            let full = self.finish_part(revision, &sent, limits);
            self.part_bytes += sent.field_len();
            self.part_revision = revision;
            self.part.push(sent);
            if let Some(response) = full {
                return Ok(Drafted::Part(response));
            }
        }
        Ok(Drafted::Unfinished)
    }

    /// Moves on from a revision that has been looked at.
    fn skip_finished(&mut self) {
        while self
            .source
            .get(self.at.0)
            .is_some_and(|events| self.at.1 >= events.events.len())
        {
            self.at = (self.at.0 + 1, 0);
        }
    }

    /// The next event and its revision.
    fn peek(&self) -> Option<(i64, &Event)> {
        let events = self.source.get(self.at.0)?;
        Some((events.revision, events.events.get(self.at.1)?))
    }

    /// The part so far, if the next event does not belong into it: because a response between two
    /// revisions has become large (previous pairs may be much larger than the events), or because
    /// the watcher allows a revision to be split.
    fn finish_part(
        &mut self,
        revision: i64,
        next: &SentEvent,
        limits: &Limits,
    ) -> Option<Response> {
        if self.part.is_empty() {
            return None;
        }
        let bytes = ENVELOPE_BYTES_MAX + self.part_bytes + next.field_len();
        if revision != self.part_revision && bytes > limits.chunk_bytes {
            Some(self.take(false))
        } else if self.spec.fragment && bytes >= limits.fragment_bytes {
            Some(self.take(true))
        } else {
            None
        }
    }

    fn take(&mut self, fragment: bool) -> Response {
        self.part_bytes = 0;
        Response {
            watch_id: self.spec.watch_id,
            revision: self.revision,
            body: Body::Events {
                events: std::mem::take(&mut self.part),
                fragment,
            },
        }
    }
}

/// Whether there was a pair before this event.
fn has_previous(event: &Event) -> bool {
    match event.kind {
        EventKind::Put => !event.created,
        EventKind::Delete => true,
    }
}
