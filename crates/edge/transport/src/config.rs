//! What the transport is told, and whom it tells.

use std::sync::Arc;
use std::time::Duration;

use disk::{Dir, File};
use raft::Message;
use types::{ClusterId, MemberId};

use crate::connect::Connector;

/// What the transport is told once.
#[derive(Clone, Debug)]
pub struct Config {
    /// This member.
    pub local: MemberId,
    /// Its cluster.
    pub cluster: ClusterId,
    /// Its advertised peer URLs, so that peers that do not know them yet can answer.
    pub peer_urls: Vec<String>,
    /// How long a connection may take: etcd allows a second and an election timeout.
    pub dial_timeout: Duration,
    /// A stream of a peer that is silent for so long is dead. Peers say every two seconds that they
    /// are alive, whatever they are told here.
    pub read_timeout: Duration,
    /// How connections are made.
    pub connector: Connector,
    /// Where snapshots are kept while they arrive.
    pub scratch: Arc<dyn Dir>,
    /// How fast a snapshot is sent; none is as fast as the network.
    pub snapshot_bytes_per_second: Option<u64>,
}

/// Who takes what arrives. Nothing here may block.
pub trait Inbox: Send + Sync + 'static {
    /// A message for consensus; it may be dropped, as on a network.
    fn message(&self, message: Message);
    /// A snapshot has arrived whole and is on disk, in a file that has no name any more.
    fn snapshot(&self, message: Message, database: Arc<dyn File>);
    /// Messages to this peer were lost.
    fn unreachable(&self, peer: MemberId);
    /// Nobody listens any more where this peer was: its process has most likely ended.
    fn gone(&self, peer: MemberId);
    /// A snapshot was delivered to this peer, or was not.
    fn snapshot_sent(&self, peer: MemberId, delivered: bool);
    /// Whether the id was a member once and can never be one again.
    fn is_removed(&self, id: MemberId) -> bool;
    /// A peer says that this member was removed from the cluster, so that it has to stop sooner or
    /// later; said again as often as the peer refuses it.
    fn removed_from_cluster(&self, by: MemberId);
}
