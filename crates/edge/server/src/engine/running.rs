//! Starting and stopping the threads.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use apply::Apply;
use arc_swap::ArcSwap;
use member::{Member, Restored};
use types::{ClusterId, MemberId};

use crate::credentials::{Credentials, CredentialsConfig};

use super::apply_thread::{ApplyInput, ApplyThread, CommitPolicy};
use super::boot::{self, Booted, SharedDir, StartError};
use super::compactor::CompactionPolicy;
use super::ending::Ending;
use super::inbound::Backlog;
use super::inbox::Inbox;
use super::keeper::{Duties, Keeper};
use super::log_thread::{self, LogInput, LogThread};
use super::mailbox::Post;
use super::meters::Meters;
use super::outgoing::Exports;
use super::peers::{Alone, Peers};
use super::raft_thread::{RaftInput, RaftThread};
use super::receive::Place;
use super::shared::{CompactionProgress, Engine, Limits, Shared, Space, Status, unix_millis};
use super::state::StateOptions;
use super::store_thread::{StoreInput, StoreThread};
use crate::membership::CorruptionChecks;

/// How long entries behind a snapshot are kept for its receiver after it was delivered.
const SNAPSHOT_GRACE: Duration = Duration::from_secs(30);
/// After how long the leader is asked again for a read that it has not confirmed.
const READ_RETRY: Duration = Duration::from_millis(500);

/// Bytes of entries on their way to one follower; a larger entry goes alone.
const INFLIGHT_BYTES_MAX: u64 = 64 << 20;
/// Heartbeats that a member waits for at least after its start, until it stands for election.
const TICKS_LEFT: u32 = 2;

/// What an engine is told once.
#[derive(Clone, Debug)]
pub struct Config {
    /// The directory `member` of the data directory.
    pub member_dir: SharedDir,
    /// The directory that holds the log's directory.
    pub wal_parent: SharedDir,
    /// The name of the log's directory in it.
    pub wal_name: String,
    /// This member's name.
    pub name: String,
    /// Names and peer URLs of the first members.
    pub initial_cluster: BTreeMap<String, Vec<String>>,
    /// What keeps clusters with equal URLs apart.
    pub initial_cluster_token: String,
    /// The cluster that this member was added to, if it does not found one.
    pub join: Option<Join>,
    /// URLs that are published to clients.
    pub client_urls: Vec<String>,
    /// The log.
    pub wal: wal::Options,
    /// The store's files.
    pub store: store::Options,
    /// The store's memory.
    pub mvcc: mvcc::Options,
    /// Bounds of the membership.
    pub membership: cluster::Options,
    /// Bounds of leases.
    pub leases: lease::Options,
    /// Bounds of requests.
    pub limits: Limits,
    /// When applied changes go to the store's files.
    pub commit: CommitPolicy,
    /// What history is kept, if it is not kept for ever.
    pub compaction: Option<CompactionPolicy>,
    /// Pause between two steps of a compaction.
    pub compaction_pause: Duration,
    /// Whether the first election after a start comes early.
    pub early_election: bool,
    /// Most keys that one step of a compaction visits.
    pub compaction_keys: usize,
    /// Time between two heartbeats.
    pub heartbeat: Duration,
    /// Heartbeats without a leader before an election.
    pub election_ticks: u32,
    /// Whether an election is asked for before it is held.
    pub pre_vote: bool,
    /// Entries between two marks of the log.
    pub snapshot_count: u64,
    /// Entries kept for members that lag.
    pub catch_up_entries: u64,
    /// Log segments kept; zero for all.
    pub max_wals: usize,
    /// How callers are identified.
    pub credentials: CredentialsConfig,
    /// Whether all other members are dropped from the stored cluster.
    pub force_new_cluster: bool,
    /// Which comparisons with the other members are made.
    pub corruption: CorruptionChecks,
    /// How often a leader looks whether a downgrade is over.
    pub downgrade_check: Duration,
    /// How many connection threads there are.
    pub threads: usize,
}

/// A member's place in a cluster that runs already, for an empty data directory.
#[derive(Clone, Debug)]
pub struct Join {
    /// The id that the cluster has given to this member.
    pub member: MemberId,
    /// The cluster.
    pub cluster: ClusterId,
    /// The other members and their peer URLs, until the log tells of them.
    pub peers: Vec<(MemberId, Vec<String>)>,
}

/// A running engine.
#[derive(Debug)]
pub struct Running {
    engine: Engine,
    log: Inbox<LogInput>,
    apply: Inbox<ApplyInput>,
    store: Inbox<StoreInput>,
    raft_thread: JoinHandle<()>,
    apply_thread: JoinHandle<()>,
    log_thread: JoinHandle<()>,
    store_thread: JoinHandle<()>,
    prepare_thread: JoinHandle<()>,
    stop: Arc<AtomicBool>,
    is_new: bool,
}

