//! A disk in memory that fails on demand and forgets what was not synced.
//!
//! # What it models
//! - Contents: a write is visible at once and durable after `sync_data` of the same file. A crash
//!   keeps or loses each un-synced 512-byte sector on its own; the length is lost or kept too.
//! - Names: a creation, rename or removal is visible at once and durable after `sync_dir` of the
//!   directory that holds the name. A crash may keep any selection of the un-synced steps, in any
//!   combination: only a sync orders them. A rename inside one directory is one step. Syncing a
//!   file does not make its name durable.
//! - Locks: exclusive, per kind, held by the open file until it is dropped.
//! - Faults: see [`Faults`]. A failed sync leaves its changes un-synced.
//!
//! A crash does not end this disk: it yields another one, so that one run can be crashed many ways.
//! Handles of the old disk stay with it.

mod content;
mod crash;
mod faults;
mod tree;

#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::{Dir, File, LockKind, OpenMode};
use content::{Content, SECTOR};
use faults::{Change, Injector, Verdict, failed, power_lost};
use tree::{FileNode, Folder, Node, NodeId, Tree};

pub use crash::Crash;
pub use faults::{Counts, Faults};

/// A directory of a simulated disk; clones share the disk.
#[derive(Clone, Debug, Default)]
pub struct MemDir {
    disk: Arc<Mutex<Disk>>,
    prefix: String,
}

/// All that happens on the disk happens under one lock: it is a model, not a fast disk.
#[derive(Debug, Default)]
struct Disk {
    tree: Tree,
    injector: Injector,
    handles: u64,
}

impl MemDir {
    /// An empty disk without faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The disk as it is found after a power loss now, without locks and faults, all durable.
    #[must_use]
    pub fn crash(&self, crash: Crash) -> Self {
        let tree = self.disk.lock().tree.crash(crash);
        Self {
            disk: Arc::new(Mutex::new(Disk {
                tree,
                ..Disk::default()
            })),
            prefix: self.prefix.clone(),
        }
    }

    /// Replaces the faults to inject.
    pub fn set_faults(&self, faults: Faults) {
        self.disk.lock().injector.faults = faults;
    }

    /// How much was done on the whole disk until now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.disk.lock().injector.counts
    }

    /// Changes one bit (0 to 7) of a file for good, as a failing medium does.
    ///
    /// # Errors
    /// `NotFound`; `UnexpectedEof` when the file ends before `offset`.
    pub fn flip_bit(&self, path: &str, offset: u64, bit: u8) -> io::Result<()> {
        let path = self.join(path);
        let mut disk = self.disk.lock();
        let id = disk.tree.find(&path)?;
        let file = disk.tree.file(id)?;
        if offset >= file.visible.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        file.flip(offset, bit);
        Ok(())
    }

    fn join(&self, path: &str) -> String {
        match (self.prefix.as_str(), path) {
            ("", path) => path.to_owned(),
            (prefix, "") => prefix.to_owned(),
            (prefix, path) => format!("{prefix}/{path}"),
        }
    }
}

impl Disk {
    /// Makes a change of names unless a fault says otherwise.
    fn change_names(
        &mut self,
        change: impl FnOnce(&mut Tree) -> io::Result<NodeId>,
    ) -> io::Result<NodeId> {
        match self.injector.judge(Change::Name)? {
            Verdict::Done => change(&mut self.tree),
            Verdict::Failed { kind, .. } => Err(failed(kind)),
            Verdict::Cut => {
                change(&mut self.tree)?;
                Err(power_lost())
            }
        }
    }

    fn create(&mut self, path: &str, node: Node) -> io::Result<NodeId> {
        let (parent, name) = self.tree.parent(path)?;
        self.tree.folder(parent)?;
        self.change_names(|tree| {
            let id = tree.add(node);
            tree.folder(parent)?.step(vec![(name.to_owned(), Some(id))]);
            Ok(id)
        })
    }

