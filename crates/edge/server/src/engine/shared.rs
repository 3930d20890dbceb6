//! What all threads of a member see: its status, its views of the state, its limits.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use apply::{Alarms, SharedLeases};
use arc_swap::{ArcSwap, Guard};
use auth::AuthState;
use cluster::Membership;
use member::Leadership;
use proto::error::Error;
use raft::MemberProgress;
use transport::{Connector, PeerClient};
use types::{ClusterId, Index, MemberId, Term};

use crate::credentials::Credentials;

use super::ending::Ending;
use super::inbound::{Backlog, Inbound};
use super::inbox::Inbox;
use super::mailbox::Post;
use super::meters::Meters;
use super::outgoing::Exports;
use super::peers::Peers;
use super::raft_thread::RaftInput;
use super::receive::Place;
use super::store_thread::StoreInput;

/// A running member, as every thread sees it; cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine(Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) member: MemberId,
    pub(super) cluster: ClusterId,
    pub(super) limits: Limits,
    pub(super) status: Status,
    /// Replaced when a snapshot is installed.
    pub(super) reader: ArcSwap<mvcc::Reader>,
    pub(super) files: ArcSwap<store::Reader>,
    pub(super) leases: SharedLeases,
    pub(super) hub: Arc<watch::Hub>,
    pub(super) membership: ArcSwap<Membership>,
    pub(super) alarms: ArcSwap<Alarms>,
    pub(super) auth: ArcSwap<AuthState>,
    pub(super) auth_changes: tokio::sync::watch::Sender<()>,
    pub(super) credentials: Credentials,
    pub(super) compaction: CompactionProgress,
    pub(super) space: Space,
    pub(super) meters: Arc<Meters>,
    pub(super) post: Post,
    pub(super) raft: Inbox<RaftInput>,
    pub(super) store: Inbox<StoreInput>,
    pub(super) origin: Instant,
    pub(super) backlog: Backlog,
    pub(super) ending: Ending,
    /// Set once, when the threads start.
    pub(super) peers: OnceLock<Arc<dyn Peers>>,
    pub(super) peer_client: OnceLock<PeerClient>,
    pub(super) progress: ArcSwap<Vec<MemberProgress>>,
    pub(super) place: Place,
    /// Whether a snapshot from the leader is on its way into the store.
    pub(super) is_receiving: AtomicBool,
    pub(super) exports: Exports,
}

/// Limits of requests, from the flags.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest encoded request, in bytes.
    pub max_request_bytes: usize,
    /// Most operations of one list of a transaction.
    pub max_txn_ops: usize,
    /// Most bytes of the store's files; `None` for no limit.
    pub quota_bytes: Option<u64>,
    /// How long a request may take until it is given up.
    pub request_timeout: Duration,
    /// The election timeout, by which a new leader prolongs leases.
    pub election_timeout: Duration,
    /// Period of progress notifications to watchers that ask for them.
    pub watch_progress_interval: Duration,
    /// Whether changes of the membership that would lose the quorum are refused.
    pub strict_reconfig: bool,
}

impl Engine {
    pub(super) fn new(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }

    /// This member.
    #[must_use]
    pub fn member_id(&self) -> MemberId {
        self.0.member
    }

    /// The cluster that it belongs to.
    #[must_use]
    pub fn cluster_id(&self) -> ClusterId {
        self.0.cluster
    }

    /// The limits of requests.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Raft's view: leader, term, indexes.
    #[must_use]
    pub fn status(&self) -> &Status {
        &self.0.status
    }

    /// The reading half of the store. Asked for anew for each read: a snapshot from the leader
    /// replaces it.
    #[must_use]
    pub fn reader(&self) -> Guard<Arc<mvcc::Reader>> {
        self.0.reader.load()
    }

    /// The store's files: buckets, sizes, snapshots.
    #[must_use]
    pub fn files(&self) -> Guard<Arc<store::Reader>> {
        self.0.files.load()
    }

    /// The lease table.
    #[must_use]
    pub fn leases(&self) -> &SharedLeases {
        &self.0.leases
    }

    /// Where watchers register.
    #[must_use]
    pub fn hub(&self) -> &Arc<watch::Hub> {
        &self.0.hub
    }

    /// The members, as of the last applied entry.
    #[must_use]
    pub fn membership(&self) -> Arc<Membership> {
        self.0.membership.load_full()
    }

