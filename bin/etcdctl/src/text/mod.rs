//! Texts in the forms that Go programs read and write: quotes, durations, numbers, sizes.

pub(crate) mod duration;
pub(crate) mod number;
pub(crate) mod quote;
pub(crate) mod size;
pub(crate) mod time;
