//! Whole clusters in one thread: golden scripts, random faults, hostile messages.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "test helpers stop at the first surprise"
)]

mod chaos;
mod checks;
mod golden;
mod hostile;
mod node;
mod random;
mod script;
mod trace;
mod world;
