//! A cluster whose members are now ours, now etcd's, under kills and partitions between the kinds: several Go
//! clients use a few keys meanwhile, and what they were told must be linearizable, and their watches whole.
//!
//! `MIXED_ROUNDS` says how many rounds there are; six of them change every member's kind twice.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};
use harness::net::{Need, Network, stage};
use harness::{Cluster, Recorder, Stop, go, program, view};

const SIZE: usize = 3;
/// Snapshots are frequent, so that whoever was away gets one, and every check of hashes is on.
const FLAGS: [&str; 7] = [
    "--snapshot-count=100",
    "--snapshot-catchup-entries=20",
    "--heartbeat-interval=50",
    "--election-timeout=500",
    "--feature-gates=InitialCorruptCheck=true,CompactHashCheck=true",
    "--corrupt-check-time=2s",
    "--compact-hash-check-time=1s",
];

fn rounds() -> usize {
    let given = std::env::var("MIXED_ROUNDS").ok();
    given.and_then(|rounds| rounds.parse().ok()).unwrap_or(6)
}

/// Whatever kinds the members are of, who is killed or cut off costs nothing that was acknowledged.
#[test]
fn kinds_change_under_faults() {
    // Built out here, where modules can be fetched.
    let real = go::published("server", env!("CARGO_TARGET_TMPDIR")).unwrap();
    stage("kinds_change_under_faults", Need::Cuts, |mut network| {
        let dir = tempfile::tempdir()?;
        let cluster = Cluster::start_in(&mut *network, dir.path(), SIZE, &FLAGS)?;
        let recorder = Recorder::start(&cluster.endpoints(), dir.path(), &[])?;
        let mut scene = Scene {
            network,
            cluster,
            recorder,
            real,
            is_real: [false; SIZE],
        };
        for round in 0..rounds() {
            scene.round(round)?;
        }
        let all = scene.all();
        scene
            .recorder
            .stop(&format!("kinds_change_under_faults: {} rounds", rounds()))?;
        view::agree(&scene.cluster, &all)
    })
    .unwrap();
}

struct Scene {
    network: Box<dyn Network>,
    cluster: Cluster,
    recorder: Recorder,
    /// The published etcd.
    real: PathBuf,
    is_real: [bool; SIZE],
}

impl Scene {
    fn all(&self) -> Vec<usize> {
        (0..self.cluster.len()).collect()
    }

    fn but(&self, place: usize) -> Vec<usize> {
        let mut others = self.all();
        others.retain(|other| *other != place);
        others
    }

    /// One member becomes the other kind, and one thing goes wrong.
    fn round(&mut self, round: usize) -> Result<()> {
        self.recorder.advance(50)?;
        self.change_kind(round % SIZE, round % 4 < 2)?;
        self.recorder.advance(50)?;
        let leader = view::leader(&self.cluster, &self.all())?;
        match (round + round / 3) % 3 {
            0 => self.cut_off(leader)?,
            1 => self.deafen(leader)?,
            _ => self.kill(leader, (leader + 1 + round % 2) % SIZE)?,
        }
        view::leader(&self.cluster, &self.all())?;
        let kinds = self.is_real;
        println!("kinds_change_under_faults: round {round} is over, etcd's are {kinds:?}");
        Ok(())
    }

    fn change_kind(&mut self, place: usize, kill: bool) -> Result<()> {
        let member = &mut self.cluster[place];
        member.stop(if kill { Stop::Kill } else { Stop::Terminate })?;
        let becomes_real = !self.is_real[place];
        if becomes_real {
            let dir = member.data_dir().to_path_buf();
            let target = dir.with_extension("etcd");
            let output = Command::new(program("etcdutl")?)
                .args(["migrate", "--data-dir"])
                .arg(&dir)
                .arg("--to-etcd")
                .arg(&target)
                .output()?;
            let complaint = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "migrate: {complaint}");
            std::fs::remove_dir_all(&dir)?;
            std::fs::rename(&target, &dir)?;
        }
        member.set_program(becomes_real.then(|| self.real.clone()));
        self.is_real[place] = becomes_real;
        member.restart()
    }

    /// The leader decides nothing while it is alone.
    fn cut_off(&self, leader: usize) -> Result<()> {
        self.network.set_apart(&[leader], true)?;
        view::leader(&self.cluster, &self.but(leader))?;
        self.recorder.advance(100)?;
        self.network.set_apart(&[leader], false)
    }

    /// The leader is heard and hears nobody.
    fn deafen(&self, leader: usize) -> Result<()> {
        for other in self.but(leader) {
            self.network.set_reach(other, leader, false)?;
        }
        let advanced = self.recorder.advance(100);
        for other in self.but(leader) {
            self.network.set_reach(other, leader, true)?;
        }
        advanced
    }

    /// The leader and then another are killed.
    fn kill(&mut self, leader: usize, other: usize) -> Result<()> {
        for place in [leader, other] {
            self.cluster[place].stop(Stop::Kill)?;
            view::leader(&self.cluster, &self.but(place))?;
            self.recorder.advance(50)?;
            self.cluster[place].restart()?;
        }
        Ok(())
    }
}
