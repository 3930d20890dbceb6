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
//! Tick                          write      to the log; acknowledged by Input::Persisted
//! Propose, ConfChange, Read     messages   to the peers; may leave before the write is durable
//! Message                       apply      to the state machine; acknowledged by Input::Applied
//! Persisted, Applied, Stored    reads      may be answered now
//!                               refused    will never be answered by the log
//!                               mark       to the log: restarts may begin here
//! ```

mod machine;
mod marks;
mod reads;

pub use machine::{Config, Effects, Input, Leadership, Member, Refused, Restored};
