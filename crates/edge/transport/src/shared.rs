//! What all parts of the transport share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use raft::Message;
use tokio::sync::{Semaphore, mpsc};
use types::MemberId;

use crate::config::{Config, Inbox};
use crate::convert::from_wire;
use crate::handshake::Credentials;
use crate::metrics::Metrics;
use crate::peers::{Peer, Table};
use crate::queue::QueueReceiver;
use crate::send_snapshot::Database;

/// Snapshots that are received at a time.
const SNAPSHOTS_RECEIVED_MAX: usize = 1;

/// What the transport's thread is told. A change of the membership or a snapshot each: few wait.
pub(crate) enum Command {
    /// Connect with a peer.
    Start {
        peer: Arc<Peer>,
        posts: QueueReceiver,
        is_member: bool,
    },
    /// Drop what connects us with a member, or with an unknown one.
    Stop { id: MemberId, is_member: bool },
    /// Send a snapshot.
    Snapshot {
        peer: Arc<Peer>,
        message: Message,
        database: Database,
    },
    /// End the thread.
    Quit,
}

/// A message was not for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the message is for the member {0}")]
    NotOurs(MemberId),
    #[error("the member {0} was removed from the cluster")]
    Removed(MemberId),
}

pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) credentials: Credentials,
    pub(crate) metrics: Metrics,
    pub(crate) inbox: Arc<dyn Inbox>,
    pub(crate) table: Table,
    pub(crate) receiving: Semaphore,
    commands: mpsc::UnboundedSender<Command>,
    is_stopped: AtomicBool,
    was_removed: AtomicBool,
}

impl Shared {
    pub(crate) fn new(
        config: Config,
        metrics: Metrics,
        inbox: Arc<dyn Inbox>,
        commands: mpsc::UnboundedSender<Command>,
    ) -> Self {
        Self {
            credentials: Credentials::new(config.local, config.cluster, &config.peer_urls),
            config,
            metrics,
            inbox,
            table: Table::default(),
            receiving: Semaphore::new(SNAPSHOTS_RECEIVED_MAX),
            commands,
            is_stopped: AtomicBool::new(false),
            was_removed: AtomicBool::new(false),
        }
    }

    pub(crate) fn command(&self, command: Command) {
        // After the end there is nobody left to tell, and nothing left to do.
        let _ = self.commands.send(command);
    }

    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Release);
        self.command(Command::Quit);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Acquire)
    }

    /// Whether a message is for us and from somebody who may send it.
    pub(crate) fn check(&self, message: &peer::Message) -> Result<(), Refused> {
        if message.to != self.config.local {
            return Err(Refused::NotOurs(message.to));
        }
        match self.inbox.is_removed(message.from) {
            true => Err(Refused::Removed(message.from)),
            false => Ok(()),
        }
    }

    /// Hands a message to consensus.
    pub(crate) fn deliver(&self, message: peer::Message) -> Result<(), Refused> {
        self.check(&message)?;
        let (kind, from) = (message.kind, message.from);
        match from_wire(message) {
            Some(message) => self.inbox.message(message),
            None => tracing::debug!(kind, %from, "dropped a message of a type that is not sent"),
        }
        Ok(())
    }

    /// A message to a peer was lost.
    pub(crate) fn unreachable(&self, peer: &Peer) {
        peer.meters.sent_failures.inc();
        if peer.is_report_due() && !self.is_stopped() {
            self.inbox.unreachable(peer.id);
        }
    }

    /// Nobody listens where a peer was.
    pub(crate) fn gone(&self, peer: &Peer) {
        if !self.is_stopped() {
            self.inbox.gone(peer.id);
        }
    }

    /// A peer says that we are no member any more.
    pub(crate) fn removed(&self, by: MemberId) {
        if !self.was_removed.swap(true, Ordering::AcqRel) {
            tracing::error!(peer = %by, "this member was removed from the cluster");
        }
        self.inbox.removed_from_cluster(by);
    }

    /// Remembers an unknown member by the URLs that it says it has, so that it can be answered.
    pub(crate) fn remember(&self, id: MemberId, urls: &[String]) {
        let is_stranger = id != self.config.local
            && !id.is_none()
            && !urls.is_empty()
            && self.table.receiver(id).is_none()
            && !self.inbox.is_removed(id);
        if is_stranger {
            self.table.insert_remote(id, || {
                tracing::info!(peer = %id, ?urls, "an unknown member has called");
                self.start_peer(id, urls, false)
            });
        }
    }

    /// Makes a peer and has the thread connect with it.
    pub(crate) fn start_peer(&self, id: MemberId, urls: &[String], is_member: bool) -> Arc<Peer> {
        let meters = self.metrics.peer(self.config.local, id);
        let (peer, posts) = Peer::new(id, urls, meters);
        let peer = Arc::new(peer);
        self.command(Command::Start {
            peer: Arc::clone(&peer),
            posts,
            is_member,
        });
        peer
    }
}
