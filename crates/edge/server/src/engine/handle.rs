//! What a connection thread holds of the engine: propose, wait, read.
//!
//! A handle belongs to one thread. Proposals of one turn of the reactor leave in one batch; answers
//! come back through the thread's mailbox in one batch and wake their waiters here. Nothing in this
//! file is shared between threads except the inbox and the mailbox.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use apply::Applied;
use auth::Who;
use bytes::Bytes;
use foldhash::fast::FixedState;
use prost::Message;
use proto::error::Error;
use proto::etcdserverpb::{InternalRaftRequest, RequestHeader};
use tokio::sync::{Notify, oneshot};
use types::{EntryKind, MemberId, RequestId, Term};

use super::durations::ThreadDurations;
use super::inbox::Inbox;
use super::mailbox::{Letter, RequestIds};
use super::ops::Op;
use super::raft_thread::{Proposal, RaftInput};
use super::shared::{Engine, unix_millis};
use crate::membership::handover;

/// How often requests past their deadline are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_millis(250);

/// How often it is looked at whether another member leads.
const TRANSFER_POLL: Duration = Duration::from_millis(10);

/// One thread's way to the engine; cheap to clone within its thread.
#[derive(Clone, Debug)]
pub struct Handle(Rc<Local>);

#[derive(Debug)]
struct Local {
    engine: Engine,
    thread: usize,
    ids: RequestIds,
    raft: Inbox<RaftInput>,
    waiting: RefCell<HashMap<RequestId, Waiter, FixedState>>,
    outbox: RefCell<Vec<RaftInput>>,
    outbox_filled: Notify,
    is_flush_due: Cell<bool>,
    durations: Arc<ThreadDurations>,
}

#[derive(Debug)]
struct Waiter {
    answer: oneshot::Sender<Result<Option<Applied>, Error>>,
    deadline: Instant,
    purpose: Purpose,
}

impl Waiter {
    fn is_read(&self) -> bool {
        matches!(self.purpose, Purpose::Read)
    }
}

/// What somebody waits for.
#[derive(Clone, Copy, Debug)]
enum Purpose {
    /// That a request is applied; whether a leader was known when it was proposed.
    Proposal { had_leader: bool },
    /// That a read is confirmed.
    Read,
}

impl Handle {
    /// The handle of thread `thread`, and the tasks that serve it, spawned on the current
    /// [`tokio::task::LocalSet`].
    #[must_use]
    pub fn start(engine: Engine, thread: usize) -> Self {
        let durations = engine.meters().thread_durations();
        let local = Rc::new(Local {
            durations,
            ids: RequestIds::new(engine.post(), thread, unix_millis()),
            raft: engine.raft_inbox().clone(),
            engine,
            thread,
            waiting: RefCell::default(),
            outbox: RefCell::default(),
            outbox_filled: Notify::new(),
            is_flush_due: Cell::new(false),
        });
        tokio::task::spawn_local(deliver_letters(Rc::clone(&local)));
        tokio::task::spawn_local(flush_outbox(Rc::clone(&local)));
        tokio::task::spawn_local(sweep(Rc::clone(&local)));
        Self(local)
    }

    /// The state that all threads share.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// Where this thread notes how long things take.
    #[must_use]
    pub(crate) fn durations(&self) -> &ThreadDurations {
        &self.0.durations
    }

    /// A fresh request id, as used for generated lease ids.
    #[must_use]
    pub fn next_id(&self) -> RequestId {
        self.0.ids.next()
    }

