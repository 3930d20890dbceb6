//! Where the CPU time and the memory of this process go, in the notation of `go tool pprof`.
//!
//! CPU time is sampled by a timer of the kernel that runs with the process' CPU time, memory by every so
//! many allocated bytes. Neither costs anything before it is switched on: then an allocation costs one
//! branch. Two modules use what Rust cannot check, and say why it holds: [`mod@cpu`] runs in a signal's
//! handler, [`mod@heap`] inside the allocator.

pub mod cpu;
pub mod heap;
pub mod http;
mod messages;
mod pprof;

pub use heap::Sampling;

/// The places that a program was at, innermost first.
type Stack = Vec<usize>;
