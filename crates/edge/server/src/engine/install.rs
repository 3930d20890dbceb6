//! How a store takes the place of another, so that a crash at any point leaves one of the two.
//!
//! ```text
//! store.receiving        being made from a snapshot; worth nothing after a crash
//! store.<index>.ready    whole and durable, not yet the member's
//! store.old              was the member's; to be removed
//!
//! 1  make store.receiving, durably        4  store -> store.old
//! 2  rename it to store.<index>.ready     5  store.<index>.ready -> store
//! 3  the mark of that index in the log    6  remove store.old
//! ```
//! Step 3 decides: before it the old store and the old log hold, from it on the new ones. A start
//! finds out from the log which it was, and finishes or undoes the rest.

use disk::Dir;
use types::Index;

use super::boot::{SharedDir, StartError};

/// The member's store.
pub(super) const CURRENT: &str = "store";
/// A store that is being made.
pub(super) const RECEIVING: &str = "store.receiving";
const OLD: &str = "store.old";
const READY_BEGIN: &str = "store.";
const READY_END: &str = ".ready";

/// A step could not be taken.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {path}")]
pub struct InstallError {
    action: &'static str,
    path: String,
    source: std::io::Error,
}

fn failed<'a>(
    dir: &'a dyn Dir,
    action: &'static str,
    path: &'a str,
) -> impl FnOnce(std::io::Error) -> InstallError + use<'a> {
    move |source| InstallError {
        action,
        path: dir.describe(path),
        source,
    }
}

fn ready_name(index: Index) -> String {
    format!("{READY_BEGIN}{:016x}{READY_END}", index.0)
}

fn ready_index(name: &str) -> Option<Index> {
    let digits = name.strip_prefix(READY_BEGIN)?.strip_suffix(READY_END)?;
    u64::from_str_radix(digits, 16).ok().map(Index)
}

/// Makes room for a store that is to be made.
pub(super) fn clear_receiving(dir: &dyn Dir) -> Result<(), InstallError> {
    remove_tree(dir, RECEIVING)
}

/// Step 2: the store that was made is whole.
pub(super) fn make_ready(dir: &dyn Dir, index: Index) -> Result<(), InstallError> {
    let ready = ready_name(index);
    remove_tree(dir, &ready)?;
    rename(dir, RECEIVING, &ready)?;
    sync(dir)
}

/// A store that was made ready is not wanted.
pub(super) fn discard(dir: &dyn Dir, index: Index) -> Result<(), InstallError> {
    remove_tree(dir, &ready_name(index))
}

/// Steps 4 and 5, when the mark is durable; nobody writes to the old store any more.
pub(super) fn swap(dir: &dyn Dir, index: Index) -> Result<(), InstallError> {
    remove_tree(dir, OLD)?;
    if exists(dir, CURRENT)? {
        rename(dir, CURRENT, OLD)?;
    }
    rename(dir, &ready_name(index), CURRENT)?;
    sync(dir)
}

/// Step 6. Readers may still have the files open.
pub(super) fn remove_old(dir: &dyn Dir) -> Result<(), InstallError> {
    remove_tree(dir, OLD)
}

/// Finishes or undoes what a crash has interrupted; `newest_mark` is asked only then.
pub(super) fn recover(
    dir: &SharedDir,
    newest_mark: impl FnOnce() -> Result<Option<Index>, StartError>,
) -> Result<(), StartError> {
    let dir = &**dir;
    let names = match dir.list("") {
        Ok(names) => names,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(dir, "list", "")(error).into()),
    };
    let is_left = |name: &String| name == RECEIVING || name == OLD || ready_index(name).is_some();
    if !names.iter().any(is_left) {
        return Ok(());
    }
    let mark = newest_mark()?;
    for index in names.iter().filter_map(|name| ready_index(name)) {
        if mark == Some(index) {
            swap(dir, index)?;
            tracing::info!("snapshot-index" = index.0, "finished installing a snapshot");
        } else {
            discard(dir, index)?;
        }
    }
    if !exists(dir, CURRENT)? && exists(dir, OLD)? {
        rename(dir, OLD, CURRENT)?;
    }
    remove_old(dir)?;
    clear_receiving(dir)?;
    Ok(sync(dir)?)
}

fn exists(dir: &dyn Dir, name: &str) -> Result<bool, InstallError> {
    dir.exists(name).map_err(failed(dir, "look for", name))
}

fn rename(dir: &dyn Dir, from: &str, to: &str) -> Result<(), InstallError> {
    dir.rename(from, to).map_err(failed(dir, "rename", from))
}

fn sync(dir: &dyn Dir) -> Result<(), InstallError> {
    dir.sync_dir("").map_err(failed(dir, "sync", ""))
}

/// Removes a directory of files.
fn remove_tree(dir: &dyn Dir, name: &str) -> Result<(), InstallError> {
    if !exists(dir, name)? {
        return Ok(());
    }
    for file in dir.list(name).map_err(failed(dir, "list", name))? {
        let path = format!("{name}/{file}");
        dir.remove(&path).map_err(failed(dir, "remove", &path))?;
    }
    dir.remove_dir(name).map_err(failed(dir, "remove", name))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use disk::{Crash, Faults, MemDir, OpenMode};

    use super::*;

    /// A store is a file that says whose it is.
    fn make(dir: &MemDir, name: &str, text: &[u8]) {
        dir.create_dir_all(name).unwrap();
        let file = dir
            .open(&format!("{name}/file"), OpenMode::CreateNew)
            .unwrap();
        file.write_all_at(text, 0).unwrap();
        file.sync_data().unwrap();
        dir.sync_dir(name).unwrap();
    }

    fn current(dir: &MemDir) -> Vec<u8> {
        let file = dir.open("store/file", OpenMode::Read).unwrap();
        let mut text = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read_exact_at(&mut text, 0).unwrap();
        text
    }

    /// The whole protocol up to a power loss; whether the mark was written before.
    fn run(disk: &MemDir) -> bool {
        make(disk, "store.receiving", b"new");
        let mut has_mark = false;
        let mut steps = || -> Result<(), InstallError> {
            make_ready(disk, Index(7))?;
            has_mark = true;
            swap(disk, Index(7))?;
            remove_old(disk)
        };
        let _ = steps();
        has_mark
    }

    /// A kill at any point must leave the old store or the new one, as the log says.
    #[test]
    fn every_crash_leaves_one_whole_store() {
        for seed in 0..40 {
            for cut in 0..40 {
                let disk = MemDir::new();
                make(&disk, "store", b"old");
                disk.sync_dir("").unwrap();
                let done = disk.counts().operations;
                disk.set_faults(Faults {
                    // The new store is made without faults; its steps are the store's own.
                    cut_at: Some(done + 6 + cut),
                    ..Faults::default()
                });
                let has_mark = run(&disk);
                let found = disk.crash(Crash::Seeded(seed * 1000 + cut));
                let shared: SharedDir = Arc::new(found.clone());
                recover(&shared, || Ok(has_mark.then_some(Index(7)))).unwrap();
                let expected: &[u8] = if has_mark { b"new" } else { b"old" };
                assert_eq!(current(&found), expected, "seed {seed}, cut {cut}");
                assert_eq!(found.list("").unwrap(), ["store"]);
                recover(&shared, || Ok(Some(Index(7)))).unwrap();
                assert_eq!(current(&found), expected);
            }
        }
    }
}
