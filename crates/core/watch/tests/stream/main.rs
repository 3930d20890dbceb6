//! A stream seen from outside: requests in, responses out, over a store kept as a list.

#![expect(clippy::unwrap_used, reason = "tests")]

mod encoding;
mod model;
mod pace;

mod rules;
mod threads;
mod world;
