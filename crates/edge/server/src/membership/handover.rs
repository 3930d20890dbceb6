//! Handing leadership over before this member stops, so that nobody has to wait for an election.

use std::time::{Duration, Instant};

use crate::engine::Engine;

/// Pause between two looks at whether another member leads.
const LOOK_PAUSE: Duration = Duration::from_millis(5);

/// How long requests are passed on that others still forward to this member: until they have heard of
/// the new leader.
const AFTERWARDS: Duration = Duration::from_millis(100);

/// Hands leadership to the voter that has been connected for longest, and waits for it to lead; no
/// longer than two elections would take. It blocks.
pub(crate) fn hand_over_leadership(engine: &Engine) {
    if !engine.is_leader() {
        return;
    }
    let membership = engine.membership();
    let others = membership
        .voters()
        .filter(|member| member.id != engine.member_id());
    let connected = others.filter_map(|member| {
        let since = engine.active_since(member.id)?;
        Some((since, member.id))
    });
    let Some((_, to)) = connected.min() else {
        return;
    };
    let from = engine.member_id();
    tracing::info!("local-member-id" = %from, "transferee-id" = %to, "leadership transfer starting");
    engine.ask_transfer(to);
    let deadline = Instant::now() + engine.limits().election_timeout * 2;
    while engine.is_leader() && Instant::now() < deadline {
        std::thread::sleep(LOOK_PAUSE);
    }
    match engine.is_leader() {
        false => {
            tracing::info!("local-member-id" = %from, "leadership transfer succeeded");
            std::thread::sleep(AFTERWARDS);
        }
        true => tracing::warn!("local-member-id" = %from, "leadership transfer failed"),
    }
}
