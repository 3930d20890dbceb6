//! What members say to each other: etcd's `raftpb.Message` as our own type.
//!
//! ```text
//! 1 type  2 to  3 from  4 term  5 logTerm  6 index  7 entries  8 commit  9 snapshot
//! 10 reject  11 rejectHint  12 context
//! ```
//! Fields 13 (`vote`) and 14 (`responses`) occur only in messages that etcd sends to its own disk
//! threads; they have no place here. A codec maps one to one, zero meaning "absent".

use bytes::Bytes;
use types::{Entry, Index, MemberId, SnapshotMark, Term};

/// The kinds of message that cross the network; the discriminant is etcd's number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum MessageKind {
    /// Entries for the leader to append; term and index are the leader's to give.
    Propose = 2,
    /// Entries after (`index`, `log_term`), and how far the leader has committed.
    #[default]
    Append = 3,
    /// The follower's log matches up to `index`; or a rejection with a hint.
    AppendResponse = 4,
    /// A candidate asks for a vote; `index` and `log_term` are its last entry.
    Vote = 5,
    /// Answer to [`MessageKind::Vote`].
    VoteResponse = 6,
    /// A snapshot in place of entries that the leader no longer holds.
    Snapshot = 7,
    /// The leader lives; `commit` is bounded by what the follower has.
    Heartbeat = 8,
    /// Answer to [`MessageKind::Heartbeat`], context echoed.
    HeartbeatResponse = 9,
    /// Asks the leader to hand over to `from`.
    TransferLeader = 13,
    /// Tells the chosen successor to campaign at once.
    TimeoutNow = 14,
    /// Asks the leader for a read index; the only entry's data identifies the request.
    ReadIndex = 15,
    /// Answer to [`MessageKind::ReadIndex`].
    ReadIndexResponse = 16,
    /// Asks whether a vote would be granted; binds nobody.
    PreVote = 17,
    /// Answer to [`MessageKind::PreVote`].
    PreVoteResponse = 18,
}

impl MessageKind {
    /// The kind of a number from the wire; `None` for local kinds, which a peer has no business to
    /// send, and for unknown ones.
    #[must_use]
    pub fn from_wire(number: u64) -> Option<Self> {
        Some(match number {
            2 => Self::Propose,
            3 => Self::Append,
            4 => Self::AppendResponse,
            5 => Self::Vote,
            6 => Self::VoteResponse,
            7 => Self::Snapshot,
            8 => Self::Heartbeat,
            9 => Self::HeartbeatResponse,
            13 => Self::TransferLeader,
            14 => Self::TimeoutNow,
            15 => Self::ReadIndex,
            16 => Self::ReadIndexResponse,
            17 => Self::PreVote,
            18 => Self::PreVoteResponse,
            _ => return None,
        })
    }

    /// Etcd's number of this kind.
    #[must_use]
    pub fn to_wire(self) -> u64 {
        u64::from(self as u8)
    }

    /// Whether this answers something, so that only configured members may send it.
    pub(crate) fn is_response(self) -> bool {
        matches!(
            self,
            Self::AppendResponse
                | Self::VoteResponse
                | Self::HeartbeatResponse
                | Self::ReadIndexResponse
                | Self::PreVoteResponse
        )
    }

    /// Whether only a leader sends this, so that its sender is the leader of its term.
    pub(crate) fn is_from_leader(self) -> bool {
        matches!(self, Self::Append | Self::Heartbeat | Self::Snapshot)
    }

    /// Whether the message carries no term: it is a request, whoever leads.
    pub(crate) fn is_termless(self) -> bool {
        matches!(self, Self::Propose | Self::ReadIndex)
    }
}

/// A snapshot as it travels in a message: its mark and what the sender's shell adds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Index, term and configuration.
    pub mark: SnapshotMark,
    /// Opaque to consensus; etcd puts the membership as JSON here. The database travels beside it.
    pub data: Bytes,
}

/// A message between two members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// What it is; decides which fields matter.
    pub kind: MessageKind,
    /// The receiver.
    pub to: MemberId,
    /// The sender; in [`MessageKind::TransferLeader`] the successor.
    pub from: MemberId,
    /// The sender's term; a pre-vote has the term it would campaign in; requests have none.
    pub term: Term,
    /// The term of the entry at `index`; in a rejection that of the entry at the hint.
    pub log_term: Term,
    /// A log position, see the kinds.
    pub index: Index,
    /// Entries to append or propose, or the read request.
    pub entries: Vec<Entry>,
    /// How far the receiver may commit.
    pub commit: Index,
    /// Only in [`MessageKind::Snapshot`].
    pub snapshot: Option<Box<Snapshot>>,
    /// Whether a response refuses.
    pub reject: bool,
    /// Where a follower that rejects guesses that its log and the leader's agree.
    pub reject_hint: Index,
    /// Echoed by heartbeats; [`CAMPAIGN_TRANSFER`] in a vote.
    pub context: Bytes,
}

/// The context of a vote that the leader itself asked for: leases do not stand against it.
pub const CAMPAIGN_TRANSFER: &[u8] = b"CampaignTransfer";

#[cfg(test)]
mod tests {
    use super::*;

    /// A wrong number makes a real member take one message for another.
    #[test]
    fn numbers_round_trip() {
        let known = (0..30).filter_map(|n| MessageKind::from_wire(n).map(|kind| (n, kind)));
        let mut count = 0;
        for (number, kind) in known {
            assert_eq!(kind.to_wire(), number);
            count += 1;
        }
        assert_eq!(count, 14);
        for local in [0, 1, 10, 11, 12, 19, 20, 21, 22, 23] {
            assert_eq!(MessageKind::from_wire(local), None);
        }
    }
}
