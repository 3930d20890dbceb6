//! Watching over calls: the one place that sees every request and what came of it.
//!
//! Nothing here decides anything, and nothing runs unless somebody wants to know. A call that another
//! call makes for its caller is a part of that one, and not seen on its own. Of streams that take many
//! requests, each request is seen.

mod observation;
mod path;
mod streams;
mod subjects;
mod usage;

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rpc::{Call, Inbound, Outbound, Status};

use self::observation::Observation;
pub use self::usage::UsageConfig;
pub(crate) use self::usage::{Row, Usage};
use super::{Known, Services};
use crate::audit::Audit;
use crate::traces::Tracer;

/// Who wants to know of requests.
#[derive(Debug)]
pub(crate) struct Observers {
    pub(crate) audit: Option<Arc<Audit>>,
    pub(crate) tracer: Option<Arc<Tracer>>,
    pub(crate) usage: Option<Arc<Usage>>,
}

impl Observers {
    /// Whether there is anybody.
    pub(crate) fn is_wanted(&self) -> bool {
        self.audit.is_some() || self.tracer.is_some() || self.usage.is_some()
    }

    /// Has everything written and sent that waits.
    pub(crate) fn stop(&self, patience: Duration) {
        if let Some(audit) = &self.audit {
            audit.stop(patience);
        }
        if let Some(tracer) = &self.tracer {
            tracer.stop(patience);
        }
    }
}

impl Services {
    /// Who wants to know of this call.
    pub(super) fn observers(&self, call: &Call) -> Option<&Arc<Observers>> {
        self.observers.as_ref().filter(|_| !call.is_inner())
    }

    pub(super) async fn observed_unary(
        self: Rc<Self>,
        mut call: Call,
        request: Bytes,
    ) -> Result<Bytes, Status> {
        let Some(observers) = self.observers.clone() else {
            return self.answer_unary(call, request).await;
        };
        let known = self.known(&call);
        let notes = call.take_notes();
        let observation = Observation::begin(observers, known, &call, notes, &request);
        let mut answering = pin!(self.answer_unary(call, request));
        let mut busy = Duration::ZERO;
        let answer = poll_fn(|cx| {
            let began = Instant::now();
            let polled = answering.as_mut().poll(cx);
            busy += began.elapsed();
            polled
        });
        let answer = answer.await;
        observation.answered(&answer, busy);
        answer
    }

    pub(super) async fn observed_stream(
        self: Rc<Self>,
        mut call: Call,
        inbound: Inbound,
        outbound: Outbound,
    ) -> Result<(), Status> {
        let Some(observers) = self.observers.clone() else {
            return self.answer_stream(call, inbound, outbound).await;
        };
        let known = self.known(&call);
        let notes = call.take_notes();
        let (stream, inbound) = streams::observe(observers, known, &call, notes, inbound);
        let answered = self.answer_stream(call, inbound, outbound).await;
        stream.ended(&answered);
        answered
    }
}

/// Whether a stream takes any number of requests, each answered before the next is taken.
fn takes_many(known: Known) -> bool {
    matches!(known, Known::Watch | Known::LeaseKeepAlive)
}
