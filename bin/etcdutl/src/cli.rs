//! The command line: names, defaults and help texts of etcdutl.

use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgAction, Args, Parser, Subcommand};

use crate::parse::{go_bool, go_duration, go_int, go_uint};

/// Help is the usage block alone.
const TEMPLATE: &str = "Usage:\n  {usage}\n\n{all-args}";

/// An administrative command line tool for etcd.
#[derive(Debug, Parser)]
#[command(
    name = "etcdutl",
    help_template = TEMPLATE,
    infer_subcommands = true,
    args_override_self = true,
    disable_version_flag = true,
    propagate_version = false,
    subcommand_help_heading = "Available Commands",
    next_help_heading = "Flags"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Flags that every command accepts.
#[derive(Args, Debug)]
pub(crate) struct Global {
    /// How long to wait for the file lock of the database, 0 for ever
    #[arg(long, global = true, default_value = "10s", value_name = "duration",
          value_parser = go_duration, allow_hyphen_values = true)]
    pub(crate) timeout: Duration,
    /// Set the output format (fields, json, protobuf, simple, table)
    #[arg(
        short = 'w',
        long,
        global = true,
        default_value = "simple",
        value_name = "string",
        allow_hyphen_values = true
    )]
    pub(crate) write_out: String,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Generate the autocompletion script for the specified shell
    #[command(help_template = TEMPLATE)]
    Completion {
        /// bash, zsh, fish or powershell
        #[arg(value_name = "shell")]
        shells: Vec<String>,
    },
    /// Defragments the storage of the etcd
    #[command(help_template = TEMPLATE)]
    Defrag(DataDir),
    /// Prints the KV history hash of a given file
    #[command(help_template = TEMPLATE)]
    Hashkv(Hashkv),
    /// Migrates schema of etcd data dir files to make them compatible with different etcd version
    #[command(help_template = TEMPLATE)]
    Migrate(Migrate),
    /// Tells what is left of a cluster that lost its quorum, and rebuilds a member from it
    #[command(help_template = TEMPLATE)]
    Recover(Recover),
    /// Manages etcd node snapshots
    #[command(
        help_template = TEMPLATE,
        infer_subcommands = true,
        args_override_self = true,
        subcommand_help_heading = "Available Commands"
    )]
    Snapshot {
        #[command(subcommand)]
        command: Option<Snapshot>,
    },
    /// Prints the version of etcdutl
    #[command(help_template = TEMPLATE)]
    Version {
        #[arg(hide = true)]
        ignored: Vec<String>,
    },
}

/// The commands about snapshots.
#[derive(Debug, Subcommand)]
pub(crate) enum Snapshot {
    /// Restores an etcd member snapshot to an etcd directory
    #[command(help_template = TEMPLATE)]
    Restore(Restore),
    /// Gets backend snapshot status of a given file
    #[command(help_template = TEMPLATE)]
    Status {
        /// The snapshot, or the database of a data directory
        #[arg(value_name = "filename")]
        files: Vec<String>,
    },
    /// Anything else prints the usage.
    #[command(external_subcommand)]
    Unknown(#[expect(dead_code, reason = "the parser needs a place for the words")] Vec<String>),
}

/// Arguments of `hashkv`.
#[derive(Args, Debug)]
pub(crate) struct Hashkv {
    /// The snapshot, or the database of a data directory
    #[arg(value_name = "filename")]
    pub(crate) files: Vec<String>,
    /// Maximum revision to hash, 0 for the latest
    #[arg(long, default_value = "0", value_name = "int", value_parser = go_int,
          allow_hyphen_values = true)]
    pub(crate) rev: i64,
}

/// Arguments of `defrag`.
#[derive(Args, Debug)]
pub(crate) struct DataDir {
    /// Path to the etcd data directory of the member that is not running
    #[arg(long, required = true, value_name = "string",
          value_parser = NonEmptyStringValueParser::new())]
    pub(crate) data_dir: String,
    #[arg(hide = true)]
    ignored: Vec<String>,
}

