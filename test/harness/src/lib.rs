//! Real processes for tests: the programs as users run them, on directories and ports of their own.
//!
//! The binaries are those of the release profile, built by `cargo xtask test` beforehand; a missing
//! one is an error that names the command. Tests in other languages run through [`tool`], which
//! names what is missing instead of passing without it; those in Go through [`go`].

mod cluster;
pub mod ctl;
pub mod disk;
pub mod go;
mod member;
pub mod net;
mod ports;
mod recorder;
pub mod tool;
pub mod view;

pub use cluster::Cluster;
pub use member::{Member, Pause, Stop};
pub use ports::free_port;
pub use recorder::Recorder;

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

/// A program of ours.
///
/// # Errors
/// When it has not been built.
pub fn program(name: &str) -> Result<PathBuf> {
    let test = std::env::current_exe().context("the test's own path")?;
    // target/<profile>/deps/<test> lies beside target/release/<program>.
    let target = test.ancestors().nth(3).context("the target directory")?;
    let path = target.join("release").join(name);
    ensure!(
        path.exists(),
        "{} is missing: cargo build --release -p etcd -p etcdctl -p etcdutl",
        path.display()
    );
    Ok(path)
}

/// A folder of the repository.
#[must_use]
pub fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}
