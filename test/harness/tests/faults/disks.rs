//! The disk of one member runs full, or stands still.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use harness::disk::{Loop, Tmpfs};
use harness::net::Need;
use harness::{Stop, ctl, view};

use crate::scene::{Scene, play_on};

const SIZE: &str = "250m";
const FILLED: &str = "filler";

/// Lets member 0 lead.
fn promote_first(scene: &Scene) -> Result<()> {
    if scene.leader()? == 0 {
        return Ok(());
    }
    let target = view::id(&view::status(&scene.cluster[0].endpoint())?);
    ctl::run(
        &scene.cluster.endpoints(),
        &["move-leader", &format!("{target:x}")],
    )?;
    ensure!(scene.leader()? == 0, "the leader did not move");
    Ok(())
}

/// Takes all the room that is left.
fn fill_up(dir: &Path) -> Result<()> {
    let mut filler = File::create(dir.join(FILLED))?;
    while filler.write_all(&[1; 4096]).is_ok() {}
    Ok(())
}

/// The leader's disk runs full: it ends and says why, the others go on, and with room it is back.
#[test]
fn a_disk_runs_full() {
    let mount = |dir: &Path| Tmpfs::mount(dir, SIZE);
    play_on(
        "disks::a_disk_runs_full",
        Need::Cuts,
        3,
        mount,
        |scene, disk| {
            let recorder = scene.record(&[])?;
            promote_first(scene)?;
            recorder.advance(100)?;
            fill_up(disk.path())?;
            view::leader(&scene.cluster, &[1, 2])?;
            recorder.advance(300)?;
            let ended = scene.cluster[0].wait(Duration::from_secs(30))?;
            let log = scene.cluster[0].log_end();
            ensure!(ended.code() == Some(1), "{ended}: {log}");
            let reason = log.to_lowercase();
            ensure!(
                reason.contains("no space left on device") && log.contains("member/"),
                "{log}"
            );
            std::fs::remove_file(disk.path().join(FILLED))?;
            scene.cluster[0].stop(Stop::Kill)?;
            scene.cluster[0].restart()?;
            recorder.advance(100)?;
            scene.end(recorder)
        },
    );
}

/// The leader's disk finishes no write any more: it lets another member lead, and nobody waits for it.
/// Once the disk goes on, so does the member.
#[test]
fn a_disk_stands_still() {
    play_on(
        "disks::a_disk_stands_still",
        Need::Cuts,
        3,
        Loop::mount,
        |scene, disk| {
            let recorder = scene.record(&[])?;
            promote_first(scene)?;
            recorder.advance(100)?;
            disk.freeze()?;
            let new = view::leader(&scene.cluster, &[1, 2])?;
            ensure!(new != 0, "a leader without a disk leads on");
            recorder.advance(300)?;
            disk.thaw()?;
            recorder.advance(100)?;
            scene.end(recorder)
        },
    );
}
