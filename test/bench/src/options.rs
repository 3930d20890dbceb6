//! What can be asked for on the command line.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use tempfile::TempDir;

/// Runs the same load against our member and against a real etcd, in turn, and prints the ratios.
#[derive(Clone, Debug, Parser)]
#[command(name = "cargo xtask bench")]
pub(crate) struct Options {
    /// Which comparison.
    #[arg(long, default_value = "single")]
    pub(crate) suite: Suite,
    /// What to measure of the suite `single`; everything when nothing is named.
    pub(crate) scenarios: Vec<Scenario>,
    /// Keys that are loaded where a full store is measured.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) keys: u64,
    /// How long each load is measured, after a second of warm-up.
    #[arg(long, default_value_t = 3)]
    pub(crate) seconds: u64,
    /// How often each load runs against each server; the table has the medians.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
    /// How often the suite `failover` kills a leader of each kind.
    #[arg(long, default_value_t = 20)]
    pub(crate) kills: usize,
    /// How many entries the suite `catchup` lets a follower fall behind.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) entries: u64,
    /// How many megabytes the directory has that the suite `takeover` takes over.
    #[arg(long, default_value_t = 2_000)]
    pub(crate) megabytes: u64,
    /// Print tables that a Markdown document can hold.
    #[arg(long)]
    pub(crate) markdown: bool,
    /// Measure only one of the two.
    #[arg(long)]
    pub(crate) only: Option<Kind>,
    /// Our server instead of the release build beside this program.
    #[arg(long)]
    pub(crate) etcd: Option<PathBuf>,
    /// A built test/interop/embed instead of building it.
    #[arg(long)]
    pub(crate) reference: Option<PathBuf>,
    /// Where data directories are made; on a real disk, or syncs cost nothing.
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
    /// The core that the server runs on.
    #[arg(long, default_value_t = 0)]
    pub(crate) server_core: usize,
    /// The core that the load runs on.
    #[arg(long, default_value_t = 1)]
    pub(crate) load_core: usize,
}

impl Options {
    /// The servers to compare, in the order in which they take turns.
    pub(crate) fn kinds(&self) -> Vec<Kind> {
        match self.only {
            Some(kind) => vec![kind],
            None => vec![Kind::Ours, Kind::Reference],
        }
    }

    /// A directory for one cluster.
    pub(crate) fn fresh_dir(&self) -> Result<TempDir> {
        Ok(match &self.dir {
            Some(parent) => TempDir::with_prefix_in("bench-", parent)?,
            None => TempDir::with_prefix("bench-")?,
        })
    }

    /// Whether the published etcd takes part.
    pub(crate) fn needs_reference(&self) -> bool {
        // Only it can make the directory that is taken over.
        self.suite == Suite::Takeover || self.kinds().contains(&Kind::Reference)
    }

    /// Whether a scenario was asked for.
    pub(crate) fn wants(&self, scenario: Scenario) -> bool {
        self.scenarios.is_empty() || self.scenarios.contains(&scenario)
    }
}

/// A comparison of one kind of figures, in a few minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Suite {
    /// One member: puts, gets, memory, pages, starts.
    Single,
    /// Three members: puts, gets, gets while somebody writes, memory.
    Cluster,
    /// How long three members are without a leader after its process was killed.
    Failover,
    /// Puts while a follower that is far behind catches up.
    Catchup,
    /// Puts and gets with tokens; gets while many others authenticate.
    Auth,
    /// Puts and gets over TLS.
    Tls,
    /// Saving a snapshot, and puts meanwhile.
    Snapshot,
    /// The start on a large directory of the published etcd.
    Takeover,
}

/// One of the two servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Kind {
    /// Our `etcd`.
    Ours,
    /// The published etcd.
    #[value(name = "etcd")]
    Reference,
}

/// One thing that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Scenario {
    /// Puts of 256 bytes from 100 clients on 10 connections.
    Put,
    /// Linearizable gets of one existing key from 100 clients on 10 connections.
    Get,
    /// Resident memory without keys.
    Empty,
    /// Resident memory with all keys.
    Memory,
    /// The first 500 keys with the count of all.
    Page,
    /// From the start after kill -9 to the first linearizable get.
    Start,
    /// One put at a time.
    Single,
    /// Puts from 1,000 clients on 100 connections.
    Many,
}

impl Scenario {
    /// Whether it needs a member with all keys.
    pub(crate) fn is_loaded(self) -> bool {
        matches!(self, Self::Get | Self::Memory | Self::Page | Self::Start)
    }

    /// What the tables call its load.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Put => "put, 100 clients on 10 connections",
            Self::Get => "linearizable get, 100 clients on 10 connections",
            Self::Empty => "empty",
            Self::Memory => "loaded",
            Self::Page => "first page of 500 keys with count",
            Self::Start => "start after kill -9",
            Self::Single => "put, one client",
            Self::Many => "put, 1,000 clients on 100 connections",
        }
    }
}
