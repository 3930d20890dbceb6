//! The transport as the engine sees it, and its thread.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use parking_lot::Mutex;
use raft::{Message, MessageKind};
use tokio::runtime::Builder;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use types::MemberId;

use crate::config::{Config, Inbox};
use crate::dial::keep_reading;
use crate::metrics::Metrics;
use crate::peers::{Peer, StreamKind};
use crate::pipeline;
use crate::probe::keep_probing;
use crate::queue::QueueReceiver;
use crate::send_snapshot::{self, Database, Snapshot};
use crate::serve::PeerHttp;
use crate::shared::{Command, Shared};

/// Snapshots that are sent at a time.
const SNAPSHOTS_SENT_MAX: usize = 2;

/// The transport's thread cannot be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start the thread of the peer network")]
pub struct StartError(#[from] io::Error);

/// The network between the members; cheap to clone.
#[derive(Clone)]
pub struct Transport {
    shared: Arc<Shared>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transport")
            .field("local", &self.shared.config.local)
            .finish_non_exhaustive()
    }
}

impl Transport {
    /// Starts the transport's thread; there are no peers yet.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(
        config: Config,
        metrics: Metrics,
        inbox: Arc<dyn Inbox>,
    ) -> Result<Self, StartError> {
        let (commands, received) = mpsc::unbounded_channel();
        metrics.know(config.local, config.local, true);
        let shared = Arc::new(Shared::new(config, metrics, inbox, commands));
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new()
            .name("peers".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || {
                    runtime.block_on(run(shared, received));
                    // A read of a snapshot that is under way holds up nobody.
                    runtime.shutdown_background();
                }
            })?;
        Ok(Self {
            shared,
            thread: Arc::new(Mutex::new(Some(thread))),
        })
    }

    /// Sends without waiting. What cannot be sent is dropped, and its receiver reported as
    /// unreachable.
    pub fn send(&self, messages: Vec<Message>) {
        for message in messages {
            let to = message.to;
            if to.is_none() || self.shared.inbox.is_removed(to) {
                continue;
            }
            if message.kind == MessageKind::Snapshot {
                // It leaves with its database or not at all.
                self.shared.inbox.snapshot_sent(to, false);
                continue;
            }
            let Some(peer) = self.shared.table.receiver(to) else {
                tracing::debug!(%to, "dropped a message to an unknown member");
                continue;
            };
            if !peer.push(message) {
                self.shared.unreachable(&peer);
            }
        }
    }

    /// Sends a snapshot with its database; how that went is reported in any case. Whoever makes the
    /// database finds nobody to take it when it is given up.
    pub fn send_snapshot(&self, message: Message, database: Database) {
        let to = message.to;
        match self.shared.table.receiver(to) {
            Some(peer) if !self.shared.is_stopped() => self.shared.command(Command::Snapshot {
                peer,
                message,
                database,
            }),
            _ => self.shared.inbox.snapshot_sent(to, false),
        }
    }

    /// Who the others are, with their peer URLs: all members but this one.
    pub fn set_members(&self, peers: &[(MemberId, Vec<String>)]) {
        let shared = &self.shared;
        let local = shared.config.local;
        let wanted: BTreeSet<MemberId> = peers.iter().map(|(id, _)| *id).collect();
        for id in shared.table.ids() {
            if !wanted.contains(&id) {
                self.forget(id);
            }
        }
        for (id, urls) in peers.iter().filter(|(id, _)| *id != local) {
            if shared.table.remove_remote(*id) {
                shared.command(Command::Stop {
                    id: *id,
                    is_member: false,
                });
            }
            match shared.table.member(*id) {
                Some(peer) => peer.urls.set(*id, urls),
                None => {
                    shared.metrics.know(local, *id, true);
                    shared.table.insert(shared.start_peer(*id, urls, true));
                    tracing::info!(
                        "local-member-id" = %local,
                        "remote-peer-id" = %id,
                        "remote-peer-urls" = ?urls,
                        "added remote peer"
                    );
                }
            }
        }
    }

    fn forget(&self, id: MemberId) {
        if let Some(peer) = self.shared.table.remove(id) {
            let local = self.shared.config.local;
            peer.detach();
            self.shared.metrics.know(local, id, false);
            tracing::info!(
                "local-member-id" = %local,
                "removed-remote-peer-id" = %id,
                "removed remote peer"
            );
            self.shared.command(Command::Stop {
                id,
                is_member: true,
            });
        }
    }

    /// Since when a peer is connected.
    #[must_use]
    pub fn active_since(&self, peer: MemberId) -> Option<Instant> {
        self.shared.table.member(peer)?.liveness.active_since()
    }

    /// What answers the other members, for the connection threads.
    #[must_use]
    pub fn http(&self) -> PeerHttp {
        PeerHttp::new(Arc::clone(&self.shared))
    }

    /// Closes all connections and waits for the thread. Later calls do nothing.
    pub fn stop(&self) {
        self.shared.stop();
        for id in self.shared.table.ids() {
            if let Some(peer) = self.shared.table.member(id) {
                peer.detach();
            }
        }
        let thread = self.thread.lock().take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread of the peer network has panicked");
        }
    }
}

/// What runs for each peer, by its id and by whether it is a member.
type Tasks = BTreeMap<(MemberId, bool), JoinSet<()>>;

async fn run(shared: Arc<Shared>, mut commands: mpsc::UnboundedReceiver<Command>) {
    let mut tasks = Tasks::new();
    let mut snapshots = JoinSet::new();
    let turns = Arc::new(Semaphore::new(SNAPSHOTS_SENT_MAX));
    while let Some(command) = commands.recv().await {
        while snapshots.try_join_next().is_some() {}
        match command {
            Command::Start {
                peer,
                posts,
                is_member,
            } => {
                let key = (peer.id, is_member);
                tasks.insert(key, start(&shared, &peer, posts, is_member));
            }
            Command::Stop { id, is_member } => {
                tasks.remove(&(id, is_member));
            }
            Command::Snapshot {
                peer,
                message,
                database,
            } => {
                let snapshot = Snapshot {
                    peer,
                    message,
                    database,
                };
                let (shared, turns) = (Arc::clone(&shared), Arc::clone(&turns));
                snapshots.spawn(send_snapshot::send(shared, turns, snapshot));
            }
            Command::Quit => return,
        }
    }
}

/// Starts everything for a peer; it ends when the set is dropped.
fn start(
    shared: &Arc<Shared>,
    peer: &Arc<Peer>,
    posts: QueueReceiver,
    is_member: bool,
) -> JoinSet<()> {
    let mut set = JoinSet::new();
    let posts = Arc::new(tokio::sync::Mutex::new(posts));
    for _ in 0..pipeline::WORKERS {
        set.spawn(pipeline::post(
            Arc::clone(shared),
            Arc::clone(peer),
            Arc::clone(&posts),
        ));
    }
    if is_member {
        for kind in [StreamKind::Appends, StreamKind::Messages] {
            set.spawn(keep_reading(Arc::clone(shared), Arc::clone(peer), kind));
        }
        set.spawn(keep_probing(Arc::clone(shared), Arc::clone(peer)));
    }
    set
}