/// An engine whose data directory is open and whose threads do not run yet.
#[derive(Debug)]
pub struct Opened {
    config: Config,
    engine: Engine,
    inboxes: Inboxes,
    machine: Apply,
    member: Member,
    wal: wal::Wal,
    wal_dir: SharedDir,
    store: store::Store,
    meters: Arc<Meters>,
    is_new: bool,
}

/// Opens the data directory and starts the threads of a member that is alone.
///
/// # Errors
/// [`StartError`] names what is wrong with the directory or the configuration.
pub fn start(config: &Config, meters: Arc<Meters>) -> Result<Running, StartError> {
    let several = config.initial_cluster.len();
    if several > 1 {
        return Err(StartError::SeveralMembers(several));
    }
    open(config, meters)?.start(Arc::new(Alone))
}

/// Opens the data directory.
///
/// # Errors
/// [`StartError`] names what is wrong with the directory or the configuration.
pub fn open(config: &Config, meters: Arc<Meters>) -> Result<Opened, StartError> {
    let booted = boot::boot(config)?;
    let inboxes = Inboxes::default();
    let engine = Engine::new(shared(config, &booted, &inboxes, Arc::clone(&meters)));
    let Booted {
        member,
        wal,
        wal_dir,
        raft,
        mark,
        writer,
        store,
        consistent,
        ..
    } = booted;
    engine.status().set_applied(consistent);

    let options = apply::Options {
        quota_bytes: config.limits.quota_bytes,
    };
    let leases = engine.leases().clone();
    let (alarms, membership) = (booted.alarms, booted.membership);
    let is_removed = membership.is_removed(member);
    let machine =
        Apply::new(writer, leases, alarms, membership, consistent, options).with_auth(booted.auth);
    let restored = Restored {
        raft,
        mark,
        is_removed,
    };
    let member = Member::new(member_config(config, member), restored)?;
    Ok(Opened {
        config: config.clone(),
        engine,
        inboxes,
        machine,
        member,
        wal,
        wal_dir,
        store,
        meters,
        is_new: booted.is_new,
    })
}

fn member_config(config: &Config, member: MemberId) -> member::Config {
    let raft_config = raft::Config {
        election_ticks: config.election_ticks,
        pre_vote: config.pre_vote,
        max_inflight_bytes: INFLIGHT_BYTES_MAX,
        ..raft::Config::new(member, unix_millis() ^ member.0)
    };
    let tick = config.heartbeat.max(Duration::from_millis(1));
    let ticks = |time: Duration| {
        u64::try_from(time.as_nanos().div_ceil(tick.as_nanos())).unwrap_or(u64::MAX)
    };
    member::Config {
        mark_every: config.snapshot_count,
        catch_up_entries: config.catch_up_entries,
        snapshot_grace_ticks: ticks(SNAPSHOT_GRACE),
        request_ticks: ticks(config.limits.request_timeout),
        read_retry_ticks: ticks(READ_RETRY),
        ..member::Config::new(raft_config)
    }
}

impl Opened {
    /// Whether the data directory was empty.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// What all threads will share.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Where files of a moment are kept.
    #[must_use]
    pub fn scratch(&self) -> SharedDir {
        self.config.member_dir.sub("tmp")
    }

