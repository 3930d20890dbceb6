//! Links that are cut, one way or both, slow and lossy.

use std::time::Duration;

use anyhow::ensure;
use harness::net::{Need, Weather};
use harness::view;

use crate::scene::{play, rounds};

/// Who is cut off from the majority decides nothing, whoever it is, and catches up afterwards.
#[test]
fn parts_are_cut_off() {
    play("network::parts_are_cut_off", Need::Cuts, 5, &[], |scene| {
        let recorder = scene.record(&[])?;
        for _ in 0..rounds() {
            recorder.advance(200)?;
            // The leader alone.
            let old = scene.leader()?;
            scene.network.set_apart(&[old], true)?;
            let new = view::leader(&scene.cluster, &scene.but(&[old]))?;
            ensure!(new != old, "{old} leads on");
            recorder.advance(400)?;
            scene.network.set_apart(&[old], false)?;
            ensure!(
                scene.leader()? == new,
                "who comes back must not depose {new}"
            );
            // The leader with a follower, against three.
            let minority = [new, old];
            scene.network.set_apart(&minority, true)?;
            let newest = view::leader(&scene.cluster, &scene.but(&minority))?;
            recorder.advance(400)?;
            scene.network.set_apart(&minority, false)?;
            ensure!(
                scene.leader()? == newest,
                "who comes back must not depose {newest}"
            );
            recorder.advance(100)?;
        }
        scene.end(recorder)
    });
}

/// A link that carries nothing in one direction, to the leader or from it, costs at most an election.
#[test]
fn links_work_one_way() {
    play("network::links_work_one_way", Need::Cuts, 3, &[], |scene| {
        let recorder = scene.record(&[])?;
        for round in 0..rounds() {
            let leader = scene.leader()?;
            let follower = (leader + 1 + round) % 3;
            let follower = if follower == leader {
                (leader + 1) % 3
            } else {
                follower
            };
            for (from, to) in [(leader, follower), (follower, leader)] {
                recorder.advance(100)?;
                scene.network.set_reach(from, to, false)?;
                recorder.advance(400)?;
                scene.network.set_reach(from, to, true)?;
                scene.leader()?;
            }
            // A leader that is heard, and hears nobody, must not lead for ever.
            let deaf = scene.leader()?;
            for other in scene.but(&[deaf]) {
                scene.network.set_reach(other, deaf, false)?;
            }
            recorder.advance(400)?;
            for other in scene.but(&[deaf]) {
                scene.network.set_reach(other, deaf, true)?;
            }
        }
        scene.end(recorder)
    });
}

/// Late and lost packets make a cluster slow, not wrong.
#[test]
fn packets_are_late_and_lost() {
    play(
        "network::packets_are_late_and_lost",
        Need::Weather,
        3,
        &[],
        |scene| {
            let recorder = scene.record(&[])?;
            let bad = Weather {
                delay: Duration::from_millis(20),
                lost_percent: 2,
            };
            let worse = Weather {
                delay: Duration::from_millis(150),
                lost_percent: 10,
            };
            for _ in 0..rounds() {
                for place in scene.all() {
                    scene.network.set_weather(place, bad)?;
                }
                recorder.advance(150)?;
                scene.network.set_weather(scene.leader()?, worse)?;
                recorder.advance(150)?;
                for place in scene.all() {
                    scene.network.set_weather(place, Weather::default())?;
                }
                recorder.advance(100)?;
            }
            scene.end(recorder)
        },
    );
}

/// Whoever reads locally at a leader that is cut off sees old values: the checker must say so.
#[test]
fn stale_reads_are_found() {
    play(
        "network::stale_reads_are_found",
        Need::Cuts,
        3,
        &[],
        |scene| {
            let recorder = scene.record(&["-plant-stale"])?;
            recorder.advance(100)?;
            let old = scene.leader()?;
            scene.network.set_apart(&[old], true)?;
            view::leader(&scene.cluster, &scene.but(&[old]))?;
            recorder.advance(300)?;
            scene.network.set_apart(&[old], false)?;
            let report = recorder.report()?;
            let wrong = report["wrong"].to_string();
            // A stale read of a key that nobody changed meanwhile shows by its revision alone.
            let is_found = ["not linearizable: Illegal", "had been seen before"]
                .into_iter()
                .any(|what| wrong.contains(what));
            ensure!(is_found, "{report:#}");
            Ok(())
        },
    );
}
