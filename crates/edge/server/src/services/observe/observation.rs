//! One request, from when it is taken until it is answered or given up.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use prost::Message as _;
use proto::METHODS;
use proto::error::Code;
use proto::etcdserverpb::ResponseHeader;
use rpc::{Call, MethodId, Notes, Peer, PeerAddress, Status};

use super::usage::Used;
use super::{Observers, subjects};
use crate::audit::{self, Audit, Line, Subject, Verdict};
use crate::services::call::Known;
use crate::traces::{Context, Traced};

/// A request on its way. One that is dropped before it is answered was given up by its client.
pub(super) struct Observation {
    observers: Arc<Observers>,
    caller: Caller,
    subject: Subject,
    trace: Option<Context>,
    at: Timestamp,
    began: Instant,
    used: Used,
    is_over: bool,
}

/// What all requests of a call have in common.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) known: Known,
    method: MethodId,
    client: PeerAddress,
    certificate: Option<Rc<str>>,
    deadline: Option<tokio::time::Instant>,
    /// What the client says of its trace.
    traceparent: Option<Rc<str>>,
    notes: Rc<Notes>,
}

impl Caller {
    pub(super) fn of(known: Known, call: &Call, notes: Rc<Notes>) -> Self {
        let identity = call.peer().identity();
        let certificate = identity.map(|identity| identity.common_name.as_str().into());
        Self {
            known,
            method: call.method,
            client: Peer::address(call.peer()),
            certificate,
            deadline: call.deadline(),
            traceparent: call.metadata("traceparent").map(Into::into),
            notes,
        }
    }

    fn place(&self) -> usize {
        usize::from(self.method.0)
    }
}

impl Observation {
    pub(super) fn begin(
        observers: Arc<Observers>,
        known: Known,
        call: &Call,
        notes: Rc<Notes>,
        request: &Bytes,
    ) -> Self {
        Self::of(observers, Caller::of(known, call, notes), request)
    }

    /// A request of a caller.
    pub(super) fn of(observers: Arc<Observers>, caller: Caller, request: &Bytes) -> Self {
        let subject = match observers.describes(caller.place()) {
            true => subjects::subject(caller.known, request),
            false => Subject::default(),
        };
        let tracer = observers.tracer.as_ref();
        let trace = tracer.and_then(|tracer| tracer.begin(caller.traceparent.as_deref()));
        Self {
            observers,
            caller,
            subject,
            trace,
            at: Timestamp::now(),
            began: Instant::now(),
            used: Used {
                requests: 1,
                received: request.len() as u64,
                ..Used::default()
            },
            is_over: false,
        }
    }

    /// The request has its one answer, and kept its thread busy for so long.
    pub(super) fn answered(mut self, answer: &Result<Bytes, Status>, busy: Duration) {
        self.used.busy = busy;
        self.used.sent = answer.as_ref().map_or(0, |answer| answer.len() as u64);
        match answer {
            Ok(answer) => self.end(Code::Ok, revision(answer)),
            Err(status) => self.end(status.code, None),
        }
    }

    /// The request of a stream is done with, unless a part of it was refused.
    pub(super) fn done(mut self) {
        let refused = self.caller.notes.take_refusal();
        self.end(refused.unwrap_or(Code::Ok), None);
    }

    /// The request ended so.
    pub(super) fn ended(mut self, code: Code) {
        self.end(code, None);
    }

    fn end(&mut self, code: Code, revision: Option<i64>) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        if let Some(audit) = &self.observers.audit {
            self.record(audit, code, revision);
        }
        if let Some(usage) = &self.observers.usage {
            let user = self.caller.notes.user();
            usage.count(
                self.caller.client,
                user.as_deref(),
                &self.subject,
                self.used,
            );
        }
        if let (Some(tracer), Some(trace)) = (&self.observers.tracer, &self.trace) {
            tracer.end(
                trace,
                &Traced {
                    method: &METHODS[self.caller.place()],
                    at: self.at,
                    began: self.began,
                    steps: self.caller.notes.take_steps(),
                    code,
                    client: &self.caller.client.to_string(),
                },
            );
        }
    }

    fn record(&self, audit: &Audit, code: Code, revision: Option<i64>) {
        let Caller {
            client,
            certificate,
            notes,
            ..
        } = &self.caller;
        let method = self.caller.place();
        let verdict = audit.policy().by_method(method);
        if verdict == Verdict::Skip {
            return;
        }
        let (user, subject) = (notes.user(), &self.subject);
        let user = user.as_deref();
        let request = audit::Request {
            method,
            user: user.unwrap_or_default(),
            subject,
        };
        if verdict == Verdict::Look && !audit.policy().records(request) {
            return;
        }
        audit.record(&Line {
            at: self.at,
            user,
            certificate: certificate.as_deref(),
            client: *client,
            method: &METHODS[method],
            subject,
            code,
            revision,
            took: self.began.elapsed(),
        });
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        let is_late = |at: tokio::time::Instant| at <= tokio::time::Instant::now();
        let code = match self.caller.deadline.is_some_and(is_late) {
            true => Code::DeadlineExceeded,
            false => Code::Cancelled,
        };
        self.end(code, None);
    }
}

impl Observers {
    /// Whether somebody wants to know what requests of this method are about.
    fn describes(&self, method: usize) -> bool {
        let audit = self.audit.as_ref();
        let is_counted = self
            .usage
            .as_ref()
            .is_some_and(|usage| usage.is_by_prefix());
        is_counted || audit.is_some_and(|audit| audit.policy().by_method(method) != Verdict::Skip)
    }
}

/// The revision in the header of an answer, which is the first field of all that have one.
fn revision(answer: &[u8]) -> Option<i64> {
    const HEADER: u8 = 1 << 3 | 2;
    let [HEADER, len, rest @ ..] = answer else {
        return None;
    };
    // A header is much shorter than what one byte can tell.
    let header = rest.get(..usize::from(*len))?;
    let ResponseHeader {
        member_id,
        revision,
        ..
    } = ResponseHeader::decode(header).ok()?;
    (member_id != 0).then_some(revision)
}