/// Arguments of `migrate`.
#[derive(Args, Debug)]
pub(crate) struct Migrate {
    #[command(flatten)]
    pub(crate) data: DataDir,
    /// Target etcd version to migrate contents of data dir to, of the form X.Y
    #[arg(long, required_unless_present = "to_etcd", value_name = "string")]
    pub(crate) target_version: Option<String>,
    /// Write a data directory for etcd here instead, with the same data and ids
    #[arg(long, value_name = "string", conflicts_with = "target_version")]
    pub(crate) to_etcd: Option<String>,
    /// Path to the WAL directory, if it is not in the data directory
    #[arg(long, value_name = "string")]
    pub(crate) wal_dir: Option<String>,
    /// Path to the WAL directory for etcd, if it is not to be in its data directory
    #[arg(long, value_name = "string", requires = "to_etcd")]
    pub(crate) to_wal_dir: Option<String>,
    /// Ignore migration failure and forcefully override storage version
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false",
          default_missing_value = "true", value_parser = go_bool, action = ArgAction::Set)]
    pub(crate) force: bool,
}

/// Arguments of `recover`.
#[derive(Args, Debug)]
pub(crate) struct Recover {
    /// The data directories that are left, of members that are not running
    #[arg(value_name = "data-dir")]
    pub(crate) data_dirs: Vec<String>,
    /// Write the most advanced member here, to be started with --force-new-cluster
    #[arg(long, value_name = "string")]
    pub(crate) to: Option<String>,
    /// Rebuild although the members that are left are a quorum
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false",
          default_missing_value = "true", value_parser = go_bool, action = ArgAction::Set)]
    pub(crate) force: bool,
}

/// Arguments of `snapshot restore`.
#[derive(Args, Debug)]
pub(crate) struct Restore {
    /// The snapshot
    #[arg(value_name = "filename")]
    pub(crate) files: Vec<String>,
    /// Path to the output data directory
    #[arg(long, default_value = "", value_name = "string")]
    pub(crate) data_dir: String,
    /// Path to the WAL directory (use --data-dir if none given)
    #[arg(long, default_value = "", value_name = "string")]
    pub(crate) wal_dir: String,
    /// Human-readable name for this member
    #[arg(long, default_value = "default", value_name = "string")]
    pub(crate) name: String,
    /// Initial cluster configuration for restore bootstrap
    #[arg(
        long,
        default_value = "default=http://localhost:2380",
        value_name = "string"
    )]
    pub(crate) initial_cluster: String,
    /// Initial cluster token for the etcd cluster during restore bootstrap
    #[arg(long, default_value = "etcd-cluster", value_name = "string")]
    pub(crate) initial_cluster_token: String,
    /// List of this member's peer URLs to advertise to the rest of the cluster
    #[arg(long, default_value = "http://localhost:2380", value_name = "string")]
    pub(crate) initial_advertise_peer_urls: String,
    /// Ignore snapshot integrity hash value (required if copied from data directory)
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false",
          default_missing_value = "true", value_parser = go_bool, action = ArgAction::Set)]
    pub(crate) skip_hash_check: bool,
    /// Initial memory map size of the database in bytes; accepted, there is no memory map
    #[arg(long, default_value = "10737418240", value_name = "uint", value_parser = go_uint, allow_hyphen_values = true)]
    pub(crate) initial_memory_map_size: u64,
    /// How much to increase the latest revision after restore
    #[arg(long, default_value = "0", value_name = "uint", value_parser = go_uint, allow_hyphen_values = true)]
    pub(crate) bump_revision: u64,
    /// Mark the latest revision after restore as the point of scheduled compaction
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false",
          default_missing_value = "true", value_parser = go_bool, action = ArgAction::Set)]
    pub(crate) mark_compacted: bool,
}
