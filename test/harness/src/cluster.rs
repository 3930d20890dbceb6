//! Several `etcd` processes that found a cluster together.

use std::ops::{Index, IndexMut};
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::Member;
use crate::net::Network;

/// Members called `m0`, `m1`, and so on; killed when dropped.
#[derive(Debug)]
pub struct Cluster {
    dir: PathBuf,
    members: Vec<Member>,
    flags: Vec<String>,
}

impl Cluster {
    /// Starts `size` members on folders below `dir`, with flags for each of them, and waits until all
    /// serve.
    ///
    /// # Errors
    /// As [`Member::start`].
    pub fn start(dir: &Path, size: usize, flags: &[&str]) -> Result<Self> {
        let mut cluster = Self::prepared(dir, size, flags)?;
        cluster.found()?;
        Ok(cluster)
    }

    /// As [`Cluster::start`], with members that reach each other over a network of the test's.
    ///
    /// # Errors
    /// As [`Member::start`].
    pub fn start_in(
        network: &mut dyn Network,
        dir: &Path,
        size: usize,
        flags: &[&str],
    ) -> Result<Self> {
        let mut cluster = Self::prepared(dir, size, flags)?;
        for (place, member) in cluster.members.iter_mut().enumerate() {
            let home = network.settle(place, member.peer_port())?;
            member.settle(home);
        }
        cluster.found()?;
        Ok(cluster)
    }

    fn prepared(dir: &Path, size: usize, flags: &[&str]) -> Result<Self> {
        let mut cluster = Self {
            dir: dir.to_path_buf(),
            members: Vec::new(),
            flags: flags.iter().map(ToString::to_string).collect(),
        };
        for _ in 0..size {
            cluster.prepare()?;
        }
        Ok(cluster)
    }

    /// Starts all prepared members as a new cluster.
    fn found(&mut self) -> Result<()> {
        let size = self.members.len();
        for place in 0..size {
            self.set_flags(place, "new", size);
            self.members[place].spawn()?;
        }
        for member in &mut self.members {
            member.await_ready()?;
        }
        Ok(())
    }

    /// Prepares one more member, which joins when it is started; its place.
    ///
    /// # Errors
    /// When there are no ports.
    pub fn prepare(&mut self) -> Result<usize> {
        let place = self.members.len();
        let dir = self.dir.join(format!("m{place}"));
        std::fs::create_dir_all(&dir)?;
        let mut member = Member::prepare(&dir.join("data"), &dir)?;
        // They decide the scheme of its URLs.
        member.set_flags(self.flags.clone());
        self.members.push(member);
        Ok(place)
    }

    /// Starts a prepared member that was added to the cluster, and waits until it serves. `of` names
    /// the places of all members, this one included.
    ///
    /// # Errors
    /// As [`Member::start`].
    pub fn join(&mut self, place: usize, of: &[usize]) -> Result<()> {
        let flags = self.flags_of(place, "existing", of);
        self.members[place].set_flags(flags);
        self.members[place].restart()
    }

    fn set_flags(&mut self, place: usize, state: &str, size: usize) {
        let all: Vec<usize> = (0..size).collect();
        let flags = self.flags_of(place, state, &all);
        self.members[place].set_flags(flags);
    }

    fn flags_of(&self, place: usize, state: &str, of: &[usize]) -> Vec<String> {
        let initial: Vec<String> = of
            .iter()
            .map(|place| format!("m{place}={}", self.members[*place].peer_endpoint()))
            .collect();
        let mut flags = vec![
            format!("--name=m{place}"),
            format!("--initial-cluster={}", initial.join(",")),
            format!("--initial-cluster-state={state}"),
        ];
        flags.extend(self.flags.iter().cloned());
        flags
    }

    /// Where clients reach the members, in their order.
    #[must_use]
    pub fn endpoints(&self) -> Vec<String> {
        self.members.iter().map(Member::endpoint).collect()
    }

    /// How many members there are, prepared ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

impl Index<usize> for Cluster {
    type Output = Member;

    fn index(&self, place: usize) -> &Member {
        &self.members[place]
    }
}

impl IndexMut<usize> for Cluster {
    fn index_mut(&mut self, place: usize) -> &mut Member {
        &mut self.members[place]
    }
}
