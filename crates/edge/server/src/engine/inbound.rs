//! What the other members send, on its way to the raft thread.
//!
//! The queue is bounded by messages and bytes: what does not fit is lost, as on a network.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use disk::File;
use raft::{Message, MessageKind};
use types::{ClusterId, MemberId};

use super::raft_thread::RaftInput;
use super::receive;
use super::shared::Engine;

/// Most messages that wait for the raft thread.
const MESSAGES_MAX: u64 = 8_192;
/// Most bytes of messages that wait for the raft thread.
const BYTES_MAX: u64 = 256 << 20;
/// What a message weighs beside its entries.
const MESSAGE_BYTES: u64 = 128;

/// Where the transport leaves what arrives; cheap to clone.
#[derive(Clone, Debug)]
pub struct Inbound(Engine);

impl Inbound {
    pub(super) fn new(engine: Engine) -> Self {
        Self(engine)
    }

    /// This member.
    #[must_use]
    pub fn member_id(&self) -> MemberId {
        self.0.member_id()
    }

    /// The cluster that it belongs to.
    #[must_use]
    pub fn cluster_id(&self) -> ClusterId {
        self.0.cluster_id()
    }

    /// A message has arrived. Dropped when too much waits; a snapshot does not come this way.
    pub fn message(&self, message: Message) {
        if message.kind != MessageKind::Snapshot && self.0.shared().backlog.admit(&message) {
            let input = RaftInput::Message(Box::new(message));
            self.0.raft_inbox().push(input);
        }
    }

    /// A snapshot has arrived whole, with its database in a file that need not have a name. It is
    /// made ready on a thread of its own; one at a time, others are dropped.
    pub fn snapshot(&self, message: Message, database: Arc<dyn File>) {
        receive::begin(&self.0, message, database);
    }

    /// Messages to this peer were lost.
    pub fn unreachable(&self, peer: MemberId) {
        self.0.raft_inbox().push(RaftInput::Unreachable(peer));
    }

    /// Nobody listens any more where this peer was.
    pub fn gone(&self, peer: MemberId) {
        self.0.raft_inbox().push(RaftInput::Gone(peer));
    }

    /// A snapshot to this peer was delivered, or was not.
    pub fn snapshot_sent(&self, peer: MemberId, delivered: bool) {
        self.0.snapshot_sent(peer, delivered);
    }

    /// A peer says that this member was removed from the cluster.
    pub fn removed_from_cluster(&self, by: MemberId) {
        self.0.raft_inbox().push(RaftInput::Removed(by));
    }

    /// Whether the id was a member once and can never be one again.
    #[must_use]
    pub fn is_removed(&self, id: MemberId) -> bool {
        self.0.membership().is_removed(id)
    }
}

/// How much waits for the raft thread.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    messages: AtomicU64,
    bytes: AtomicU64,
}

impl Backlog {
    /// Counts a message that arrives, if there is room for it.
    fn admit(&self, message: &Message) -> bool {
        let is_full = self.messages.load(Ordering::Relaxed) >= MESSAGES_MAX
            || self.bytes.load(Ordering::Relaxed) >= BYTES_MAX;
        if !is_full {
            self.messages.fetch_add(1, Ordering::Relaxed);
            self.bytes.fetch_add(weight(message), Ordering::Relaxed);
        }
        !is_full
    }

    /// The raft thread has taken a message.
    pub(super) fn taken(&self, message: &Message) {
        self.messages.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(weight(message), Ordering::Relaxed);
    }
}

fn weight(message: &Message) -> u64 {
    let entries = message.entries.iter();
    let bytes: usize = entries.map(|entry| entry.data.len()).sum();
    MESSAGE_BYTES * (1 + message.entries.len() as u64) + bytes as u64
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use types::Entry;

    use super::*;

    /// Peers that send faster than this member can take must not fill its memory.
    #[test]
    fn the_backlog_is_bounded() {
        let backlog = Backlog::default();
        let small = Message::default();
        for _ in 0..MESSAGES_MAX {
            assert!(backlog.admit(&small));
        }
        assert!(!backlog.admit(&small));
        backlog.taken(&small);
        assert!(backlog.admit(&small));
        let backlog = Backlog::default();
        let large = Message {
            entries: vec![Entry {
                data: Bytes::from(vec![0; 1 << 20]),
                ..Entry::default()
            }],
            ..Message::default()
        };
        let admitted = (0..1000).take_while(|_| backlog.admit(&large)).count();
        assert_eq!(admitted, 256);
        backlog.taken(&large);
        assert!(backlog.admit(&large));
    }
}
