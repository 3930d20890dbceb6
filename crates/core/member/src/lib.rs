//! One cluster member as a machine: what happened goes in, what to do comes out.
//!
//! [`Member`] is consensus plus the policies around it that need no clock, disk or socket of their
//! own: reads wait here until their index is applied, the log is marked and cut when the store
//! has caught up, and a sole voter is recognised so that its reads need no round at all. `server`
//! gives it threads, a disk and a network; a simulator can be the other shell.
//!
//! ```text
//! Input                         Effects, in the order in which they are carried out
//! ─────                         ───────
//! Tick                          messages   to the peers; need not wait for the write
//! Propose, ConfChange, Read     write      to the log; acknowledged by Input::Persisted
//! Message, Receiving            apply      to the state machine; acknowledged by Input::Applied
//! Unreachable, SnapshotSent     reads      may be answered now
//! Gone, Removed, Transfer       refused    will never be answered by the log
//! Persisted, Applied, Stored    mark       to the log: restarts may begin here
//!                               removed    the member ends
//! ```
//! A snapshot from a leader is stepped when its database is at hand. If the write of that turn has
//! the snapshot in it, the shell makes the write durable, lets the state machine take the database
//! over, and then says Applied and Stored; if not, the database is of no use.

mod config;
mod machine;
mod marks;
mod reads;
mod retention;
mod stall;
mod waiting;

pub use config::{Config, Restored};
pub use machine::{Effects, Input, Leadership, Member};
