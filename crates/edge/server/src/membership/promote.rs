//! Promoting a learner: the leader decides, others ask it to.

use std::time::{Duration, Instant};

use bytes::Bytes;
use cluster::{Change, Member};
use http::StatusCode;
use http::header::AUTHORIZATION;
use proto::error::Error;
use rpc::Status;
use tokio::time::sleep;
use types::MemberId;

use super::ask::{Question, ask_any};
use super::leases::leader_urls;
use super::{answers, strict};
use crate::engine::Handle;
use crate::services::error;

/// Pause before the leader is asked again.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// How a leader says that the member votes already.
pub(crate) const NOT_LEARNER: &str = "membership: can only promote a learner member";

/// Promotes a learner, here or through the leader; the members after it. `token` says in whose name.
pub(crate) async fn promote(
    handle: &Handle,
    id: MemberId,
    token: Option<&str>,
) -> Result<Vec<Member>, Status> {
    let deadline = Instant::now() + handle.engine().limits().request_timeout;
    loop {
        match promote_here(handle, id).await {
            Err(refusal) if refusal == Status::from(Error::NotLeader) => {}
            other => return other,
        }
        if let Some(urls) = leader_urls(handle)
            && let Some(answer) = forward(handle, &urls, id, token).await
        {
            return answer;
        }
        if Instant::now() >= deadline {
            let has_leader = !handle.engine().status().leader().is_none();
            return Err(match has_leader {
                true => Error::Timeout.into(),
                false => Error::NoLeader.into(),
            });
        }
        sleep(RETRY_PAUSE).await;
    }
}

/// Promotes a learner if this member leads, and counts it.
pub(crate) async fn promote_here(handle: &Handle, id: MemberId) -> Result<Vec<Member>, Status> {
    let promoted = try_promote(handle, id).await;
    let meters = handle.engine().meters();
    match &promoted {
        Ok(_) => meters.promoted(None),
        Err(refusal) if *refusal == Status::from(Error::NotLeader) => {}
        Err(refusal) => meters.promoted(Some(reason(refusal))),
    }
    promoted
}

/// The reason as it is known among members.
fn reason(refusal: &Status) -> &str {
    let is = |error: Error| *refusal == Status::from(error);
    match () {
        () if is(Error::MemberNotLearner) => NOT_LEARNER,
        () if is(Error::MemberNotFound) => "membership: ID not found",
        () => &refusal.message,
    }
}

async fn try_promote(handle: &Handle, id: MemberId) -> Result<Vec<Member>, Status> {
    strict::may_promote(handle, id).await?;
    let applied = handle.propose_conf_change(&Change::Promote(id)).await?;
    applied.result.map_err(error::rejected)?;
    Ok(handle.engine().membership().members().cloned().collect())
}

/// What the leader answers; none when it is to be asked again.
async fn forward(
    handle: &Handle,
    urls: &[String],
    id: MemberId,
    token: Option<&str>,
) -> Option<Result<Vec<Member>, Status>> {
    let question = Question::post(&format!("/members/promote/{}", id.0), Bytes::new());
    let question = match token {
        Some(token) => question.with(AUTHORIZATION, token),
        None => question,
    };
    let limit = handle.engine().limits().request_timeout;
    let answer = ask_any(handle.engine().peer_client(), urls, &question, limit)
        .await
        .ok()?;
    let refused = |error: Error| Some(Err(error.into()));
    let text = String::from_utf8_lossy(&answer.body);
    match answer.status {
        StatusCode::OK => answers::decode_members(&answer.body).map(Ok),
        StatusCode::NOT_FOUND => refused(Error::MemberNotFound),
        StatusCode::PRECONDITION_FAILED if text.contains(Error::LearnerNotReady.text()) => {
            refused(Error::LearnerNotReady)
        }
        StatusCode::PRECONDITION_FAILED if text.contains(NOT_LEARNER) => {
            refused(Error::MemberNotLearner)
        }
        _ => None,
    }
}