    /// Proposes a request and waits until this member has applied it.
    ///
    /// The header is filled in here. Rejections arrive inside [`Applied`].
    ///
    /// # Errors
    /// [`Error::TooManyRequests`] when applying lags, [`Error::RequestTooLarge`],
    /// [`Error::Timeout`] or, without a leader, [`Error::ContextDeadline`] after the request
    /// timeout, [`Error::Stopped`].
    pub fn propose(
        &self,
        request: InternalRaftRequest,
    ) -> impl Future<Output = Result<Applied, Error>> + use<'_> {
        self.propose_as(Who::default(), request)
    }

    /// The same for a caller whose rights decide when the request is applied.
    ///
    /// # Errors
    /// As [`Handle::propose`].
    pub fn propose_as(
        &self,
        who: Who<'_>,
        request: InternalRaftRequest,
    ) -> impl Future<Output = Result<Applied, Error>> + use<'_> {
        // Encoded before the first await: the message is large, and a future keeps what it holds.
        let prepared = self.prepare(who, request);
        async move {
            let (id, data) = prepared?;
            self.submit(id, EntryKind::Normal, data).await
        }
    }

    /// The same for what only the leader of `term` may ask for, by its own clock: it is never passed
    /// on to another leader.
    ///
    /// # Errors
    /// As [`Handle::propose`]; a member that does not lead in that term gets no answer in time.
    pub async fn propose_in(
        &self,
        term: Term,
        who: Who<'_>,
        request: InternalRaftRequest,
    ) -> Result<Applied, Error> {
        let (id, data) = self.prepare(who, request)?;
        let kind = EntryKind::Normal;
        let input = RaftInput::ProposeIn(term, Proposal { id, kind, data });
        let purpose = Purpose::Proposal { had_leader: true };
        let applied = self.0.ask(id, input, purpose).await?;
        applied.ok_or(Error::Stopped)
    }

    /// Numbers and encodes a request, if it may be proposed.
    fn prepare(
        &self,
        who: Who<'_>,
        mut request: InternalRaftRequest,
    ) -> Result<(RequestId, Bytes), Error> {
        let local = &self.0;
        if local.engine.status().is_overloaded() {
            return Err(Error::TooManyRequests);
        }
        let id = local.ids.next();
        request.header = Some(RequestHeader {
            id: id.0,
            username: who.user.to_owned(),
            auth_revision: who.revision,
        });
        let data = Bytes::from(request.encode_to_vec());
        let limit = local.engine.limits().max_request_bytes;
        if data.len() > limit {
            let (bytes, user) = (data.len(), who.user);
            tracing::warn!(bytes, limit, user, "refused a request that is too large");
            return Err(Error::RequestTooLarge);
        }
        Ok((id, data))
    }

    /// Proposes a change of the membership and waits until this member has applied it. Whether the
    /// change is wise is asked before; what the members make of it arrives inside [`Applied`].
    ///
    /// # Errors
    /// As [`Handle::propose`].
    pub async fn propose_conf_change(&self, change: &cluster::Change) -> Result<Applied, Error> {
        let id = self.0.ids.next();
        let data = change.to_conf_change(id).encode();
        self.submit(id, EntryKind::ConfChange, data).await
    }

    /// Has the leadership handed to `to`, and waits until this member sees it lead. Any member may
    /// ask.
    ///
    /// # Errors
    /// [`Error::NoLeader`], [`Error::BadLeaderTransferee`] for one that does not vote, and
    /// [`Error::Timeout`] when `to` does not lead within the request timeout.
    pub async fn transfer_leader(&self, to: MemberId) -> Result<(), Error> {
        let engine = &self.0.engine;
        let membership = engine.membership();
        if membership.member(to).is_none_or(|member| member.is_learner) {
            return Err(Error::BadLeaderTransferee);
        }
        if engine.status().leader().is_none() {
            return Err(Error::NoLeader);
        }
        let (local, from) = (engine.member_id(), engine.status().leader());
        handover::starting(local, from, to);
        engine.ask_transfer(to);
        let begin = Instant::now();
        let deadline = begin + engine.limits().request_timeout;
        while engine.status().leader() != to {
            if Instant::now() >= deadline {
                return Err(Error::Timeout);
            }
            tokio::time::sleep(TRANSFER_POLL).await;
        }
        handover::finished(local, from, to, begin.elapsed());
        Ok(())
    }

    async fn submit(&self, id: RequestId, kind: EntryKind, data: Bytes) -> Result<Applied, Error> {
        let had_leader = !self.0.engine.status().leader().is_none();
        let op = match kind {
            EntryKind::Normal => Some(Op::of_proposal(&data)),
            _ => None,
        };
        let began = Instant::now();
        let proposal = RaftInput::Propose(Proposal { id, kind, data });
        let purpose = Purpose::Proposal { had_leader };
        let answer = self.0.ask(id, proposal, purpose).await;
        if let Some(op) = op {
            // Without a leader the proposal was not even taken.
            let was_taken = !matches!(answer, Err(Error::ContextDeadline));
            self.durations().request(op, began.elapsed(), was_taken);
        }
        answer?.ok_or(Error::Stopped)
    }

    /// Waits until a read on this thread sees everything that was acknowledged before the call.
    ///
    /// # Errors
    /// [`Error::Timeout`] without a leader that can prove itself, [`Error::Stopped`].
    pub async fn linearizable(&self) -> Result<(), Error> {
        // A sole voter acknowledges a write only after it is applied here, and nobody else can.
        if self.0.engine.status().is_sole_leader() {
            return Ok(());
        }
        let id = self.0.ids.next();
        self.0
            .ask(id, RaftInput::Read(id), Purpose::Read)
            .await
            .map(drop)
    }
}