    /// The active alarms, as of the last applied entry.
    #[must_use]
    pub fn alarms(&self) -> Arc<Alarms> {
        self.0.alarms.load_full()
    }

    /// Users and roles, as of the last applied entry.
    #[must_use]
    pub fn auth(&self) -> Guard<Arc<AuthState>> {
        self.0.auth.load()
    }

    /// Changes whenever users, roles, or whether they matter, have changed.
    pub(crate) fn auth_changes(&self) -> tokio::sync::watch::Receiver<()> {
        self.0.auth_changes.subscribe()
    }

    /// Shows all threads what an entry changed in users and roles.
    pub(super) fn auth_changed(&self, auth: AuthState) {
        self.0.auth.store(Arc::new(auth));
        self.0.auth_changes.send_replace(());
    }

    /// How callers prove who they are.
    pub(crate) fn credentials(&self) -> &Credentials {
        &self.0.credentials
    }

    /// How far the physical compaction has come.
    #[must_use]
    pub fn compaction(&self) -> &CompactionProgress {
        &self.0.compaction
    }

    /// Whether there is room for what requests ask for.
    #[must_use]
    pub fn space(&self) -> &Space {
        &self.0.space
    }

    /// What the engine's threads measure.
    #[must_use]
    pub fn meters(&self) -> &Meters {
        &self.0.meters
    }

    /// Whether a request that may add `cost` bytes still fits under the quota; if not, the NOSPACE
    /// alarm is raised in the background.
    #[must_use]
    pub fn has_room_for(&self, cost: u64) -> bool {
        let Some(quota) = self.0.limits.quota_bytes else {
            return true;
        };
        let fits = cost == 0 || self.files().sizes().total + cost < quota;
        if !fits {
            self.0.space.report_exhausted();
        }
        fits
    }

    /// Asks the store to reclaim all garbage soon; returns at once.
    pub fn defragment(&self) {
        tracing::info!("starting defragment");
        self.0.store.push(StoreInput::ReclaimAll);
    }

    /// Where what the other members send is left.
    #[must_use]
    pub fn inbound(&self) -> Inbound {
        Inbound::new(self.clone())
    }

    /// What asks the other members single questions; over plain connections unless it was set.
    #[must_use]
    pub fn peer_client(&self) -> &PeerClient {
        let plain = || crate::membership::ask::client(Connector::plain());
        self.0.peer_client.get_or_init(plain)
    }

    /// Sets how the other members are asked; only the first time counts.
    pub fn set_connector(&self, connector: Connector) {
        let client = crate::membership::ask::client(connector);
        // Set once, at the start.
        let _ = self.0.peer_client.set(client);
    }

    /// The way to the other members; none before the threads run.
    #[must_use]
    pub fn peers(&self) -> Option<&Arc<dyn Peers>> {
        self.0.peers.get()
    }

    /// Tells when this member ends by itself.
    #[must_use]
    pub fn ending(&self) -> &Ending {
        &self.0.ending
    }

    /// What this leader knows of all members' progress, as of the last heartbeat; empty on others.
    #[must_use]
    pub fn progress(&self) -> Arc<Vec<MemberProgress>> {
        self.0.progress.load_full()
    }

    /// Asks that another member leads; whether it does shows in [`Status::leader`]. See also
    /// [`Handle::transfer_leader`](super::Handle::transfer_leader).
    pub fn ask_transfer(&self, to: MemberId) {
        self.0.raft.push(RaftInput::Transfer(to));
    }

    /// The time for lease deadlines: monotonic, from an arbitrary origin.
    #[must_use]
    pub fn now(&self) -> lease::Instant {
        lease::Instant::from(self.0.origin.elapsed())
    }

    /// Takes note of a new leader, and arms or disarms the leases accordingly.
    pub(super) fn leadership_changed(&self, leadership: Leadership, is_learner: bool) {
        let status = &self.0.status;
        status.set_learner(is_learner);
        let before = status.leader();
        status.set_leader(leadership.leader, leadership.term, self.0.origin.elapsed());
        let mut leases = self.0.leases.lock();
        if leadership.is_self && !leases.is_primary() {
            leases.promote(self.now(), self.0.limits.election_timeout);
        } else if !leadership.is_self && leases.is_primary() {
            leases.demote();
        }
        drop(leases);
        let (local, leader, term) = (self.0.member, leadership.leader, leadership.term);
        if leadership.is_self {
            tracing::info!(logger = "raft", "{local} became leader at term {term}");
        }
        let news = match (before.is_none(), leader.is_none()) {
            (true, true) => return,
            _ if before == leader => return,
            (true, false) => format!("elected leader {leader}"),
            (false, true) => format!("lost leader {before}"),
            (false, false) => format!("changed leader from {before} to {leader}"),
        };
        tracing::info!(logger = "raft", "raft.node: {local} {news} at term {term}");
    }

