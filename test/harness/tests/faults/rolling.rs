//! Restarts in turn, as for an upgrade.

use anyhow::ensure;
use harness::Stop;
use harness::net::Need;

use crate::scene::{play, rounds};

/// Clients that know all members notice nothing, though each member is stopped by SIGTERM and started
/// again. clientv3 makes a read again whenever a member is unavailable, but a write only if no
/// connection was there to send it on, or if the server's GOAWAY says that it was not looked at. So every
/// write that a member has taken must be answered before the member goes.
#[test]
fn restarts_in_turn_fail_no_request() {
    play(
        "rolling::restarts_in_turn_fail_no_request",
        Need::Cuts,
        3,
        &[],
        |scene| {
            let recorder =
                scene.record(&["-pinned=false", "-spread=8", "-pause=1ms", "-limit=20s"])?;
            for _ in 0..rounds() {
                for _ in 0..2 {
                    // The leader, and a follower.
                    let leader = scene.leader()?;
                    for place in [leader, (leader + 1) % 3] {
                        recorder.advance(200)?;
                        scene.cluster[place].stop(Stop::Terminate)?;
                        recorder.advance(200)?;
                        scene.cluster[place].restart()?;
                    }
                }
            }
            recorder.advance(200)?;
            let failed = recorder.failed();
            let report = recorder.stop("rolling::restarts_in_turn_fail_no_request")?;
            ensure!(
                failed == 0,
                "{failed} requests have failed: {:#}",
                report["errors"]
            );
            harness::view::agree(&scene.cluster, &scene.all())
        },
    );
}
