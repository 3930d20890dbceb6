//! The log as its users see it, on the faulty disk and on a real one.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod crash;
mod damage;
mod foreign;
mod model;
mod random;
mod segments;
mod tail;
