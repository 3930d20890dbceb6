//! The two proxies in front of a cluster.
//!
//! [`forward`] hands connections on to members as they are (`etcd gateway`). It knows nothing of
//! what is spoken on them. [`grpc`] serves the API itself, from what members answer
//! (`etcd grpc-proxy`), and spares them what many callers ask alike.

pub mod forward;
pub mod grpc;
