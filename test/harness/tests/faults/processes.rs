//! Members that die, and members that stand still.

use harness::net::Need;
use harness::{Pause, Stop, view};

use crate::scene::{play, rounds};

/// kill -9 of a follower, of the leader, and of all at once.
#[test]
fn members_are_killed() {
    play(
        "processes::members_are_killed",
        Need::Cuts,
        3,
        &[],
        |scene| {
            let recorder = scene.record(&[])?;
            for _ in 0..rounds() {
                recorder.advance(200)?;
                let leader = scene.leader()?;
                for place in [(leader + 1) % 3, leader] {
                    scene.cluster[place].stop(Stop::Kill)?;
                    view::leader(&scene.cluster, &scene.but(&[place]))?;
                    recorder.advance(200)?;
                    scene.cluster[place].restart()?;
                    recorder.advance(100)?;
                }
                for place in scene.all() {
                    scene.cluster[place].stop(Stop::Kill)?;
                }
                for place in scene.all() {
                    scene.cluster[place].spawn()?;
                }
                for place in scene.all() {
                    scene.cluster[place].await_ready()?;
                }
                recorder.advance(100)?;
            }
            scene.end(recorder)
        },
    );
}

/// SIGSTOP: whoever stands still keeps its connections, and wakes up in a world that went on.
#[test]
fn members_stand_still() {
    play(
        "processes::members_stand_still",
        Need::Cuts,
        3,
        &[],
        |scene| {
            let recorder = scene.record(&[])?;
            for _ in 0..rounds() {
                recorder.advance(100)?;
                let leader = scene.leader()?;
                for place in [(leader + 1) % 3, leader] {
                    scene.cluster[place].pause(Pause::Begin)?;
                    view::leader(&scene.cluster, &scene.but(&[place]))?;
                    recorder.advance(200)?;
                    scene.cluster[place].pause(Pause::End)?;
                    scene.leader()?;
                    recorder.advance(100)?;
                }
            }
            scene.end(recorder)
        },
    );
}
