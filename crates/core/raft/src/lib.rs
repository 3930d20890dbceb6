//! Consensus: one member of a replicated log, as a machine without I/O, clock or threads.
//!
//! The algorithm is that of Ongaro's thesis; messages and their meaning are interchangeable with
//! etcd's raft 3.6 and 3.7, so that members of both kinds form one cluster.
//!
//! # Inputs and effects
//!
//! ```text
//!  Raft::tick, step, propose, propose_conf_change, read_index, transfer_leader, campaign
//!  Raft::persisted, applied, apply_conf_change, compact, report_unreachable, report_gone, report_snapshot
//!                      |
//!                    Raft  ---- Raft::effects() at the end of each turn:
//!                                 write       to the log, in order; answered by persisted(ticket)
//!                                 messages    to other members, at once
//!                                 committed   to the state machine; answered by applied(index)
//!                                 read_states, soft_state
//! ```
//!
//! # Persistence is asynchronous
//!
//! The shell may go on with further turns while writes are under way. The machine keeps back
//! whatever a crash must not contradict (votes and requests for them, acknowledgements, its own
//! part in a quorum) until [`Raft::persisted`] is called. A leader's appends leave at once, in
//! parallel with its own write. Entries are handed out for application when they are committed
//! *and* durable here: simpler than etcd's asynchronous mode, and the state machine is never ahead
//! of the log beside it.
//!
//! # Words
//!
//! *Turn*: the inputs between two calls of [`Raft::effects`]. *Ticket*: the number of a write.
//! *Held*: kept back until a ticket is durable. *Round*: the reads that one exchange of heartbeats
//! confirms. *Lease*: the time during which a voter that hears from a leader gives no vote.
//!
//! # Invariants
//!
//! 1. At most one leader a term: a vote leaves only when term and vote are durable, and so does a
//!    candidate's own.
//! 2. A committed entry is never replaced; asserted where the log is cut.
//! 3. A leader counts towards commitment what it has durable itself, never what it has only sent.
//! 4. Only entries of the leader's own term are committed by counting.
//! 5. No message can cause a panic, or memory use beyond its own size and the configured windows.
//!
//! # Different from etcd
//!
//! None of this shows in what a message means, only in when and how often it is sent:
//! - Requests for votes wait for term and vote to be durable; etcd sends them at once.
//! - What a turn appends and commits goes to each follower in one append, not one per proposal.
//! - The reads of a turn share a round, and a later round confirms the earlier ones.
//! - A leader that loses its vote hands over, and steps down after an election timeout at the
//!   latest; etcd goes on leading until its process ends.
//! - Absurd messages are refused with an error where etcd would panic.
//! - At the start, what the state machine has applied counts as committed, and the term is at least
//!   that of the last entry, whatever the hard state says.
//!
//! In common with etcd, a configuration change holds from its application on. So a member that
//! does not know yet that a change is committed may need the vote of one that the change removed:
//! the shell lets a removed member go on for an election timeout or two before it stops it.
//!
//! # Left out on purpose
//!
//! Reads by lease without a quorum (unsafe under clock drift), priorities, asking for a snapshot
//! from the follower's side, and decoding: payloads are opaque `Bytes`, never copied.

mod config;
mod effects;
mod election;
mod follower;
mod inflights;
mod log;
mod members;
mod message;
mod outbox;
mod progress;
mod proposal;
mod quorum;
mod raft;
mod random;
mod read_index;
mod reconfigure;
mod replication;
mod status;
mod step;
mod transfer;

pub use config::{Config, Restored, StartError};
pub use effects::{Effects, ReadState, Role, SoftState, Ticket, Write};
pub use members::{ChangeKind, ConfChange, ConfError, Transition};
pub use message::{CAMPAIGN_TRANSFER, Message, MessageKind, Snapshot};
pub use progress::ProgressState;
pub use proposal::ProposeError;
pub use raft::Raft;
pub use read_index::ReadIndexError;
pub use status::{MemberProgress, Status};
pub use step::StepError;
pub use transfer::TransferError;
