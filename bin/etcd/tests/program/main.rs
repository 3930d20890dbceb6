//! The program `etcd` as its users meet it: what it prints, how it ends, how it lives.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail")]

mod help;
mod life;
mod logs;
mod member;
mod refusals;
mod run;