    /// Why a request that began at `began` has come to no end: etcd's errors.
    pub(super) fn timeout_error(&self, began: Instant, had_leader: bool) -> Error {
        let (status, timeout) = (&self.0.status, self.0.limits.election_timeout);
        let leader = status.leader();
        let elected = status.elected_after().map(|after| self.0.origin + after);
        let is_due_to_leader = elected.is_some_and(|elected| {
            began < elected && elected.saturating_duration_since(began) < 2 * timeout
        });
        if is_due_to_leader {
            Error::TimeoutDueToLeaderFail
        } else if leader.is_none() {
            match had_leader {
                true => Error::Timeout,
                false => Error::ContextDeadline,
            }
        } else if self.is_connected_since(leader, began) {
            Error::Timeout
        } else {
            Error::TimeoutDueToConnectionLost
        }
    }

    /// Whether the leader was connected all the time; of this leader itself, a quorum.
    fn is_connected_since(&self, leader: MemberId, since: Instant) -> bool {
        let Some(peers) = self.peers() else {
            return true;
        };
        let is_connected = |id| peers.active_since(id).is_some_and(|active| active <= since);
        if leader != self.0.member {
            return is_connected(leader);
        }
        let membership = self.membership();
        let voters = membership.voters().map(|member| member.id);
        let voters: Vec<_> = voters.collect();
        let connected = voters
            .iter()
            .filter(|id| **id == leader || is_connected(**id))
            .count();
        connected > voters.len() / 2
    }

    /// How long ago consensus ticked.
    pub(super) fn since_tick(&self) -> Duration {
        let millis = self.0.status.ticked.load(Ordering::Relaxed);
        let ticked = Duration::from_millis(millis);
        self.0.origin.elapsed().saturating_sub(ticked)
    }

    /// Consensus has ticked.
    pub(super) fn set_progress(&self, progress: Vec<MemberProgress>) {
        let millis = self.0.origin.elapsed().as_millis();
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        self.0.status.ticked.store(millis, Ordering::Relaxed);
        if !progress.is_empty() || !self.0.progress.load().is_empty() {
            self.0.progress.store(Arc::new(progress));
        }
    }

    /// Tells raft how sending a snapshot went.
    pub(super) fn snapshot_sent(&self, to: MemberId, delivered: bool) {
        self.0.raft.push(RaftInput::SnapshotSent { to, delivered });
    }

    /// The next snapshot may come.
    pub(super) fn received(&self) {
        self.0.is_receiving.store(false, Ordering::Release);
    }

    /// Tells the way to the other members who they are.
    pub(super) fn announce_members(&self) {
        let Some(peers) = self.peers() else { return };
        let membership = self.membership();
        let others = membership
            .members()
            .filter(|member| member.id != self.0.member);
        let others: Vec<_> = others
            .map(|member| (member.id, member.peer_urls.clone()))
            .collect();
        peers.set_members(&others);
    }

    pub(super) fn post(&self) -> &Post {
        &self.0.post
    }

    pub(super) fn raft_inbox(&self) -> &Inbox<RaftInput> {
        &self.0.raft
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.0
    }
}

/// Tells the keeper when a request did not fit.
#[derive(Debug, Default)]
pub struct Space {
    exhausted: tokio::sync::Notify,
}

impl Space {
    pub(super) fn report_exhausted(&self) {
        self.exhausted.notify_one();
    }

    pub(super) async fn exhausted(&self) {
        self.exhausted.notified().await;
    }
}

/// Raft's view of this member, written by the raft and apply threads, read by all.
#[derive(Debug, Default)]
pub struct Status {
    leader: AtomicU64,
    term: AtomicU64,
    committed: AtomicU64,
    applied: AtomicU64,
    leader_changes: AtomicU64,
    /// Milliseconds from the start to the newest election; zero for none.
    elected: AtomicU64,
    is_sole_leader: AtomicBool,
    /// When consensus ticked last, in milliseconds from the start.
    ticked: AtomicU64,
    is_learner: AtomicBool,
    is_store_lagging: AtomicBool,
}

