//! What every test here has: a network, a cluster on it, and clients.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use client::{Client, Config};
use harness::net::{Need, Network, stage};
use harness::{Cluster, Recorder, view};
use proto::etcdserverpb::PutRequest;
use tempfile::TempDir;

/// How often the troubles of a test are gone through.
pub(crate) fn rounds() -> usize {
    let given = std::env::var("FAULT_ROUNDS").ok();
    given.and_then(|rounds| rounds.parse().ok()).unwrap_or(1)
}

/// A cluster on a network.
pub(crate) struct Scene {
    name: &'static str,
    pub(crate) network: Box<dyn Network>,
    pub(crate) cluster: Cluster,
    pub(crate) dir: TempDir,
}

impl Scene {
    fn new(
        name: &'static str,
        mut network: Box<dyn Network>,
        dir: TempDir,
        size: usize,
        flags: &[&str],
    ) -> Result<Self> {
        Ok(Self {
            name,
            cluster: Cluster::start_in(&mut *network, dir.path(), size, flags)?,
            network,
            dir,
        })
    }

    /// The places of all members.
    pub(crate) fn all(&self) -> Vec<usize> {
        (0..self.cluster.len()).collect()
    }

    /// The places of all members but some.
    pub(crate) fn but(&self, places: &[usize]) -> Vec<usize> {
        let mut others = self.all();
        others.retain(|place| !places.contains(place));
        others
    }

    /// The leader that all know.
    pub(crate) fn leader(&self) -> Result<usize> {
        view::leader(&self.cluster, &self.all())
    }

    /// Starts the clients.
    pub(crate) fn record(&self, flags: &[&str]) -> Result<Recorder> {
        Recorder::start(&self.cluster.endpoints(), self.dir.path(), flags)
    }

    /// The end of it: the history is right, and all members store the same.
    pub(crate) fn end(&self, recorder: Recorder) -> Result<()> {
        recorder.stop(self.name)?;
        view::agree(&self.cluster, &self.all())
    }
}

/// Runs a test on a cluster of so many members with these flags.
pub(crate) fn play(
    name: &'static str,
    need: Need,
    size: usize,
    flags: &[&str],
    body: impl FnOnce(&mut Scene) -> Result<()>,
) {
    let run = |network| {
        let mut scene = Scene::new(name, network, tempfile::tempdir()?, size, flags)?;
        body(&mut scene)
    };
    stage(name, need, run).unwrap();
}

/// As [`play`], with a disk of its own for the data directory of member 0.
pub(crate) fn play_on<D>(
    name: &'static str,
    need: Need,
    size: usize,
    mount: impl FnOnce(&Path) -> Result<D>,
    body: impl FnOnce(&mut Scene, &D) -> Result<()>,
) {
    let run = |network| {
        let dir = tempfile::tempdir()?;
        let data = dir.path().join("m0/data");
        std::fs::create_dir_all(&data)?;
        let disk = mount(&data)?;
        let scene = Scene::new(name, network, dir, size, &[]);
        scene.and_then(|mut scene| {
            let played = body(&mut scene, &disk);
            // Whatever happened, the disk goes on before its member is killed.
            drop(disk);
            played
        })
    };
    stage(name, need, run).unwrap();
}

/// Writes so many values of so many bytes.
pub(crate) fn fill(endpoint: &str, values: usize, bytes: usize) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let config = Config {
            endpoints: vec![endpoint.to_owned()],
            ..Config::default()
        };
        let client = Client::connect(config)
            .await?
            .within(Duration::from_secs(30));
        for number in 0..values {
            let request = PutRequest {
                key: format!("fill/{number}").into(),
                value: vec![b'f'; bytes].into(),
                ..PutRequest::default()
            };
            client.put(request).await?;
        }
        Ok(())
    })
}
