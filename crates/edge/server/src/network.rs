//! The engine and the transport, each as the other sees it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use disk::File;
use raft::Message;
use transport::{Connector, Inbox, StartError, Transport};
use types::MemberId;

use crate::engine::{Database, Inbound, Opened, Peers};

/// What a connection to another member may take beside an election timeout.
const DIAL: Duration = Duration::from_secs(1);

/// How the other members are reached.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// This member's advertised peer URLs.
    pub urls: Vec<String>,
    /// How connections are made.
    pub connector: Connector,
    /// How long a stream may be silent.
    pub read_timeout: Duration,
}

impl Default for PeerConfig {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            connector: Connector::default(),
            read_timeout: Duration::from_secs(5),
        }
    }
}

/// Starts the transport of an engine that is not started yet.
pub(crate) fn start(
    config: &PeerConfig,
    opened: &Opened,
    metrics: transport::Metrics,
) -> Result<Transport, StartError> {
    let engine = opened.engine();
    let config = transport::Config {
        local: engine.member_id(),
        cluster: engine.cluster_id(),
        peer_urls: config.urls.clone(),
        dial_timeout: DIAL + engine.limits().election_timeout,
        connector: config.connector.clone(),
        read_timeout: config.read_timeout,
        scratch: opened.scratch(),
        snapshot_bytes_per_second: None,
    };
    Transport::start(config, metrics, Arc::new(engine.inbound()))
}

impl Peers for Transport {
    fn send(&self, messages: Vec<Message>) {
        Self::send(self, messages);
    }

    fn send_snapshot(&self, message: Message, database: Database) {
        Self::send_snapshot(self, message, database);
    }

    fn set_members(&self, peers: &[(MemberId, Vec<String>)]) {
        Self::set_members(self, peers);
    }

    fn active_since(&self, peer: MemberId) -> Option<Instant> {
        Self::active_since(self, peer)
    }
}

impl Inbox for Inbound {
    fn message(&self, message: Message) {
        Self::message(self, message);
    }

    fn snapshot(&self, message: Message, database: Arc<dyn File>) {
        Self::snapshot(self, message, database);
    }

    fn unreachable(&self, peer: MemberId) {
        Self::unreachable(self, peer);
    }

    fn gone(&self, peer: MemberId) {
        Self::gone(self, peer);
    }

    fn snapshot_sent(&self, peer: MemberId, delivered: bool) {
        Self::snapshot_sent(self, peer, delivered);
    }

    fn is_removed(&self, id: MemberId) -> bool {
        Self::is_removed(self, id)
    }

    fn removed_from_cluster(&self, by: MemberId) {
        Self::removed_from_cluster(self, by);
    }
}