    fn set_len(&mut self, node: NodeId, len: u64) -> io::Result<()> {
        let verdict = self.injector.judge(Change::Length)?;
        let file = self.tree.file(node)?;
        file.set_len(len);
        match verdict {
            Verdict::Cut => Err(power_lost()),
            Verdict::Done | Verdict::Failed { .. } => Ok(()),
        }
    }

    fn open(&mut self, path: &str, mode: OpenMode) -> io::Result<NodeId> {
        self.injector.check_power()?;
        let found = match self.tree.find(path) {
            Ok(id) => {
                self.tree.file(id)?;
                Some(id)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        match (mode, found) {
            (OpenMode::Read | OpenMode::Write, Some(id)) => Ok(id),
            (OpenMode::Read | OpenMode::Write, None) => Err(io::ErrorKind::NotFound.into()),
            (OpenMode::CreateNew, Some(_)) => Err(io::ErrorKind::AlreadyExists.into()),
            (OpenMode::Truncate, Some(id)) => {
                self.set_len(id, 0)?;
                Ok(id)
            }
            (OpenMode::CreateNew | OpenMode::Truncate, None) => {
                self.create(path, Node::File(FileNode::durable(Content::default())))
            }
        }
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.injector.check_power()?;
        let id = self.tree.find(from)?;
        let (source, old) = self.tree.parent(from)?;
        let (target, new) = self.tree.parent(to)?;
        if let Ok(there) = self.tree.find(to) {
            self.check_replace(id, there)?;
        }
        if (source, old) == (target, new) {
            return Ok(());
        }
        let link = (new.to_owned(), Some(id));
        let unlink = (old.to_owned(), None);
        self.change_names(|tree| {
            if source == target {
                tree.folder(source)?.step(vec![unlink, link]);
            } else {
                tree.folder(target)?.step(vec![link]);
                tree.folder(source)?.step(vec![unlink]);
            }
            Ok(id)
        })?;
        Ok(())
    }

    /// A file replaces a file, a directory an empty directory.
    fn check_replace(&mut self, source: NodeId, target: NodeId) -> io::Result<()> {
        match (self.tree.is_folder(source), self.tree.is_folder(target)) {
            (false, false) => Ok(()),
            (false, true) => Err(io::ErrorKind::IsADirectory.into()),
            (true, false) => Err(io::ErrorKind::NotADirectory.into()),
            (true, true) if self.tree.folder(target)?.visible.is_empty() => Ok(()),
            (true, true) => Err(io::ErrorKind::DirectoryNotEmpty.into()),
        }
    }

    fn sync(&mut self, sync: impl FnOnce(&mut Tree) -> io::Result<()>) -> io::Result<()> {
        match self.injector.judge(Change::Sync)? {
            Verdict::Done => sync(&mut self.tree),
            Verdict::Failed { kind, .. } => Err(failed(kind)),
            Verdict::Cut => Err(power_lost()),
        }
    }
}

impl Dir for MemDir {
    fn open(&self, path: &str, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut disk = self.disk.lock();
        let node = disk.open(&self.join(path), mode)?;
        disk.handles += 1;
        Ok(Arc::new(MemFile {
            disk: Arc::clone(&self.disk),
            node,
            handle: disk.handles,
            is_writable: mode != OpenMode::Read,
        }))
    }

    fn create_dir_all(&self, path: &str) -> io::Result<()> {
        let path = self.join(path);
        let mut disk = self.disk.lock();
        disk.injector.check_power()?;
        let ends = path.match_indices('/').map(|(at, _)| at);
        for end in ends.chain([path.len()]).filter(|end| *end > 0) {
            match disk.tree.find(&path[..end]) {
                Ok(id) => {
                    disk.tree.folder(id)?;
                }
                Err(_) => {
                    disk.create(&path[..end], Node::Folder(Folder::default()))?;
                }
            }
        }
        Ok(())
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let mut disk = self.disk.lock();
        disk.injector.check_power()?;
        let id = disk.tree.find(&self.join(path))?;
        Ok(disk.tree.folder(id)?.visible.keys().cloned().collect())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.join(from), self.join(to));
        self.disk.lock().rename(&from, &to)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let path = self.join(path);
        let mut disk = self.disk.lock();
        disk.injector.check_power()?;
        let id = disk.tree.find(&path)?;
        disk.tree.file(id)?;
        let (parent, name) = disk.tree.parent(&path)?;
        disk.change_names(|tree| {
            tree.folder(parent)?.step(vec![(name.to_owned(), None)]);
            Ok(parent)
        })?;
        Ok(())
    }

    fn remove_dir(&self, path: &str) -> io::Result<()> {
        let path = self.join(path);
        let mut disk = self.disk.lock();
        disk.injector.check_power()?;
        let id = disk.tree.find(&path)?;
        if !disk.tree.folder(id)?.visible.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        let (parent, name) = disk.tree.parent(&path)?;
        disk.change_names(|tree| {
            tree.folder(parent)?.step(vec![(name.to_owned(), None)]);
            Ok(parent)
        })?;
        Ok(())
    }

    fn exists(&self, path: &str) -> io::Result<bool> {
        let disk = self.disk.lock();
        disk.injector.check_power()?;
        match disk.tree.find(&self.join(path)) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        let path = self.join(path);
        let mut disk = self.disk.lock();
        disk.injector.check_power()?;
        let id = disk.tree.find(&path)?;
        disk.tree.folder(id)?;
        disk.sync(|tree| {
            tree.folder(id)?.sync();
            Ok(())
        })
    }

    fn sub(&self, path: &str) -> Arc<dyn Dir> {
        Arc::new(Self {
            disk: Arc::clone(&self.disk),
            prefix: self.join(path),
        })
    }

    fn describe(&self, path: &str) -> String {
        self.join(path)
    }
}

/// An open file of a simulated disk.
#[derive(Debug)]
struct MemFile {
    disk: Arc<Mutex<Disk>>,
    node: NodeId,
    handle: u64,
    is_writable: bool,
}

impl MemFile {
    fn check_writable(&self) -> io::Result<()> {
        if !self.is_writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(())
    }
}

impl File for MemFile {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.injector.check_power()?;
        let content = &disk.tree.file(self.node)?.visible;
        let end = offset.checked_add(buf.len() as u64);
        if end.is_none_or(|end| end > content.len()) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        content.read(buf, offset);
        Ok(())
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut disk = self.disk.lock();
        let verdict = disk.injector.judge(Change::Write { len: buf.len() })?;
        let file = disk.tree.file(self.node)?;
        match verdict {
            Verdict::Done => {
                file.write(buf, offset);
                Ok(())
            }
            Verdict::Failed { written, kind } => {
                // Like a real disk: what arrives ends where a sector ends.
                let end = (offset + written as u64) / SECTOR * SECTOR;
                let arrived = end.saturating_sub(offset) as usize;
                file.write(&buf[..arrived], offset);
                Err(failed(kind))
            }
            Verdict::Cut => {
                file.write(buf, offset);
                Err(power_lost())
            }
        }
    }

    fn len(&self) -> io::Result<u64> {
        let mut disk = self.disk.lock();
        disk.injector.check_power()?;
        Ok(disk.tree.file(self.node)?.visible.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        self.disk.lock().set_len(self.node, len)
    }

    fn sync_data(&self) -> io::Result<()> {
        let node = self.node;
        self.disk.lock().sync(|tree| {
            tree.file(node)?.sync();
            Ok(())
        })
    }

    fn try_lock(&self, kind: LockKind) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.injector.check_power()?;
        disk.tree.file(self.node)?.try_lock(kind, self.handle)
    }
}

impl Drop for MemFile {
    fn drop(&mut self) {
        if let Ok(file) = self.disk.lock().tree.file(self.node) {
            file.unlock(self.handle);
        }
    }
}
