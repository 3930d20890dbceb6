//! Texts in the forms that Go programs read and write: quotes, durations, numbers, sizes.

pub(crate) mod number;

pub(crate) use notation::{duration, quote};
