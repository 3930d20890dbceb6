//! The comparison with the published etcd: the same load against ours and against theirs, in turn.
//!
//! The servers run on one core, the load on the other. What counts is the servers' CPU time
//! for an operation and the ratio of two figures of the same run: absolute figures depend on
//! the machine. The load generator speaks just enough HTTP/2 itself, so that it is never what is
//! measured.

mod cluster;
mod disk;
mod http2;
mod load;
mod options;
mod process;
mod programs;
mod random;
mod requests;
mod results;
mod statistics;
mod suites;
mod table;
mod target;

use anyhow::Result;
use clap::Parser as _;
use tokio::runtime::{Builder, LocalOptions};

use options::Options;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let options = Options::parse();
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())?;
    process::pin_to(options.load_core)?;
    print!("{}", runtime.block_on(suites::run(&options))?);
    Ok(())
}
