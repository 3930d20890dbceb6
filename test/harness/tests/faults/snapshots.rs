//! Snapshots to a member that is far behind, and what interrupts them.

use anyhow::ensure;
use harness::net::Need;
use harness::{Stop, ctl};

use crate::scene::{fill, play};

const FLAGS: [&str; 2] = ["--snapshot-count=100", "--snapshot-catchup-entries=10"];
/// What the member misses: more entries than the others keep.
const VALUES: usize = 120;
const VALUE_BYTES: usize = 150_000;
/// So that the snapshot takes some seconds.
const NARROW: u64 = 4 << 20;

/// The receiver dies in the middle of a snapshot, and the link breaks in the middle of the next one;
/// in the end it has everything, and nobody else has noticed.
#[test]
fn snapshots_are_interrupted() {
    play(
        "snapshots::snapshots_are_interrupted",
        Need::Cuts,
        3,
        &FLAGS,
        |scene| {
            let recorder = scene.record(&[])?;
            recorder.advance(50)?;
            let leader = scene.leader()?;
            let behind = (leader + 1) % 3;
            scene.cluster[behind].stop(Stop::Kill)?;
            fill(&scene.cluster[leader].endpoint(), VALUES, VALUE_BYTES)?;
            scene.network.set_width(behind, NARROW)?;
            for interruption in ["the receiver dies", "the link breaks"] {
                scene.cluster[behind].spawn()?;
                ctl::eventually("a snapshot on its way", || {
                    ensure!(scene.cluster[behind].has_logged("receives a snapshot")?);
                    Ok(())
                })?;
                recorder.advance(50)?;
                match interruption {
                    "the receiver dies" => drop(scene.cluster[behind].stop(Stop::Kill)?),
                    _ => scene.network.set_apart(&[behind], true)?,
                }
                let was_whole = scene.cluster[behind].has_logged("has received a snapshot")?;
                ensure!(!was_whole, "it came too early: {interruption}");
                recorder.advance(200)?;
            }
            scene.network.set_apart(&[behind], false)?;
            scene.network.set_width(behind, 0)?;
            scene.cluster[behind].await_ready()?;
            scene.end(recorder)
        },
    );
}
