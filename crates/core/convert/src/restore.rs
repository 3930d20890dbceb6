//! Founding a cluster on a snapshot.
//!
//! Keys, leases, users, alarms and the cluster version stay; the members of the old cluster are
//! forgotten, those of the new one stand in the store and, as the first entries, in the log. The
//! position of the store is that of the last of these entries.

use std::sync::Arc;

use bytes::Bytes;
use cluster::{Bootstrap, Member};
use disk::{Dir, File};
use store::Bucket;
use types::{ConfState, HardState, Index, SnapshotMark, Term};
use wal::Metadata;

use crate::error::ImportError;
use crate::import::{Edits, Imported, Progress, import_edited};
use crate::log::{Contents, LogError, MemberDirs};

/// The term of a cluster that has not held an election.
const TERM: Term = Term(1);

/// What is founded, and by whom.
#[derive(Clone, Debug)]
pub struct Restore<'a> {
    /// The members of the new cluster.
    pub cluster: &'a Bootstrap,
    /// The one whose directory is written.
    pub own: &'a Member,
    /// By how much the revision is raised, with everything below marked as compacted.
    pub bump: Option<i64>,
}

/// Why a snapshot was not restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The snapshot.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The directory.
    #[error("cannot create {path}")]
    Dir {
        /// Its path.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The log.
    #[error("cannot write the write-ahead log")]
    Log(#[from] LogError),
}

/// Writes the store and the log of a member that starts from the database `db`.
///
/// # Errors
/// [`RestoreError`]; the directories are of no use then.
pub fn restore(
    db: Arc<dyn File>,
    to: &MemberDirs,
    restore: &Restore<'_>,
    store: store::Options,
    wal: wal::Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Imported, RestoreError> {
    let member = &to.member;
    member
        .create_dir_all("store")
        .and_then(|()| member.sync_dir(""))
        .map_err(|source| RestoreError::Dir {
            path: member.describe("store"),
            source,
        })?;
    let entries = restore.cluster.entries();
    let last = Index(entries.len() as u64);
    let edits = Edits {
        without: &[Bucket::Members, Bucket::MembersRemoved],
        pairs: restore.cluster.members.iter().map(pair).collect(),
        bump: restore.bump,
        position: Some((last, TERM)),
    };
    let store_dir: Arc<dyn Dir> = member.sub("store");
    let imported = import_edited(db, store_dir, store, edits, progress)?;
    let voters: Vec<_> = restore
        .cluster
        .members
        .iter()
        .map(|member| member.id)
        .collect();
    let contents = Contents {
        metadata: Metadata {
            member: restore.own.id,
            cluster: restore.cluster.cluster_id,
        },
        before: &entries,
        state: HardState {
            term: TERM,
            vote: voters.first().copied().unwrap_or_default(),
            commit: last,
        },
        mark: Some(SnapshotMark {
            index: last,
            term: TERM,
            conf: Some(ConfState {
                voters,
                ..ConfState::default()
            }),
        }),
        after: &[],
    };
    contents.write(to, wal)?;
    Ok(imported)
}

fn pair(member: &Member) -> (Bucket, Bytes, Bytes) {
    let key = Bytes::from(member.id.to_string());
    (Bucket::Members, key, Bytes::from(member.encode()))
}
