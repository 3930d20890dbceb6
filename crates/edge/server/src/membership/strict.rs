//! Whether a change of the membership may be proposed (`--strict-reconfig-check`).

use cluster::Membership;
use proto::error::Error;
use types::MemberId;

use super::leases::caught_up;
use crate::engine::Handle;

/// A learner is in sync when it has this part of what the leader has, in percent.
const IN_SYNC_PERCENT: u64 = 90;

pub(crate) fn may_add(handle: &Handle, is_learner: bool) -> Result<(), Error> {
    if !handle.engine().limits().strict_reconfig {
        return Ok(());
    }
    let membership = handle.engine().membership();
    if !is_learner && !membership.may_add_voter() {
        return Err(refused(handle, Refused::TooFew("add")));
    }
    let engine = handle.engine();
    let connected = |id| engine.is_connected(id);
    match membership.is_fully_connected(engine.member_id(), connected) {
        true => Ok(()),
        false => Err(refused(handle, Refused::Add)),
    }
}

pub(crate) fn may_remove(handle: &Handle, id: MemberId) -> Result<(), Error> {
    if !handle.engine().limits().strict_reconfig {
        return Ok(());
    }
    let engine = handle.engine();
    let membership = engine.membership();
    if !membership.may_remove(id) {
        return Err(refused(handle, Refused::TooFew("remove")));
    }
    let is_learner = membership
        .member(id)
        .is_some_and(|member| member.is_learner);
    // Who is out of reach is missed by nobody; a member does not reach itself.
    if is_learner || engine.active_since(id).is_none() {
        return Ok(());
    }
    let connected = |id| engine.is_connected(id);
    match membership.may_lose_connected(engine.member_id(), connected) {
        true => Ok(()),
        false => Err(refused(handle, Refused::Remove)),
    }
}

/// Only the leader knows whether a learner has caught up.
pub(crate) async fn may_promote(handle: &Handle, id: MemberId) -> Result<(), Error> {
    if !handle.engine().is_leader() {
        return Err(Error::NotLeader);
    }
    caught_up(handle).await?;
    let membership = handle.engine().membership();
    check_learner(&membership, id)?;
    let progress = handle.engine().progress();
    let matched = |id| {
        let mut members = progress.iter();
        members
            .find(|member| member.id == id)
            .map(|member| member.matched.0)
    };
    // Who is not listed yet was added a moment ago.
    let both = matched(id).zip(matched(handle.engine().member_id()));
    if !both.is_some_and(|(learner, leader)| is_in_sync(learner, leader)) {
        return Err(Error::LearnerNotReady);
    }
    if handle.engine().limits().strict_reconfig && !membership.may_promote() {
        return Err(refused(handle, Refused::TooFew("promote")));
    }
    Ok(())
}

fn check_learner(membership: &Membership, id: MemberId) -> Result<(), Error> {
    match membership.member(id) {
        None => Err(Error::MemberNotFound),
        Some(member) if !member.is_learner => Err(Error::MemberNotLearner),
        Some(_) => Ok(()),
    }
}

fn is_in_sync(learner: u64, leader: u64) -> bool {
    u128::from(learner) * 100 >= u128::from(leader) * u128::from(IN_SYNC_PERCENT)
}

/// Why a change would put the quorum at risk.
#[derive(Clone, Copy, Debug)]
enum Refused {
    /// After an addition, removal or promotion too few voters would have started.
    TooFew(&'static str),
    /// An addition, while this member does not reach a majority.
    Add,
    /// A removal, after which this member would not reach a majority.
    Remove,
}

/// Says so in the words that operators look for.
fn refused(handle: &Handle, why: Refused) -> Error {
    let (told, error) = match why {
        Refused::TooFew(change) => (
            format!("rejecting member {change} request; not enough healthy members"),
            Error::MemberNotEnoughStarted,
        ),
        Refused::Add => (
            "rejecting member add request; local member has not been connected to majority peers, \
             reconfigure breaks active quorum"
                .to_owned(),
            Error::Unhealthy,
        ),
        Refused::Remove => (
            "rejecting member remove request; local member has not been connected to all peers, \
             reconfigure breaks active quorum"
                .to_owned(),
            Error::Unhealthy,
        ),
    };
    let member = handle.engine().member_id();
    tracing::warn!("local-member-id" = %member, error = error.text(), "{told}");
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A learner far behind that is promoted can take the quorum away.
    #[test]
    fn in_sync_is_nine_tenths() {
        assert!(is_in_sync(90, 100) && is_in_sync(1, 1) && is_in_sync(5, 0));
        assert!(!is_in_sync(89, 100) && !is_in_sync(0, 1));
        assert!(is_in_sync(u64::MAX, u64::MAX));
    }
}
