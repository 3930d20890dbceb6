//! Making the data directory of an etcd ours.
//!
//! ```text
//! before                        after
//! member/snap/db                member/snap/db.etcd    the original, until the operator removes it
//! member/snap/*.snap            as it was
//! member/wal/                   as it was: the log is read and continued in etcd's own format
//!                               member/store/          the database, imported
//! ```
//! 1. The database is locked; log and database are looked at, and refused if they do not belong
//!    together or are of a version that is not understood. Nothing is changed until here.
//! 2. The database is imported into `store.new`, and what it says of members and leases is read back.
//! 3. `snap/db` is renamed aside, durably.
//! 4. `store.new` is renamed to `store`, durably.
//!
//! A crash before step 3 leaves a directory of etcd beside which `store.new` does not matter; one
//! between 3 and 4 leaves the original aside and no store: the next start begins again from there.
//! So at every moment there is either an untouched original or a whole store, and mostly both.

use std::io;
use std::sync::Arc;

use cluster::{Membership, Version};
use disk::{Dir, File, LockKind, OpenMode};
use lease::LeaseRecord;
use store::{Bucket, Options, Store};
use types::{ClusterId, Index};
use wal::{Recovered, Start};

use crate::error::ImportError;
use crate::import::{Header, Imported, Progress, import};
use crate::log::MemberDirs;

/// The database of etcd.
const DB: &str = "snap/db";
/// Where it is kept when it is not needed any more. etcd's own purge and cleaning pass over it.
const ASIDE: &str = "snap/db.etcd";
/// The store.
const STORE: &str = "store";
/// The store in the making.
const BUILDING: &str = "store.new";
/// What we speak as.
const OWN_VERSION: Version = Version::minor(3, 7);

/// What was taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenOver {
    /// What was imported.
    pub imported: Imported,
    /// The file that it was imported from, under the name that it has since.
    pub original: String,
}

/// Why a directory was not taken over. It is as it was, but for `store.new`.
#[derive(Debug, thiserror::Error)]
pub enum TakeoverError {
    /// It is not one that can be taken over; the source says why.
    #[error("cannot take over the data directory of etcd")]
    Refused(#[from] Refused),
    /// The log is damaged.
    #[error("cannot take over the data directory of etcd: cannot read the write-ahead log")]
    Log(#[from] wal::OpenError),
    /// The database is damaged, or the store cannot be written.
    #[error("cannot take over the database {path}")]
    Import {
        /// The database.
        path: String,
        /// What is wrong.
        source: ImportError,
    },
    /// A file cannot be used.
    #[error("cannot take over the data directory of etcd: cannot {action} {path}")]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Stored members do not decode.
    #[error("cannot take over the data directory of etcd")]
    Members(#[from] cluster::LoadError),
    /// A stored lease does not decode.
    #[error("cannot take over the data directory of etcd: bucket lease")]
    Lease(#[from] lease::DecodeLeaseError),
}

/// What is wrong with a directory as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There are two databases, and either may be the newer one.
    #[error("both {one} and {other} exist: remove the one that is not to be used")]
    Both {
        /// A path.
        one: String,
        /// Another.
        other: String,
    },
    /// A database without a log, or the other way round.
    #[error("{path} has no write-ahead log in {wal}: the directory is not complete")]
    NoLog {
        /// The database.
        path: String,
        /// Where the log should be.
        wal: String,
    },
    /// An etcd runs on it.
    #[error("{path} is locked by another process")]
    Locked {
        /// The database.
        path: String,
    },
    /// Before etcd 3.5.
    #[error("{path} was written by an etcd before 3.5: start it with etcd 3.5 once")]
    TooOld {
        /// The database.
        path: String,
    },
    /// A version that is not understood.
    #[error("{path} has {what} version {found}, which is newer than 3.7")]
    TooNew {
        /// The database.
        path: String,
        /// Storage or cluster.
        what: &'static str,
        /// The version.
        found: String,
    },
    /// A version that cannot be read.
    #[error("{path} has {what} version {found:?}, which is none")]
    BadVersion {
        /// The database.
        path: String,
        /// Storage or cluster.
        what: &'static str,
        /// What stands there.
        found: String,
    },
    /// A downgrade is under way.
    #[error(
        "the cluster is being downgraded to {target}: finish or cancel the downgrade with etcd first"
    )]
    Downgrade {
        /// The version to go to.
        target: String,
    },
    /// A snapshot was received and not installed, or the database is an old one.
    #[error(
        "{path} ends at entry {db}, but the log begins after entry {log} and {missing} does not exist"
    )]
    Behind {
        /// The database.
        path: String,
        /// Its consistent index.
        db: Index,
        /// The mark that the log begins with.
        log: Index,
        /// The file that would close the gap.
        missing: String,
    },
    /// Log segments are missing.
    #[error(
        "{path} includes entry {db}, but the log ends at entry {log}: log segments are missing"
    )]
    Ahead {
        /// The database.
        path: String,
        /// Its consistent index.
        db: Index,
        /// The last entry.
        log: Index,
    },
}

