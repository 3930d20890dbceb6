//! The way to the other members, as the engine sees it.
//!
//! The cluster transport implements [`Peers`] over the network, tests over channels. What comes
//! back goes into the engine's [`Inbound`](super::Inbound). Nothing here blocks: a peer that is
//! slow or gone loses messages, and says so.

use std::time::Instant;

use raft::Message;
pub use transport::Database;
use types::MemberId;

/// The other members.
pub trait Peers: Send + Sync + std::fmt::Debug {
    /// Sends without waiting. What cannot be sent is dropped, and its receiver reported as
    /// unreachable.
    fn send(&self, messages: Vec<Message>);
    /// Sends a snapshot, with its database behind it as it is made; how that went is reported in any
    /// case. Does not wait either: the caller makes the database next.
    fn send_snapshot(&self, message: Message, database: Database);
    /// Who the others are, and their peer URLs: all members but this one.
    fn set_members(&self, peers: &[(MemberId, Vec<String>)]);
    /// Since when a peer is connected.
    fn active_since(&self, peer: MemberId) -> Option<Instant>;
}

/// Nobody else: a member that was started without a network.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Peers for Alone {
    fn send(&self, _messages: Vec<Message>) {}

    fn send_snapshot(&self, _message: Message, _database: Database) {}

    fn set_members(&self, _peers: &[(MemberId, Vec<String>)]) {}

    fn active_since(&self, _peer: MemberId) -> Option<Instant> {
        None
    }
}