impl Local {
    async fn ask(
        self: &Rc<Self>,
        id: RequestId,
        input: RaftInput,
        purpose: Purpose,
    ) -> Result<Option<Applied>, Error> {
        let (answer, answered) = oneshot::channel();
        let deadline = Instant::now() + self.engine.limits().request_timeout;
        self.waiting.borrow_mut().insert(
            id,
            Waiter {
                answer,
                deadline,
                purpose,
            },
        );
        let _forget = Forget { local: self, id };
        self.outbox.borrow_mut().push(input);
        if !self.is_flush_due.replace(true) {
            self.outbox_filled.notify_one();
        }
        answered.await.unwrap_or(Err(Error::Stopped))
    }
}

impl Local {
    fn timeout_error(&self, waiter: &Waiter) -> Error {
        let meters = self.engine.meters();
        match waiter.purpose {
            Purpose::Proposal { .. } => meters.proposal_failed(),
            Purpose::Read => meters.read_failed(),
        }
        match waiter.purpose {
            Purpose::Read => Error::Timeout,
            Purpose::Proposal { had_leader } => {
                let timeout = self.engine.limits().request_timeout;
                // A deadline this early in the life of the machine does not occur.
                let began = waiter.deadline.checked_sub(timeout);
                let began = began.unwrap_or(waiter.deadline);
                self.engine.timeout_error(began, had_leader)
            }
        }
    }
}

/// Forgets a waiter whose caller went away.
struct Forget<'a> {
    local: &'a Local,
    id: RequestId,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.local.waiting.borrow_mut().remove(&self.id);
    }
}

async fn flush_outbox(local: Rc<Local>) {
    loop {
        local.outbox_filled.notified().await;
        // Let the requests that the same read brought in be decoded first.
        tokio::task::yield_now().await;
        local.is_flush_due.set(false);
        let mut outbox = local.outbox.borrow_mut();
        local.raft.extend(outbox.drain(..));
    }
}

async fn deliver_letters(local: Rc<Local>) {
    let engine = local.engine.clone();
    let mailbox = engine.post().mailbox(local.thread);
    loop {
        for letter in mailbox.take().await {
            let (id, answer) = match letter {
                Letter::Applied(applied) => (applied.id, Some(applied)),
                Letter::ReadConfirmed(id) => (id, None),
            };
            if let Some(waiter) = local.waiting.borrow_mut().remove(&id) {
                // The caller may have gone away: then nobody wants the answer.
                let _ = waiter.answer.send(Ok(answer));
            }
        }
    }
}

async fn sweep(local: Rc<Local>) {
    let mut interval = tokio::time::interval(SWEEP_INTERVAL);
    loop {
        interval.tick().await;
        let now = Instant::now();
        let late = |_: &RequestId, waiter: &mut Waiter| waiter.deadline <= now;
        let expired: Vec<_> = local.waiting.borrow_mut().extract_if(late).collect();
        if expired.iter().any(|(_, waiter)| waiter.is_read()) {
            let timeout = local.engine.limits().request_timeout;
            tracing::warn!(
                ?timeout,
                "timed out waiting for read index response (local node might have slow network)"
            );
        }
        for (_, waiter) in expired {
            let error = local.timeout_error(&waiter);
            // The caller may have gone away.
            let _ = waiter.answer.send(Err(error));
        }
    }
}
