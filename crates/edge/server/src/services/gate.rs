//! What is checked before a call is looked at: learners, metadata, the leader.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use proto::error::Error;
use rpc::{Call, Status};
use tokio::time::{MissedTickBehavior, interval};

use super::Services;
use super::call::Known;

/// Looks for a leader that find none, before a stream that requires one is ended.
const CHECKS_WITHOUT_LEADER: u32 = 3;

impl Services {
    /// The gate of unary calls. On a learner a range has to be serializable, which is checked when
    /// it is decoded.
    pub(super) fn check_unary(&self, known: Known, call: &Call) -> Result<(), Error> {
        let is_for_learners = matches!(known, Known::Status | Known::Range);
        self.check(is_for_learners, call)
    }

    /// The gate of streams.
    pub(super) fn check_stream(&self, known: Known, call: &Call) -> Result<(), Error> {
        self.check(known == Known::Snapshot, call)
    }

    fn check(&self, is_for_learners: bool, call: &Call) -> Result<(), Error> {
        if !is_for_learners && self.engine().status().is_learner() {
            return Err(Error::NotSupportedForLearner);
        }
        if call.client_api_version().is_err() {
            return Err(Error::InvalidClientAPIVersion);
        }
        if call.requires_leader() && !self.has_leader() {
            return Err(Error::NoLeader);
        }
        Ok(())
    }

    fn has_leader(&self) -> bool {
        !self.engine().status().leader().is_none()
    }

    /// Runs a stream; one that requires a leader ends when none was there for a while.
    pub(super) async fn while_led(
        &self,
        requires_leader: bool,
        stream: impl Future<Output = Result<(), Status>>,
    ) -> Result<(), Status> {
        if !requires_leader {
            return stream.await;
        }
        let mut stream = pin!(stream);
        let mut lost = pin!(self.leader_lost());
        poll_fn(|cx| match stream.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => lost.as_mut().poll(cx).map(|()| Err(Error::NoLeader.into())),
        })
        .await
    }

    async fn leader_lost(&self) {
        let mut checks = interval(self.engine().limits().election_timeout);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut without = 0;
        while without < CHECKS_WITHOUT_LEADER {
            checks.tick().await;
            without = if self.has_leader() { 0 } else { without + 1 };
        }
    }
}
