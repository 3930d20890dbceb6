//! Handing leadership over before this member stops, so that nobody has to wait for an election.

use std::time::{Duration, Instant};

use notation::duration;
use types::MemberId;

use crate::engine::Engine;

/// Pause between two looks at whether another member leads.
const LOOK_PAUSE: Duration = Duration::from_millis(5);

/// How long requests are passed on that others still forward to this member: until they have heard of
/// the new leader.
const AFTERWARDS: Duration = Duration::from_millis(100);

/// Hands leadership to the voter that has been connected for longest, and waits for it to lead; no
/// longer than two elections would take. It blocks.
pub(crate) fn hand_over_leadership(engine: &Engine) {
    let (from, leader) = (engine.member_id(), engine.status().leader());
    if !engine.is_leader() {
        tracing::info!(
            "local-member-id" = %from,
            "current-leader-member-id" = %leader,
            "skipped leadership transfer; local server is not leader"
        );
        return;
    }
    let membership = engine.membership();
    let others = membership
        .voters()
        .filter(|member| member.id != engine.member_id());
    if membership.voters().count() == 1 {
        tracing::info!(
            "local-member-id" = %from,
            "current-leader-member-id" = %leader,
            "skipped leadership transfer for single voting member cluster"
        );
        return;
    }
    let connected = others.filter_map(|member| {
        let since = engine.active_since(member.id)?;
        Some((since, member.id))
    });
    let Some((_, to)) = connected.min() else {
        return;
    };
    starting(from, from, to);
    engine.ask_transfer(to);
    let begin = Instant::now();
    let deadline = begin + engine.limits().election_timeout * 2;
    while engine.is_leader() && Instant::now() < deadline {
        std::thread::sleep(LOOK_PAUSE);
    }
    match engine.is_leader() {
        false => {
            finished(from, from, engine.status().leader(), begin.elapsed());
            std::thread::sleep(AFTERWARDS);
        }
        true => tracing::warn!("local-member-id" = %from, "leadership transfer failed"),
    }
}

/// Says that leadership is being handed over.
pub(crate) fn starting(local: MemberId, from: MemberId, to: MemberId) {
    tracing::info!(
        "local-member-id" = %local,
        "current-leader-member-id" = %from,
        "transferee-member-id" = %to,
        "leadership transfer starting"
    );
}

/// Says that another member leads.
pub(crate) fn finished(local: MemberId, from: MemberId, to: MemberId, took: Duration) {
    tracing::info!(
        "local-member-id" = %local,
        "old-leader-member-id" = %from,
        "new-leader-member-id" = %to,
        took = duration::format(took),
        "leadership transfer finished"
    );
}