impl Status {
    /// The known leader, or none.
    #[must_use]
    pub fn leader(&self) -> MemberId {
        MemberId(self.leader.load(Ordering::Acquire))
    }

    /// The current term.
    #[must_use]
    pub fn term(&self) -> Term {
        Term(self.term.load(Ordering::Acquire))
    }

    /// The highest committed index.
    #[must_use]
    pub fn committed(&self) -> Index {
        Index(self.committed.load(Ordering::Acquire))
    }

    /// The highest applied index.
    #[must_use]
    pub fn applied(&self) -> Index {
        Index(self.applied.load(Ordering::Acquire))
    }

    /// How often a leader was seen to change, the first one included.
    #[must_use]
    pub fn leader_changes(&self) -> u64 {
        self.leader_changes.load(Ordering::Relaxed)
    }

    /// Whether this member has no vote.
    #[must_use]
    pub fn is_learner(&self) -> bool {
        self.is_learner.load(Ordering::Relaxed)
    }

    /// Entries committed but not yet applied.
    #[must_use]
    pub fn apply_gap(&self) -> u64 {
        self.committed().0.saturating_sub(self.applied().0)
    }

    /// Whether requests must be refused until this member has caught up: too much is committed and
    /// not applied, or applied and not in the store's files.
    #[must_use]
    pub fn is_overloaded(&self) -> bool {
        self.apply_gap() > proto::limits::MAX_APPLY_GAP || self.is_store_lagging()
    }

    pub(super) fn is_store_lagging(&self) -> bool {
        self.is_store_lagging.load(Ordering::Relaxed)
    }

    pub(super) fn set_store_lagging(&self, is_store_lagging: bool) {
        self.is_store_lagging
            .store(is_store_lagging, Ordering::Relaxed);
    }

    /// Whether this member leads and is the only voter, with everything of earlier terms applied:
    /// then what is applied here is all that anybody was told.
    #[must_use]
    pub fn is_sole_leader(&self) -> bool {
        self.is_sole_leader.load(Ordering::Acquire)
    }

    pub(super) fn set_committed(&self, index: Index) {
        self.committed.store(index.0, Ordering::Release);
    }

    pub(super) fn set_applied(&self, index: Index) {
        self.applied.store(index.0, Ordering::Release);
    }

    pub(super) fn set_sole_leader(&self, is_sole_leader: bool) {
        self.is_sole_leader.store(is_sole_leader, Ordering::Release);
    }

    pub(super) fn set_learner(&self, is_learner: bool) {
        self.is_learner.store(is_learner, Ordering::Relaxed);
    }

    /// When the newest leader was seen, counted from the start.
    fn elected_after(&self) -> Option<Duration> {
        let millis = self.elected.load(Ordering::Relaxed);
        (millis > 0).then(|| Duration::from_millis(millis))
    }

    pub(super) fn set_leader(&self, leader: MemberId, term: Term, now: Duration) {
        self.term.store(term.0, Ordering::Release);
        let before = self.leader.swap(leader.0, Ordering::AcqRel);
        if before != leader.0 && !leader.is_none() {
            self.leader_changes.fetch_add(1, Ordering::Relaxed);
            let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
            self.elected.store(millis.max(1), Ordering::Relaxed);
        }
    }
}

/// The newest compaction whose garbage has been found and marked.
#[derive(Debug, Default)]
pub struct CompactionProgress {
    finished: AtomicU64,
    changed: tokio::sync::Notify,
}

impl CompactionProgress {
    /// Waits until the compaction at `revision` is finished.
    pub async fn finished(&self, revision: i64) {
        loop {
            let changed = self.changed.notified();
            if self.finished.load(Ordering::Acquire) >= revision.max(0).cast_unsigned() {
                return;
            }
            changed.await;
        }
    }

    pub(super) fn set_finished(&self, revision: i64) {
        self.finished
            .fetch_max(revision.max(0).cast_unsigned(), Ordering::AcqRel);
        self.changed.notify_waiters();
    }
}

/// The wall clock in milliseconds.
pub(super) fn unix_millis() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
