//! The Lock and Election services: queues of keys, served by calls within the process.
//!
//! Whoever wants the lock, or to lead, writes a key `<name>/<lease in hex>` that lives as long as its
//! lease. The keys queue by their creation revision: the oldest holds the lock, everybody else waits
//! until all older keys are gone. Clients that keep such a queue themselves stand in the same one.
//!
//! Every step is a call of the KV, Watch or Lease service with the caller's own metadata, through
//! the same door as calls from outside, so that whatever is checked there is checked here. As in
//! etcd, every error of these services has the code UNKNOWN and keeps its text.

mod caller;
mod election;
mod lock;
mod observe;
mod queue;

use std::rc::Rc;

use bytes::Bytes;
use proto::error::{Code, Error};
use rpc::{Call, Outbound, Status};
use tokio::sync::oneshot;

use self::caller::Caller;
use super::{Known, Services, decode, encode};

/// How long a lease lives that the service grants for a request without one, in seconds.
const LEASE_TTL: i64 = 60;
/// What is said when the lease has run out while its holder waited.
const SESSION_EXPIRED: &str = "mutex: session is expired";
const NO_LEADER: &str = "election: no leader";
const NOT_LEADER: &str = "election: not leader";
const MISSING_LEADER: &str = "\"leader\" field must be provided";

impl Services {
    /// Answers a unary call of the two services.
    pub(super) async fn concurrency(
        self: Rc<Self>,
        known: Known,
        call: Call,
        request: Bytes,
    ) -> Result<Bytes, Status> {
        let caller = Caller::new(self, call);
        let answer = match known {
            Known::Lock => waiting(caller, |c| lock::lock(c, request)).await,
            Known::Unlock => lock::unlock(&caller, request).await,
            Known::Campaign => waiting(caller, |c| election::campaign(c, request)).await,
            Known::Proclaim => election::proclaim(&caller, request).await,
            Known::Leader => election::leader(&caller, request).await,
            Known::Resign => election::resign(&caller, request).await,
            _ => Err(Status::undecodable()),
        };
        answer.map_err(unknown)
    }

    /// Answers the one stream of the two services.
    pub(super) async fn election_observe(
        self: Rc<Self>,
        call: Call,
        request: Bytes,
        outbound: Outbound,
    ) -> Result<(), Status> {
        let caller = Caller::new(self, call);
        observe::observe(&caller, request, &outbound)
            .await
            .map_err(unknown)
    }
}

/// What a call that waits in a queue leaves behind when it does not get its turn.
struct Waiting<'a> {
    caller: &'a Caller,
    gone: &'a mut oneshot::Sender<Result<Bytes, Status>>,
}

impl Waiting<'_> {
    /// Runs `step` until its caller is gone or the server stops.
    async fn step<T>(
        &mut self,
        step: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Status> {
        tokio::select! {
            biased;
            done = step => done,
            () = self.gone.closed() => Err(Status::cancelled()),
            () = self.caller.stopped() => Err(Error::Stopped.into()),
        }
    }
}

/// Runs a call that may wait in a task of its own, which lives on to clean up when its caller goes away.
async fn waiting<F>(
    caller: Caller,
    work: impl FnOnce(WaitingCall) -> F + 'static,
) -> Result<Bytes, Status>
where
    F: Future<Output = ()> + 'static,
{
    let (answer, answered) = oneshot::channel();
    tokio::task::spawn_local(work(WaitingCall { caller, answer }));
    answered
        .await
        .unwrap_or_else(|_| Err(Error::Stopped.into()))
}

/// The call of a task that may outlive its caller.
struct WaitingCall {
    caller: Caller,
    answer: oneshot::Sender<Result<Bytes, Status>>,
}

impl WaitingCall {
    fn split(&mut self) -> Waiting<'_> {
        Waiting {
            caller: &self.caller,
            gone: &mut self.answer,
        }
    }

    fn finish(self, result: Result<Bytes, Status>) {
        // A caller that went away wants no answer.
        let _ = self.answer.send(result);
    }
}

/// The code of whatever these services refuse; a call that its client gave up keeps its own.
fn unknown(status: Status) -> Status {
    match status.code {
        Code::Unknown => status,
        _ => Status::new(Code::Unknown, status.message),
    }
}
