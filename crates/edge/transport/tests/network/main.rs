//! Transports that talk over real sockets: with each other, with peers that misbehave, and with
//! strangers.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod faulty;
mod hostile;
mod node;
mod requests;
mod secured;
mod snapshots;
mod talk;
