//! A running member: threads, mailboxes and services around the machines of the core.
//!
//! [`engine`] is the durable, replicated store. `services` decodes, checks and answers what clients ask
//! over gRPC, `http` what they ask over plain HTTP; [`Server`] puts it all behind its sockets.

pub mod audit;
pub mod credentials;
pub mod engine;
mod gentle;
mod http;
mod member;
pub mod membership;
mod metrics;
mod network;
mod pieces;
mod ports;
mod services;
mod traces;

pub use member::{Feature, Server, ServerConfig, ServerError};
pub use network::PeerConfig;
pub use ports::ListenerTls;
pub use services::UsageConfig;
pub use traces::{SAMPLING_WHOLE, TraceConfig};
pub use transport::Connector;
