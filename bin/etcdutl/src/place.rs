//! Where the parts of a data directory are, and whose directory it is.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use convert::MemberDirs;
use disk::{Dir, RealDir};

/// Whose files a data directory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A store.
    Ours,
    /// A bbolt database.
    Etcds,
}

/// Looks for a member's files; `None` if there are none.
pub(crate) fn kind(data_dir: &str) -> Option<Kind> {
    let member = Path::new(data_dir).join("member");
    // After a takeover both may exist, and then the store counts.
    if member.join("store").is_dir() {
        return Some(Kind::Ours);
    }
    member.join("snap/db").exists().then_some(Kind::Etcds)
}

/// The database of an etcd in a data directory.
pub(crate) fn database(data_dir: &str) -> PathBuf {
    Path::new(data_dir).join("member/snap/db")
}

/// The directories of a member whose log is in `wal_dir`, or where it is by default.
pub(crate) fn member_dirs(data_dir: &Path, wal_dir: Option<&Path>) -> MemberDirs {
    let member = data_dir.join("member");
    let wal = wal_dir.map_or_else(|| member.join("wal"), Path::to_owned);
    let name = wal
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    MemberDirs {
        member: directory(&member),
        wal_parent: directory(wal.parent().unwrap_or(Path::new(""))),
        wal_name: name.unwrap_or_default(),
    }
}

/// A directory, where the empty path is the current one.
pub(crate) fn directory(path: &Path) -> Arc<dyn Dir> {
    match path == Path::new("") {
        true => Arc::new(RealDir::new(Path::new("."))),
        false => Arc::new(RealDir::new(path)),
    }
}

/// How stores are written; the salt is one that nobody can guess.
pub(crate) fn store_options() -> store::Options {
    store::Options {
        salt: RandomState::new().hash_one(std::process::id()),
        ..store::Options::default()
    }
}
