//! The API, served from members: `etcd grpc-proxy`.
//!
//! ```text
//! callers ─▶ connection threads ─▶ Services ─▶ Backend ─▶ members
//!                                    ├─ Cache: reads that need not be the newest
//!                                    ├─ Leasing: reads of keys that this proxy owns
//!                                    └─ Groups, Renewals: one stream for many, on a thread of their own
//! ```
//!
//! Members decide who may do what: every call carries the token of its caller, and nothing that is
//! shared is shared between callers with different tokens.

mod backend;
mod cache;
mod failure;
mod http;
mod kv;
mod leasing;
mod metrics;
mod namespace;
mod registry;
mod renewals;
mod routes;
mod scrape;
mod server;
mod services;
mod watch;
mod who;

pub use registry::Resolver;
pub use server::{Config, GrpcProxy, ProxyError};