    /// Starts the threads; `peers` leads to the other members.
    ///
    /// # Errors
    /// [`StartError::Thread`].
    pub fn start(self, peers: Arc<dyn Peers>) -> Result<Running, StartError> {
        let Self {
            config,
            engine,
            inboxes,
            machine,
            member,
            wal,
            wal_dir,
            store,
            meters,
            is_new,
        } = self;
        // Set once, since only here.
        let _ = engine.shared().peers.set(Arc::clone(&peers));
        match &config.join {
            Some(join) if engine.membership().members().next().is_none() => {
                peers.set_members(&join.peers);
            }
            _ => engine.announce_members(),
        }
        let Inboxes {
            raft: raft_inbox,
            log,
            apply,
            store: store_inbox,
        } = inboxes;
        let store_thread = StoreThread {
            store,
            engine: engine.clone(),
            mvcc: config.mvcc,
            raft: raft_inbox.clone(),
            meters: Arc::clone(&meters),
        };
        let apply_thread = ApplyThread {
            apply: machine,
            engine: engine.clone(),
            raft: raft_inbox.clone(),
            store: store_inbox.clone(),
            published: engine.reader().revisions().current,
            policy: config.commit,
            compaction_pause: config.compaction_pause,
            compaction_keys: config.compaction_keys,
            options: apply::Options {
                quota_bytes: config.limits.quota_bytes,
            },
            state: StateOptions::new(&config, engine.cluster_id()),
        };
        let preparer = wal.preparer();
        let log_thread = LogThread {
            wal,
            dir: wal_dir,
            raft: raft_inbox.clone(),
            apply: apply.clone(),
            meters,
        };
        let raft_thread = RaftThread {
            member,
            engine: engine.clone(),
            peers,
            log: log.clone(),
            apply: apply.clone(),
            tick: config.heartbeat,
            // Without pre-votes a member that does not know its leader yet would depose it.
            ticks_skipped: match config.pre_vote && config.early_election {
                true => config.election_ticks.saturating_sub(TICKS_LEFT),
                false => 0,
            },
            received: None,
        };
        let stop = Arc::new(AtomicBool::new(false));
        Ok(Running {
            store_thread: spawn("store", {
                let inbox = store_inbox.clone();
                move || store_thread.run(&inbox)
            })?,
            apply_thread: spawn("apply", {
                let inbox = apply.clone();
                move || apply_thread.run(&inbox)
            })?,
            log_thread: spawn("log", {
                let inbox = log.clone();
                move || log_thread.run(&inbox)
            })?,
            prepare_thread: spawn("prepare", {
                let stop = Arc::clone(&stop);
                move || log_thread::prepare(preparer, &stop)
            })?,
            stop,
            raft_thread: spawn("raft", move || raft_thread.run(&raft_inbox))?,
            engine,
            log,
            apply,
            store: store_inbox,
            is_new,
        })
    }
}

impl Running {
    /// What all threads of the process share.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Whether the data directory was empty.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// The member's own duties, to be started on a thread of their own; `ready` hears once the
    /// member is published and can serve.
    #[must_use]
    pub fn keeper(&self, config: &Config, ready: std::sync::mpsc::SyncSender<()>) -> Keeper {
        let duties = Duties {
            name: config.name.clone(),
            client_urls: config.client_urls.clone(),
            compaction: config.compaction,
            max_wals: config.max_wals,
            corruption: config.corruption,
            downgrade_check: config.downgrade_check,
        };
        let thread = self.engine.post().len() - 1;
        Keeper {
            engine: self.engine.clone(),
            thread,
            duties,
            log: self.log.clone(),
            ready,
        }
    }

    /// Stops the threads in the order in which work flows; everything acknowledged is on disk.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.prepare_thread.thread().unpark();
        self.engine.raft_inbox().close();
        // A thread that panicked has nothing left to hand over.
        let _ = self.raft_thread.join();
        self.apply.close();
        let _ = self.apply_thread.join();
        self.store.close();
        let _ = self.store_thread.join();
        self.log.close();
        let _ = self.log_thread.join();
        let _ = self.prepare_thread.join();
    }
}

#[derive(Debug, Default)]
struct Inboxes {
    raft: Inbox<RaftInput>,
    log: Inbox<LogInput>,
    apply: Inbox<ApplyInput>,
    store: Inbox<StoreInput>,
}

fn shared(config: &Config, booted: &Booted, inboxes: &Inboxes, meters: Arc<Meters>) -> Shared {
    let current = booted.reader.revisions().current;
    Shared {
        member: booted.member,
        cluster: booted.cluster,
        limits: config.limits,
        status: Status::default(),
        reader: ArcSwap::from_pointee(booted.reader.clone()),
        files: ArcSwap::from_pointee(booted.store.reader()),
        leases: booted.leases.clone(),
        hub: Arc::new(watch::Hub::new(current, unix_millis())),
        membership: ArcSwap::from_pointee(booted.membership.clone()),
        alarms: ArcSwap::from_pointee(booted.alarms.clone()),
        auth: ArcSwap::from_pointee(booted.auth.clone()),
        auth_changes: tokio::sync::watch::Sender::default(),
        credentials: Credentials::new(config.credentials.clone()),
        compaction: CompactionProgress::default(),
        space: Space::default(),
        meters,
        // One mailbox more for the keeper.
        post: Post::new(booted.member, config.threads + 1),
        raft: inboxes.raft.clone(),
        store: inboxes.store.clone(),
        origin: Instant::now(),
        backlog: Backlog::default(),
        ending: Ending::default(),
        peers: OnceLock::new(),
        peer_client: OnceLock::new(),
        progress: ArcSwap::default(),
        place: Place {
            member_dir: Arc::clone(&config.member_dir),
            store: config.store.clone(),
        },
        is_receiving: AtomicBool::new(false),
        exports: Exports::default(),
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StartError> {
    let name = format!("etcd-{name}");
    std::thread::Builder::new()
        .name(name)
        .spawn(run)
        .map_err(StartError::Thread)
}
