//! The two proxies in front of a cluster.
//!
//! [`forward`] hands connections on to members as they are (`etcd gateway`). It knows nothing of
//! what is spoken on them.

pub mod forward;
