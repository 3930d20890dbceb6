//! Files and directories as the layers above see them: two traits, one real and one faulty
//! in-memory implementation.
//!
//! Everything below the edge reaches files only through [`Dir`] and [`File`], so that the whole of
//! a member can run in the simulator with torn writes, lost un-synced writes, full disks and
//! flipped bits. A failed sync is reported once and must stop the member: nothing here retries.

mod dir;
mod file;
mod lock;
mod memory;
mod real;
mod scratch;

pub use dir::{Dir, OpenMode};
pub use file::{File, LockKind};
pub use memory::{Counts, Crash, Faults, MemDir};
pub use real::RealDir;
pub use scratch::scratch;
