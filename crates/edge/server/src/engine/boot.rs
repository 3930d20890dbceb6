//! From a data directory to the state that the threads take over.
//!
//! ```text
//! <data-dir>/member/wal/     the log, in etcd's format
//! <data-dir>/member/store/   the store
//! <data-dir>/member/tmp/     files of a moment: snapshots on their way to a client
//! <data-dir>/member/snap/    what is left of an etcd whose directory was taken over
//! ```
//! A directory with a log is restarted from it and the configuration of the cluster is ignored; one
//! without is bootstrapped. The store may lag behind the log after a crash: the entries between
//! them are applied again. It can never be ahead of it, unless something else touched the files.

use std::sync::Arc;

use apply::{Alarms, SharedLeases};
use auth::AuthState;
use cluster::{Bootstrap, Membership};
use disk::Dir;
use mvcc::{Reader, Writer};
use store::Store;
use types::{ClusterId, Entry, HardState, Index, MemberId, SnapshotMark};
use wal::{Metadata, Recovered, Wal};

use super::force;
use super::install::{self, InstallError};
use super::running::{Config, Join};
use super::state::{State, StateOptions};
use super::takeover;

/// Why a member does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The directory cannot be used.
    #[error("cannot access data directory {path}")]
    DataDir {
        /// The directory or file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The directory is etcd's and cannot be taken over.
    #[error(transparent)]
    Takeover(#[from] convert::TakeoverError),
    /// This member is not in the initial cluster.
    #[error("couldn't find local name \"{0}\" in the initial cluster configuration")]
    NameNotFound(String),
    /// The initial cluster does not make a cluster.
    #[error(transparent)]
    Bootstrap(#[from] cluster::BootstrapError),
    /// The initial cluster has several members, and there is no way to them.
    #[error(
        "clusters of more than one member are not built yet: --initial-cluster has {0} members"
    )]
    SeveralMembers(usize),
    /// The log cannot be opened.
    #[error("cannot open the write-ahead log")]
    Log(#[from] wal::OpenError),
    /// The log cannot be created.
    #[error("cannot create the write-ahead log")]
    LogCreate(#[from] wal::CreateError),
    /// The directory of the log cannot be read.
    #[error("cannot read the directory of the write-ahead log")]
    LogDir(#[from] wal::Fault),
    /// The log cannot be written.
    #[error("cannot write the write-ahead log")]
    LogWrite(#[from] wal::WalError),
    /// The store cannot be opened.
    #[error("cannot open the store")]
    Store(#[from] mvcc::OpenError),
    /// The store holds more than the log can explain.
    #[error(
        "the store includes entry {store}, but the log ends at entry {log}: log segments are missing"
    )]
    StoreAhead {
        /// The store's consistent index.
        store: Index,
        /// The log's last entry.
        log: Index,
    },
    /// The store lacks entries that the log no longer has.
    #[error(
        "the log begins after entry {log}, but the store ends at entry {store}: the store was lost or replaced"
    )]
    StoreBehind {
        /// The store's consistent index.
        store: Index,
        /// The mark that the log begins with.
        log: Index,
    },
    /// Stored members do not decode.
    #[error(transparent)]
    Members(#[from] cluster::LoadError),
    /// The cluster has a version that this member does not have.
    #[error(transparent)]
    TooOld(#[from] cluster::TooOld),
    /// Stored users or roles do not decode.
    #[error("cannot load users and roles")]
    Auth(#[from] auth::LoadError),
    /// A stored lease does not decode.
    #[error("a stored lease does not decode")]
    Lease(#[from] lease::DecodeLeaseError),
    /// A received snapshot cannot be put in its place.
    #[error("cannot finish installing a snapshot")]
    Install(#[from] InstallError),
    /// The log contradicts itself.
    #[error("cannot restore consensus")]
    Raft(#[from] raft::StartError),
    /// The operating system refuses a thread.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
}

/// Everything that the threads take over.
pub(super) struct Booted {
    pub(super) member: MemberId,
    pub(super) cluster: ClusterId,
    pub(super) wal: Wal,
    pub(super) wal_dir: SharedDir,
    pub(super) raft: raft::Restored,
    pub(super) mark: Index,
    pub(super) writer: Writer,
    pub(super) reader: Reader,
    pub(super) store: Store,
    pub(super) consistent: Index,
    pub(super) membership: Membership,
    pub(super) leases: SharedLeases,
    pub(super) alarms: Alarms,
    pub(super) auth: AuthState,
    pub(super) is_new: bool,
}

/// Opens or creates everything below the data directory.
pub(super) fn boot(config: &Config) -> Result<Booted, StartError> {
    let member_dir = &config.member_dir;
    let in_dir = |path: &str, source| StartError::DataDir {
        path: member_dir.describe(path),
        source,
    };
    let wal_dir = config.wal_parent.sub(&config.wal_name);
    // What the configuration alone decides is refused before anything is created.
    let initial = match wal::exists(&*wal_dir)? {
        true => None,
        false => Some(Initial::new(config)?),
    };
    // First, because a member without a store and with an old database beside it looks like one whose
    // takeover was interrupted.
    install::recover(member_dir, || newest_mark(config, &wal_dir))?;
    takeover::run(config)?;
    for name in [install::CURRENT, "tmp"] {
        member_dir
            .create_dir_all(name)
            .map_err(|error| in_dir(name, error))?;
    }
    // The directories must be there after a power loss if anything in them is to be.
    member_dir.sync_dir("").map_err(|error| in_dir("", error))?;
    // The store's lock is taken first: a second process is refused before it touches the log.
    let (writer, reader, store) = mvcc::open(
        member_dir.sub(install::CURRENT),
        config.store.clone(),
        config.mvcc,
    )?;
    for name in member_dir
        .list("tmp")
        .map_err(|error| in_dir("tmp", error))?
    {
        // Left behind by a process that was killed.
        let path = format!("tmp/{name}");
        member_dir
            .remove(&path)
            .map_err(|error| in_dir(&path, error))?;
    }
    let is_new = initial.is_some();
    let (mut wal, recovered) = match initial {
        Some(initial) => bootstrap(config, initial)?,
        None => restart(config, &wal_dir)?,
    };
    let Metadata { member, cluster } = recovered.metadata;
    let (consistent, _) = store.consistent_index();
    let options = StateOptions::new(config, cluster);
    let State {
        membership,
        leases,
        alarms,
        auth,
    } = State::load(options, &store.reader(), &writer)?;
    let mark = recovered.snapshot.index;
    let recovered = match config.force_new_cluster && !is_new {
        true => force::make_alone(&mut wal, recovered, member, consistent, &membership)?,
        false => recovered,
    };
    let raft = restored(recovered, consistent, &membership)?;
    Ok(Booted {
        member,
        cluster,
        wal,
        wal_dir,
        raft,
        mark,
        writer,
        reader,
        store,
        consistent,
        membership,
        leases: SharedLeases::new(leases),
        alarms,
        auth,
        is_new,
    })
}

/// What a log begins with: the ids, and the entries of a cluster that is being founded.
struct Initial {
    metadata: Metadata,
    entries: Vec<Entry>,
}

impl Initial {
    /// The first members of a new cluster, or a place among those of one that runs already.
    fn new(config: &Config) -> Result<Self, StartError> {
        if let Some(Join {
            member, cluster, ..
        }) = config.join
        {
            return Ok(Self {
                metadata: Metadata { member, cluster },
                entries: Vec::new(),
            });
        }
        let initial = Bootstrap::new(&config.initial_cluster, &config.initial_cluster_token)?;
        let own = initial
            .member(&config.name)
            .ok_or_else(|| StartError::NameNotFound(config.name.clone()))?;
        Ok(Self {
            metadata: Metadata {
                member: own.id,
                cluster: initial.cluster_id,
            },
            entries: initial.entries(),
        })
    }

    /// The state of a log that consists of the entries.
    fn state(&self) -> HardState {
        match self.entries.last() {
            Some(last) => HardState {
                term: last.term,
                vote: MemberId::NONE,
                commit: last.index,
            },
            None => HardState::default(),
        }
    }
}

/// A fresh log.
fn bootstrap(config: &Config, initial: Initial) -> Result<(Wal, Recovered), StartError> {
    let state = initial.state();
    let Initial { metadata, entries } = initial;
    let (parent, name) = (&*config.wal_parent, &config.wal_name);
    // At once: a log without the members of the cluster that it is to found would never lead.
    let wal = Wal::create_with(parent, name, config.wal, &metadata, &entries, &state)?;
    let snapshot = SnapshotMark::default();
    Ok((
        wal,
        Recovered {
            metadata,
            state,
            snapshot,
            entries,
            repaired: None,
        },
    ))
}

/// The mark from which the log would be started; the log is locked while it is looked for, so that
/// nobody else moves stores about.
fn newest_mark(config: &Config, dir: &SharedDir) -> Result<Option<Index>, StartError> {
    match Wal::open(Arc::clone(dir), config.wal) {
        Ok((_, recovered)) => Ok(Some(recovered.snapshot.index)),
        Err(wal::OpenError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn restart(config: &Config, dir: &SharedDir) -> Result<(Wal, Recovered), StartError> {
    let (wal, recovered) = Wal::open(Arc::clone(dir), config.wal)?;
    if let Some(repair) = &recovered.repaired {
        tracing::warn!(
            file = repair.file,
            offset = repair.offset,
            "repaired the torn end of the write-ahead log"
        );
    }
    Ok((wal, recovered))
}

/// What consensus starts with; checks that log and store belong together.
fn restored(
    recovered: Recovered,
    consistent: Index,
    membership: &Membership,
) -> Result<raft::Restored, StartError> {
    let Recovered {
        state,
        snapshot,
        entries,
        ..
    } = recovered;
    let last = entries.last().map_or(snapshot.index, |entry| entry.index);
    if consistent < snapshot.index {
        return Err(StartError::StoreBehind {
            store: consistent,
            log: snapshot.index,
        });
    }
    if consistent > last {
        return Err(StartError::StoreAhead {
            store: consistent,
            log: last,
        });
    }
    let conf = membership.conf_state();
    Ok(raft::Restored {
        hard_state: state,
        snapshot,
        conf,
        entries,
        applied: consistent,
    })
}

/// A directory as the start sees it.
pub(super) type SharedDir = Arc<dyn Dir>;
