//! How Go writes and reads plain values: etcd's flags, files and log lines are in these notations.

pub(crate) mod number;

pub(crate) use ::notation::{duration, quote, url};