/// Takes the directory over if it is one of an etcd; `None` if there is nothing to take over.
///
/// The log is opened afterwards as always: entries after the database's consistent index are
/// applied again.
///
/// # Errors
/// [`TakeoverError`]; the member must not start then.
pub fn takeover(
    dirs: &MemberDirs,
    options: Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Option<TakenOver>, TakeoverError> {
    let member = &*dirs.member;
    let Some(source) = source(member)? else {
        return Ok(None);
    };
    let lock = lock(member, source)?;
    let wal = dirs.wal();
    if !wal::exists(&*wal).map_err(wal::OpenError::from)? {
        return Err(TakeoverError::from(Refused::NoLog {
            path: member.describe(source),
            wal: wal.describe(""),
        }));
    }
    let log = Log::read(&*wal)?;
    let (path, db) = database(member, source, Arc::clone(&lock), &log)?;
    clear(member)?;
    let built = build(dirs, &path, db, options, &log, progress);
    if built.is_err() {
        // What cannot be used should not fill the disk. It does no harm if it stays.
        let _ = clear(member);
    }
    let imported = built?;
    if source == DB {
        rename(member, DB, ASIDE)?;
        sync(member, "snap")?;
    }
    rename(member, BUILDING, STORE)?;
    sync(member, "")?;
    let original = if path == DB { ASIDE } else { &path };
    Ok(Some(TakenOver {
        imported,
        original: member.describe(original),
    }))
}

/// What matters of a log.
struct Log {
    cluster: ClusterId,
    mark: Index,
    last: Index,
}

impl Log {
    fn read(wal: &dyn Dir) -> Result<Self, TakeoverError> {
        let Recovered {
            metadata,
            snapshot,
            entries,
            ..
        } = wal::read(wal, Start::Newest)?;
        let last = entries.last().map_or(snapshot.index, |entry| entry.index);
        Ok(Self {
            cluster: metadata.cluster,
            mark: snapshot.index,
            last,
        })
    }
}

/// The database to begin with, if there is one to take over.
fn source(member: &dyn Dir) -> Result<Option<&'static str>, TakeoverError> {
    let exists = |path| {
        member
            .exists(path)
            .map_err(|source| fault(member, "look for", path, source))
    };
    let both = |one, other| {
        Refused::Both {
            one: member.describe(one),
            other: member.describe(other),
        }
        .into()
    };
    match (exists(STORE)?, exists(DB)?, exists(ASIDE)?) {
        (true, true, _) => Err(both(STORE, DB)),
        (false, true, true) => Err(both(DB, ASIDE)),
        (false, true, false) => Ok(Some(DB)),
        (false, false, true) => Ok(Some(ASIDE)),
        (true, false, _) | (false, false, false) => Ok(None),
    }
}

fn lock(member: &dyn Dir, path: &str) -> Result<Arc<dyn File>, TakeoverError> {
    let file = open(member, path)?;
    match file.try_lock(LockKind::Flock) {
        Ok(()) => Ok(file),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            let path = member.describe(path);
            Err(Refused::Locked { path }.into())
        }
        Err(error) => Err(fault(member, "lock", path, error)),
    }
}

/// The database that goes with the log: the one that is there, or a received snapshot that etcd had
/// no time to install.
fn database(
    member: &dyn Dir,
    path: &str,
    db: Arc<dyn File>,
    log: &Log,
) -> Result<(String, Arc<dyn File>), TakeoverError> {
    let header = checked(member, path, &db)?;
    if header.index > log.last {
        let refused = Refused::Ahead {
            path: member.describe(path),
            db: header.index,
            log: log.last,
        };
        return Err(refused.into());
    }
    if header.index >= log.mark {
        return Ok((path.to_owned(), db));
    }
    let received = format!("snap/{:016x}.snap.db", log.mark.0);
    let behind = |path: &str, db| Refused::Behind {
        path: member.describe(path),
        db,
        log: log.mark,
        missing: member.describe(&received),
    };
    let is_there = member
        .exists(&received)
        .map_err(|source| fault(member, "look for", &received, source))?;
    if !is_there {
        return Err(behind(path, header.index).into());
    }
    let db = open(member, &received)?;
    let header = checked(member, &received, &db)?;
    if header.index < log.mark {
        return Err(behind(&received, header.index).into());
    }
    Ok((received, db))
}

