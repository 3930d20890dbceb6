//! A small client of etcd's v3 API over gRPC: the calls, the streams, and locks and elections.
//!
//! [`Client`] is a cheap handle on a set of endpoints. Calls go round robin over them; an endpoint
//! that cannot be reached is passed over until the handle's deadline. Reads are repeated when a
//! member says that it is unavailable, writes never, because they might have been applied.
//! Watches and lease keep-alives survive the loss of a connection: they continue where they were.
//!
//! Requests and answers are the messages of [`proto`]. Not here: flags and printing.

mod call;
mod calls;
mod concurrency;
mod config;
mod dial;
mod endpoint;
mod error;
mod keepalive;
mod relay;
mod transport;
mod watch;

pub use call::{Client, ResponseStream};
pub use concurrency::{Candidate, Election, Lock, LockGuard, Session, prefix_end};
pub use config::{Config, Credentials};
pub use endpoint::Endpoint;
pub use error::ClientError;
pub use keepalive::KeepAlive;
pub use relay::{Caller, Raw};
pub use watch::{Watch, Watcher};
