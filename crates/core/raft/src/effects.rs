//! What the machine asks of its shell: everything that touches a disk, a network or the state
//! machine.

use bytes::Bytes;
use types::{Entry, HardState, Index, MemberId, Term};

use crate::message::{Message, Snapshot};

/// The number of a [`Write`]; later writes have greater ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// Something to write to the log, in this order: snapshot mark, entries, hard state.
///
/// Writes are carried out in the order in which they were asked for. Entries whose index is already
/// in the log replace it from there on, as in etcd's log format.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Write {
    /// What [`crate::Raft::persisted`] is told when the write is durable.
    pub ticket: Ticket,
    /// The leader sent a snapshot: its mark goes to the log, its data to the state machine. The
    /// write is durable only when the state that came beside the message is, too. Once the state
    /// machine has installed it, [`crate::Raft::applied`] is called with its index; no entries are
    /// handed out before, and those handed out earlier need not be applied any more.
    pub snapshot: Option<Snapshot>,
    /// Entries to append; may be empty.
    pub entries: Vec<Entry>,
    /// The hard state, if it has changed.
    pub hard_state: Option<HardState>,
    /// Whether the write must be durable before it is acknowledged. False when only the commit
    /// index has moved: such a write may stay in a buffer, and need not be acknowledged at all.
    pub must_sync: bool,
}

/// Linearizable reads with this context may be served once `index` is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadState {
    /// The least index that the read must see.
    pub index: Index,
    /// What [`crate::Raft::read_index`] was given.
    pub context: Bytes,
}

/// What a member is in its term.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Follows a leader, or waits for one.
    #[default]
    Follower,
    /// Asks whether it could win.
    PreCandidate,
    /// Asks for votes.
    Candidate,
    /// Leads.
    Leader,
}

/// Who leads, as far as this member knows; lost in a crash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SoftState {
    /// The leader, or none.
    pub leader: MemberId,
    /// This member's role.
    pub role: Role,
    /// The term that both are of.
    pub term: Term,
}

/// Everything that has come due since the last call of [`crate::Raft::effects`].
#[derive(Debug, Default)]
pub struct Effects {
    /// To the log.
    pub write: Option<Write>,
    /// To the other members; all of them may leave at once, in any order, and any may be lost.
    ///
    /// A [`crate::MessageKind::Snapshot`] is a request to the shell: its mark says what the state
    /// machine holds at least; the shell sends what it builds, and reports how that went.
    pub messages: Vec<Message>,
    /// To the state machine, in order. All of them are committed and durable on this member.
    pub committed: Vec<Entry>,
    /// Reads that may go on.
    pub read_states: Vec<ReadState>,
    /// The leader, role or term, if any has changed. Reads asked for under another leader may never
    /// be answered.
    pub soft_state: Option<SoftState>,
}

impl Effects {
    /// Whether nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.write.is_none()
            && self.messages.is_empty()
            && self.committed.is_empty()
            && self.read_states.is_empty()
            && self.soft_state.is_none()
    }
}