/// What a database says about itself, if that is something that is understood.
fn checked(member: &dyn Dir, path: &str, db: &Arc<dyn File>) -> Result<Header, TakeoverError> {
    let path = member.describe(path);
    let header = Header::read(Arc::clone(db)).map_err(|source| TakeoverError::Import {
        path: path.clone(),
        source,
    })?;
    match &header.storage_version {
        Some(version) => check_version(&path, "storage", version)?,
        // etcd 3.5 stores the term and no version; earlier ones store neither.
        None if header.term.0 == 0 && header.index > Index(0) => {
            return Err(Refused::TooOld { path }.into());
        }
        None => {}
    }
    let empty = std::collections::BTreeMap::new();
    let membership = Membership::load(
        ClusterId::default(),
        cluster::Options::default(),
        &empty,
        &empty,
        &header.cluster,
    )?;
    if let Some(version) = membership.version() {
        check_version(&path, "cluster", &version.to_string())?;
    }
    let downgrade = membership.downgrade();
    if downgrade.enabled {
        let target = downgrade.target_version.clone();
        return Err(Refused::Downgrade { target }.into());
    }
    Ok(header)
}

fn check_version(path: &str, what: &'static str, text: &str) -> Result<(), Refused> {
    let (path, found) = (path.to_owned(), text.to_owned());
    match text.parse::<Version>() {
        Err(_) => Err(Refused::BadVersion { path, what, found }),
        Ok(version) if version.without_patch() > OWN_VERSION => {
            Err(Refused::TooNew { path, what, found })
        }
        Ok(_) => Ok(()),
    }
}

/// Removes what an interrupted takeover has left.
fn clear(member: &dyn Dir) -> Result<(), TakeoverError> {
    let is_there = member
        .exists(BUILDING)
        .map_err(|source| fault(member, "look for", BUILDING, source))?;
    if !is_there {
        return Ok(());
    }
    let names = member
        .list(BUILDING)
        .map_err(|source| fault(member, "list", BUILDING, source))?;
    for name in names {
        let path = format!("{BUILDING}/{name}");
        member
            .remove(&path)
            .map_err(|source| fault(member, "remove", &path, source))?;
    }
    member
        .remove_dir(BUILDING)
        .map_err(|source| fault(member, "remove", BUILDING, source))
}

/// Imports, and reads back what the member will read at its start.
fn build(
    dirs: &MemberDirs,
    path: &str,
    db: Arc<dyn File>,
    options: Options,
    log: &Log,
    progress: &mut dyn FnMut(Progress),
) -> Result<Imported, TakeoverError> {
    let member = &dirs.member;
    let in_db = |source| TakeoverError::Import {
        path: member.describe(path),
        source,
    };
    let imported = import(db, member.sub(BUILDING), options.clone(), progress).map_err(in_db)?;
    let store = Store::open(member.sub(BUILDING), options, &mut |_| {})
        .map_err(|error| in_db(ImportError::Create(error)))?;
    let files = store.reader();
    Membership::load(
        log.cluster,
        cluster::Options::default(),
        &files.bucket(Bucket::Members),
        &files.bucket(Bucket::MembersRemoved),
        &files.bucket(Bucket::Cluster),
    )?;
    for (key, value) in files.bucket(Bucket::Lease) {
        LeaseRecord::decode(&key, &value)?;
    }
    Ok(imported)
}

fn open(member: &dyn Dir, path: &str) -> Result<Arc<dyn File>, TakeoverError> {
    member
        .open(path, OpenMode::Read)
        .map_err(|source| fault(member, "open", path, source))
}

fn rename(member: &dyn Dir, from: &str, to: &str) -> Result<(), TakeoverError> {
    member
        .rename(from, to)
        .map_err(|source| fault(member, "rename", from, source))
}

fn sync(member: &dyn Dir, path: &str) -> Result<(), TakeoverError> {
    member
        .sync_dir(path)
        .map_err(|source| fault(member, "sync", path, source))
}

fn fault(member: &dyn Dir, action: &'static str, path: &str, source: io::Error) -> TakeoverError {
    let path = member.describe(path);
    TakeoverError::File {
        action,
        path,
        source,
    }
}
