//! Configuration changes: their bytes in the log and their meaning.
//!
//! ```text
//! 08 request id | 10 type | 18 node id | 22 context         proto2, plain varints
//! type     0 add voter or promote   1 remove   2 update   3 add learner
//! context  the member's JSON; {"id":1,"peerURLs":null,"isPromote":true} to promote; none to remove
//! ```
//! The request id is absent in bootstrap entries. Type and node id are always written: that is
//! what etcd 3.7 writes and every version reads.

use bytes::{Bytes, BytesMut};
use types::{MemberId, RequestId};
use wire::{BadField, Fields, Value, put_bytes, put_number, put_present_number};

use crate::json;
use crate::member::{DecodeMemberError, Member, MemberJson};

/// What raft does with the node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConfChangeKind {
    /// It votes from now on.
    #[default]
    AddNode,
    /// It leaves.
    RemoveNode,
    /// Its URLs change; nothing for raft.
    UpdateNode,
    /// It receives the log without a vote.
    AddLearnerNode,
}

/// A configuration change as it stands in the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfChange {
    /// The request that proposed it; zero in bootstrap entries.
    pub id: RequestId,
    /// What raft does.
    pub kind: ConfChangeKind,
    /// With whom; zero for a change that was refused.
    pub node: MemberId,
    /// What the membership needs to know.
    pub context: Bytes,
}

/// What a configuration change means to the membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A voter or learner joins.
    Add(Member),
    /// A learner gets a vote.
    Promote(MemberId),
    /// A member leaves for ever.
    Remove(MemberId),
    /// A member's peers reach it elsewhere.
    Update {
        /// The member.
        id: MemberId,
        /// Its new peer URLs.
        peer_urls: Vec<String>,
    },
}

/// The bytes are not a configuration change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeChangeError {
    /// The message is damaged.
    #[error("not a configuration change: bad field at byte {offset}")]
    Message {
        /// Where decoding stopped.
        offset: usize,
    },
    /// The type is none of the four.
    #[error("unknown type {kind} of configuration change")]
    UnknownKind {
        /// The number.
        kind: u64,
    },
    /// The context is not a member.
    #[error("bad context of a configuration change")]
    Context(#[from] DecodeMemberError),
    /// The context speaks of another member than the change.
    #[error("configuration change of member {node} has a context for {context}")]
    Mismatch {
        /// The node of the change.
        node: MemberId,
        /// The member of the context.
        context: MemberId,
    },
}

const ID: u8 = 1;
const KIND: u8 = 2;
const NODE: u8 = 3;
const CONTEXT: u8 = 4;

impl ConfChange {
    /// The bytes for the log.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut buf = BytesMut::with_capacity(40 + self.context.len());
        put_number(&mut buf, ID, self.id.0);
        put_present_number(&mut buf, KIND, self.kind.number());
        put_present_number(&mut buf, NODE, self.node.0);
        if !self.context.is_empty() {
            put_bytes(&mut buf, CONTEXT, &self.context);
        }
        buf.freeze()
    }

    /// Reads the bytes of the log; the context is a slice of them.
    ///
    /// Unknown fields are skipped, fields may come in any order, absent ones are zero.
    ///
    /// # Errors
    /// [`DecodeChangeError`]; the context is not looked into.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeChangeError> {
        let mut change = Self::default();
        for field in Fields::new(bytes) {
            let (field, value) = field?;
            match (u8::try_from(field), value) {
                (Ok(ID), Value::Number(number)) => change.id = RequestId(number),
                (Ok(KIND), Value::Number(number)) => {
                    change.kind = ConfChangeKind::from_number(number)?;
                }
                (Ok(NODE), Value::Number(number)) => change.node = MemberId(number),
                (Ok(CONTEXT), Value::Bytes(context)) => change.context = bytes.slice_ref(context),
                _ => {}
            }
        }
        Ok(change)
    }

    /// What the change means.
    ///
    /// # Errors
    /// [`DecodeChangeError`] when the context is damaged or speaks of another member.
    pub fn change(&self) -> Result<Change, DecodeChangeError> {
        if self.kind == ConfChangeKind::RemoveNode {
            return Ok(Change::Remove(self.node));
        }
        let context = MemberJson::decode(&self.context)?;
        let is_promote = context.is_promote == Some(true);
        let member = context.into_member();
        if member.id != self.node {
            return Err(DecodeChangeError::Mismatch {
                node: self.node,
                context: member.id,
            });
        }
        Ok(match self.kind {
            ConfChangeKind::UpdateNode => Change::Update {
                id: member.id,
                peer_urls: member.peer_urls,
            },
            _ if is_promote => Change::Promote(member.id),
            _ => Change::Add(member),
        })
    }
}

impl Change {
    /// The member that the change is about.
    #[must_use]
    pub fn member_id(&self) -> MemberId {
        match self {
            Self::Add(member) => member.id,
            Self::Promote(id) | Self::Remove(id) | Self::Update { id, .. } => *id,
        }
    }

    /// The change as it is proposed.
    #[must_use]
    pub fn to_conf_change(&self, id: RequestId) -> ConfChange {
        let (kind, context) = match self {
            Self::Add(member) if member.is_learner => (
                ConfChangeKind::AddLearnerNode,
                json::encode(&MemberJson::new(member, false)),
            ),
            Self::Add(member) => (
                ConfChangeKind::AddNode,
                json::encode(&MemberJson::new(member, false)),
            ),
            Self::Promote(id) => (
                ConfChangeKind::AddNode,
                json::encode(&MemberJson::new(&bare(*id), true)),
            ),
            Self::Remove(_) => (ConfChangeKind::RemoveNode, String::new()),
            Self::Update { id, peer_urls } => {
                let member = Member {
                    peer_urls: peer_urls.clone(),
                    ..bare(*id)
                };
                (
                    ConfChangeKind::UpdateNode,
                    json::encode(&MemberJson::new(&member, false)),
                )
            }
        };
        ConfChange {
            id,
            kind,
            node: self.member_id(),
            context: Bytes::from(context),
        }
    }
}

impl ConfChangeKind {
    const fn number(self) -> u64 {
        match self {
            Self::AddNode => 0,
            Self::RemoveNode => 1,
            Self::UpdateNode => 2,
            Self::AddLearnerNode => 3,
        }
    }

    fn from_number(number: u64) -> Result<Self, DecodeChangeError> {
        Ok(match number {
            0 => Self::AddNode,
            1 => Self::RemoveNode,
            2 => Self::UpdateNode,
            3 => Self::AddLearnerNode,
            kind => return Err(DecodeChangeError::UnknownKind { kind }),
        })
    }
}

fn bare(id: MemberId) -> Member {
    Member {
        id,
        ..Member::default()
    }
}

impl From<BadField> for DecodeChangeError {
    fn from(BadField { offset }: BadField) -> Self {
        Self::Message { offset }
    }
}

#[cfg(test)]
mod tests;
