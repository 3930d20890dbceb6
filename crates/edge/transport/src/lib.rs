//! The network between the members: etcd's peer protocol, both sides of it.
//!
//! ```text
//! Transport::send ─▶ queue of a peer ─▶ stream that the peer has opened to us   (connection thread)
//!                                  └──▶ POST /raft while there is none          (transport thread)
//! stream that we opened to a peer, POSTs of a peer ─▶ Inbox
//! ```
//! A member dials the streams that it *receives* by; so each side of a pair has two open streams,
//! one for appends and one for everything else. Nothing here waits for a peer: queues are bounded
//! by messages and bytes, what does not fit is dropped, and consensus is told that the peer is
//! unreachable. Every protocol error ends in one line of the log and a closed connection.

mod body;
mod client;
mod config;
mod connect;
mod convert;
mod dial;
mod failure;
mod handshake;
mod liveness;
mod metrics;
mod peers;
mod pipeline;
mod probe;
mod queue;
mod receive;
mod send_snapshot;
mod serve;
mod session;
mod shared;
mod transport;
mod writer;

pub use client::{Answer, ClientError, PeerClient};
pub use config::{Config, Inbox};
pub use connect::{Connecting, Connector, PeerStream, Tls};
pub use metrics::Metrics;
pub use send_snapshot::Database;
pub use serve::PeerHttp;
pub use transport::{StartError, Transport};
