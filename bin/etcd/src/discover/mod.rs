//! Finding the first members of a cluster that nobody wrote down.
//!
//! ```text
//! service    another cluster keeps a list, on which every member writes itself
//! registry   the keys and values of that list, as etcd has them
//! records    SRV records of the domain name system
//! ```

pub(crate) mod records;
mod registry;
pub(crate) mod service;
