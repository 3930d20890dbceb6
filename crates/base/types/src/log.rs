//! What the raft log holds: entries, the hard state, snapshot marks and configurations.
//!
//! Shared by the consensus core, which decides about them, and the write-ahead log, which stores
//! them. Their bytes on disk and on the wire are the business of those crates.

use bytes::Bytes;

use crate::{Index, MemberId, Term};

/// What an entry carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EntryKind {
    /// A request, or nothing (a new leader's first entry).
    #[default]
    Normal,
    /// A change of the membership by one member.
    ConfChange,
    /// A change through joint consensus; decodable, never proposed by etcd.
    ConfChangeV2,
}

/// One entry of the raft log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// What `data` is.
    pub kind: EntryKind,
    /// The term in which a leader appended it.
    pub term: Term,
    /// Its position.
    pub index: Index,
    /// The payload; shared, never copied on its way.
    pub data: Bytes,
}

/// What a member must remember over a crash besides its entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HardState {
    /// The newest term seen.
    pub term: Term,
    /// Whom this member voted for in that term.
    pub vote: MemberId,
    /// The highest index known to be committed.
    pub commit: Index,
}

/// The members that vote or learn, as of some index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfState {
    /// Members whose acknowledgements count.
    pub voters: Vec<MemberId>,
    /// Members that receive the log without a vote.
    pub learners: Vec<MemberId>,
    /// The voters of the outgoing half of a joint configuration.
    pub voters_outgoing: Vec<MemberId>,
    /// Voters of the outgoing half that become learners when it is left.
    pub learners_next: Vec<MemberId>,
    /// Whether the joint configuration is left without being asked.
    pub auto_leave: bool,
}

/// The log up to here is covered by a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotMark {
    /// The last index that the snapshot covers.
    pub index: Index,
    /// The term of that entry.
    pub term: Term,
    /// The configuration at that index; absent only at index 0.
    pub conf: Option<ConfState>,
}
