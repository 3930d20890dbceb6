//! What can be asked for on the command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Runs the same load against our member and against a real etcd, in turn, and prints the ratios.
#[derive(Clone, Debug, Parser)]
#[command(name = "cargo xtask bench")]
pub(crate) struct Options {
    /// What to measure; everything when nothing is named.
    pub(crate) scenarios: Vec<Scenario>,
    /// Keys that are loaded where a full store is measured.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) keys: u64,
    /// How long each load is measured, after a second of warm-up.
    #[arg(long, default_value_t = 20)]
    pub(crate) seconds: u64,
    /// How often each scenario runs against each server; the table has the medians.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
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

    /// Whether a scenario was asked for.
    pub(crate) fn wants(&self, scenario: Scenario) -> bool {
        self.scenarios.is_empty() || self.scenarios.contains(&scenario)
    }
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

    /// What the tables call it.
    pub(crate) fn title(self) -> &'static str {
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
