//! `etcd`: one member of a cluster.
//!
//! The program reads its flags ([`flags`]), environment ([`environment`]) and configuration file
//! ([`mod@file`]), checks them ([`validate`]), logs as etcd does ([`logging`]), and runs the member
//! that the `server` crate assembles ([`start`], [`life`]).

mod announce;
mod audit;
mod compaction;
mod configure;
mod credentials;
mod data_dir;
mod derive;
mod descriptors;
mod discover;
mod dump;
mod environment;
mod failure;
mod file;
mod flags;
mod gates;
mod handover;
#[cfg(test)]
mod hostile;
mod life;
mod logging;
mod notify;
mod panics;
mod secure;
mod start;
mod subcommand;
mod validate;
mod version;
#[cfg(test)]
mod walk;

use std::process::ExitCode;

/// Less CPU per call than the system's allocator. Sampled where profiles are asked for.
#[global_allocator]
static ALLOCATOR: profile::Sampling<mimalloc::MiMalloc> = profile::Sampling(mimalloc::MiMalloc);

fn main() -> ExitCode {
    let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    let args: Vec<String> = std::env::args_os().map(lossy).collect();
    life::run(&args)
}
