//! The comparison with a real etcd member: the same load against ours and against theirs, in turn.
//!
//! Each server runs alone on one core, the load on the other. What counts is the server's CPU time
//! for an operation and the ratio of two figures of the same run: absolute figures depend on
//! the machine. The load generator speaks just enough HTTP/2 itself, so that it is never what is
//! measured.

mod http2;
mod load;
mod options;
mod process;
mod random;
mod requests;
mod results;
mod scenario;
mod server;
mod statistics;
mod table;

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
    let results = runtime.block_on(scenario::run(&options))?;
    print!("{}", table::render(&results, &options));
    Ok(())
}
