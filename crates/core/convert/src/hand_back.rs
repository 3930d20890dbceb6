//! From a data directory of ours to one that etcd starts from.
//!
//! The database holds the store as it is, at its consistent index. A new log carries the same ids, a
//! mark at that index and the entries after it, so that nothing that was acknowledged is missing,
//! and no entry from before the mark is ever read again. Entries in the form of 3.5 are given that of
//! 3.7, which does not read the old one; versions before 3.7 find the mark's `.snap` file.

use std::io;

use bytes::Bytes;
use cluster::Membership;
use disk::{Dir, OpenMode};
use store::Bucket;
use types::{Entry, EntryKind, HardState, Index, Revision, SnapshotMark};
use wal::{SnapFile, Start, snap_name};

use crate::error::ExportError;
use crate::export::export_seen;
use crate::log::{Contents, LogError, MemberDirs};

/// What was handed back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandedBack {
    /// The index that the database and the mark are at.
    pub consistent_index: Index,
    /// The current revision at that index.
    pub current_revision: i64,
    /// Entries of the log after it.
    pub entries: usize,
    /// The length of the database.
    pub bytes: u64,
}

/// Why a directory was not handed back.
#[derive(Debug, thiserror::Error)]
pub enum HandBackError {
    /// There is no store.
    #[error("{dir} holds no member of ours")]
    NoStore {
        /// The directory.
        dir: String,
    },
    /// The target is in use.
    #[error("{path} exists")]
    Exists {
        /// The path.
        path: String,
    },
    /// The store.
    #[error("cannot open the store")]
    Store(#[from] mvcc::OpenError),
    /// The log.
    #[error("cannot read the write-ahead log")]
    Log(#[from] wal::OpenError),
    /// Stored members.
    #[error(transparent)]
    Members(#[from] cluster::LoadError),
    /// The log lacks entries that the store does not include.
    #[error("the log begins after entry {log}, but the store ends at entry {store}")]
    Behind {
        /// The store's consistent index.
        store: Index,
        /// The mark that the log begins with.
        log: Index,
    },
    /// The database.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// A file or directory.
    #[error("cannot write {path}")]
    File {
        /// Its path.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The new log.
    #[error("cannot write the write-ahead log")]
    Write(#[from] LogError),
}

/// Writes a data directory of etcd to `to` from the member in `from`, which must not run. `progress` hears
/// up to which revision of how many the database is written.
///
/// # Errors
/// [`HandBackError`]; `to` is of no use then, `from` is as it was.
pub fn hand_back(
    from: &MemberDirs,
    to: &MemberDirs,
    store: store::Options,
    wal: wal::Options,
    progress: &mut dyn FnMut(i64, i64),
) -> Result<HandedBack, HandBackError> {
    let has_store = from.member.exists("store").unwrap_or(false);
    if !has_store {
        let dir = from.member.describe("");
        return Err(HandBackError::NoStore { dir });
    }
    check_target(to)?;
    // Holds the lock of the store, which a running member has.
    let (_writer, reader, files) =
        mvcc::open(from.member.sub("store"), store, mvcc::Options::default())?;
    let log = wal::read(&*from.wal(), Start::Newest)?;
    let snapshot = files.reader().snapshot();
    let (index, term) = snapshot.consistent_index();
    if index < log.snapshot.index {
        let log = log.snapshot.index;
        return Err(HandBackError::Behind { store: index, log });
    }
    let membership = Membership::load(
        log.metadata.cluster,
        cluster::Options::default(),
        snapshot.bucket(Bucket::Members),
        snapshot.bucket(Bucket::MembersRemoved),
        snapshot.bucket(Bucket::Cluster),
    )?;
    let named = |path: &str| {
        let path = to.member.describe(path);
        |source| HandBackError::File { path, source }
    };
    to.member.create_dir_all("snap").map_err(named("snap"))?;
    let file = to
        .member
        .open("snap/db", OpenMode::CreateNew)
        .map_err(named("snap/db"))?;
    let current = reader.revisions().current;
    let mut seen = |revision: Revision| progress(revision.main, current);
    let bytes = export_seen(&snapshot, file, &mut seen)?;
    let mark = (index > Index(0)).then(|| SnapshotMark {
        index,
        term,
        conf: Some(membership.conf_state()),
    });
    if let Some(mark) = &mark {
        let data = Bytes::from(membership.encode_version2(index));
        let mark = mark.clone();
        let path = format!("snap/{}", snap_name(term, index));
        write_file(&*to.member, &path, &SnapFile { mark, data }.encode()).map_err(named(&path))?;
    }
    to.member.sync_dir("snap").map_err(named("snap"))?;
    let is_after = |entry: &Entry| entry.index > index;
    let after = log.entries.into_iter().filter(is_after);
    let after: Vec<Entry> = after.map(in_the_form_of_today).collect();
    // The log is last: without one, etcd takes the directory for an empty one.
    let contents = Contents {
        metadata: log.metadata,
        before: &[],
        state: HardState {
            // What was applied was committed, even if the log was not told before the end.
            commit: log.state.commit.max(index),
            ..log.state
        },
        mark,
        after: &after,
    };
    contents.write(to, wal)?;
    to.member.sync_dir("").map_err(named(""))?;
    Ok(HandedBack {
        consistent_index: index,
        current_revision: current,
        entries: after.len(),
        bytes,
    })
}

/// etcd 3.7 ends when it meets a request in the form of 3.5.
fn in_the_form_of_today(entry: Entry) -> Entry {
    match apply::modern(&entry.data) {
        Some(data) if entry.kind == EntryKind::Normal => Entry { data, ..entry },
        _ => entry,
    }
}

fn check_target(to: &MemberDirs) -> Result<(), HandBackError> {
    let taken = [
        (&to.member, "snap/db"),
        (&to.member, "store"),
        (&to.wal_parent, &*to.wal_name),
    ]
    .into_iter()
    .find(|(dir, path)| dir.exists(path).unwrap_or(true));
    match taken {
        Some((dir, path)) => Err(HandBackError::Exists {
            path: dir.describe(path),
        }),
        None => Ok(()),
    }
}

fn write_file(dir: &dyn Dir, path: &str, bytes: &[u8]) -> io::Result<()> {
    let file = dir.open(path, OpenMode::CreateNew)?;
    file.write_all_at(bytes, 0)?;
    file.sync_data()
}
