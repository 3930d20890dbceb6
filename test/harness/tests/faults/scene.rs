//! What every test here has: a network, a cluster on it, and clients.

use anyhow::Result;
use harness::net::{Need, Network, stage};
use harness::{Cluster, Recorder, view};
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
    /// Founds a cluster.
    pub(crate) fn new(
        name: &'static str,
        mut network: Box<dyn Network>,
        size: usize,
        flags: &[&str],
    ) -> Result<Self> {
        let dir = tempfile::tempdir()?;
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
        let mut scene = Scene::new(name, network, size, flags)?;
        body(&mut scene)
    };
    stage(name, need, run).unwrap();
}
