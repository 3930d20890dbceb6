//! The engine: the threads that make a durable, replicated store out of the machines of the core.
//!
//! ```text
//! connection threads ──Propose──> raft ──Write──> log ──Persisted──> raft
//!        ▲   │                     │ ▲
//!        │   └─ reads: mvcc::Reader│ └─Applied, Stored─┐
//!        │                         └──Entries──> apply ┴──Commit──> store
//!        └───────── mailbox: one wake for many answers ──┘
//! ```
//! Each arrow is an [`inbox::Inbox`] (or, for answers, a mailbox): the receiver takes everything that
//! waits at once. Faults of this machine end the process through [`fatal`]: a member that cannot
//! trust its disk must not go on.

mod apply_thread;
mod boot;
mod compactor;
mod contact;
mod durations;
mod ending;
mod force;
mod handle;
mod inbound;
mod inbox;
mod install;
mod keeper;
mod log_thread;
mod mailbox;
mod meters;
mod ops;
mod outgoing;
mod peers;
mod raft_thread;
mod receive;
mod running;
mod shared;
mod state;
mod store_thread;
mod takeover;
mod timeline;

pub use apply_thread::CommitPolicy;
pub use boot::StartError;
pub use compactor::CompactionPolicy;
pub(crate) use durations::Sent;
pub use ending::{End, Ending};
pub use handle::Handle;
pub use inbound::Inbound;
pub use install::InstallError;
pub use keeper::Keeper;
pub use meters::Meters;
pub(crate) use ops::Op;
pub use peers::{Alone, Database, Peers};
pub use running::{Config, Join, Opened, Running, open, start};
pub use shared::{CompactionProgress, Engine, Limits, Space, Status};

/// Ends the process because this machine is wrong; what is not durable was not acknowledged.
pub(crate) fn fatal(what: &str, error: &(dyn std::error::Error + 'static)) -> ! {
    tracing::error!(error = describe(error), "{what}; this member stops");
    std::process::exit(1);
}

/// An error with its sources, outermost first.
pub(crate) fn describe(error: &(dyn std::error::Error + 'static)) -> String {
    let sources = std::iter::successors(Some(error), |error| error.source());
    let mut texts: Vec<String> = sources.map(ToString::to_string).collect();
    texts.dedup();
    texts.join(": ")
}
