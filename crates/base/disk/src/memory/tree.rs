//! The files and directories of a simulated disk, each as it is and as it is on the medium.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::content::{Content, SECTOR};
use super::crash::{Crash, Fate};
use crate::LockKind;

/// The number of a file or directory; it keeps it when it is renamed.
pub(crate) type NodeId = usize;
pub(crate) type Names = BTreeMap<String, NodeId>;

/// A file: what readers see, what would survive, and the sectors in which they may differ.
#[derive(Debug, Default)]
pub(crate) struct FileNode {
    pub(crate) visible: Content,
    pub(crate) durable: Content,
    pub(crate) dirty: BTreeSet<u64>,
    locks: [Option<u64>; 2],
}

/// A directory; `pending` are its un-synced steps, each of which happens whole or not at all.
#[derive(Debug, Default)]
pub(crate) struct Folder {
    pub(crate) visible: Names,
    pub(crate) durable: Names,
    pub(crate) pending: Vec<Vec<(String, Option<NodeId>)>>,
}

#[derive(Debug)]
pub(crate) enum Node {
    File(FileNode),
    Folder(Folder),
}

/// All nodes; number 0 is the root directory.
#[derive(Debug)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
}

impl FileNode {
    /// A file of which every byte is on the medium.
    pub(crate) fn durable(content: Content) -> Self {
        Self {
            visible: content.clone(),
            durable: content,
            ..Self::default()
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8], offset: u64) {
        if bytes.is_empty() {
            return;
        }
        let end = offset + bytes.len() as u64;
        let is_plain = bytes.iter().all(|byte| *byte == 0) && self.is_zero(offset, end);
        self.visible.put(bytes, offset);
        if end > self.visible.len() {
            self.visible.set_len(end);
        }
        if !is_plain {
            self.dirty.extend(offset / SECTOR..end.div_ceil(SECTOR));
        }
    }

    /// Zeros over zeros change nothing that a crash could tell apart.
    fn is_zero(&self, offset: u64, end: u64) -> bool {
        let last = end.div_ceil(SECTOR);
        [&self.visible, &self.durable].iter().all(|content| {
            content
                .sectors_from(offset)
                .next()
                .is_none_or(|s| s >= last)
        })
    }

    pub(crate) fn set_len(&mut self, len: u64) {
        if len < self.visible.len() {
            let touched: Vec<_> = self.visible.sectors_from(len).collect();
            self.dirty.extend(touched);
            let stored: Vec<_> = self.durable.sectors_from(len).collect();
            self.dirty.extend(stored);
        }
        self.visible.set_len(len);
    }

    pub(crate) fn sync(&mut self) {
        for sector in std::mem::take(&mut self.dirty) {
            self.durable
                .put(&self.visible.sector(sector), sector * SECTOR);
        }
        self.durable.set_len(self.visible.len());
    }

    /// Changes a bit as a failing medium would: for readers and for good.
    pub(crate) fn flip(&mut self, offset: u64, bit: u8) {
        for content in [&mut self.visible, &mut self.durable] {
            let mut byte = [0];
            content.read(&mut byte, offset);
            content.put(&[byte[0] ^ (1 << (bit & 7))], offset);
        }
    }

    pub(crate) fn try_lock(&mut self, kind: LockKind, holder: u64) -> io::Result<()> {
        let lock = &mut self.locks[kind as usize];
        if lock.is_some_and(|other| other != holder) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        *lock = Some(holder);
        Ok(())
    }

    pub(crate) fn unlock(&mut self, holder: u64) {
        for lock in &mut self.locks {
            if *lock == Some(holder) {
                *lock = None;
            }
        }
    }
}

impl Folder {
    /// Makes the changes visible, as one step that a crash keeps or loses.
    pub(crate) fn step(&mut self, changes: Vec<(String, Option<NodeId>)>) {
        for (name, node) in &changes {
            match node {
                Some(node) => self.visible.insert(name.clone(), *node),
                None => self.visible.remove(name),
            };
        }
        self.pending.push(changes);
    }

    pub(crate) fn sync(&mut self) {
        self.durable = self.visible.clone();
        self.pending.clear();
    }
}

impl Default for Tree {
    fn default() -> Self {
        Self {
            nodes: vec![Node::Folder(Folder::default())],
        }
    }
}

impl Tree {
    /// The node at `path`; an empty path is the root.
    pub(crate) fn find(&self, path: &str) -> io::Result<NodeId> {
        let mut at = 0;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let Some(Node::Folder(folder)) = self.nodes.get(at) else {
                return Err(io::ErrorKind::NotADirectory.into());
            };
            at = *folder.visible.get(name).ok_or(io::ErrorKind::NotFound)?;
        }
        Ok(at)
    }

    /// The directory that holds `path`, and the last part of the path.
    pub(crate) fn parent<'a>(&self, path: &'a str) -> io::Result<(NodeId, &'a str)> {
        let path = path.trim_end_matches('/');
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        if matches!(name, "" | "." | "..") {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok((self.find(parent)?, name))
    }

    pub(crate) fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    pub(crate) fn file(&mut self, id: NodeId) -> io::Result<&mut FileNode> {
        match self.nodes.get_mut(id) {
            Some(Node::File(file)) => Ok(file),
            _ => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    pub(crate) fn folder(&mut self, id: NodeId) -> io::Result<&mut Folder> {
        match self.nodes.get_mut(id) {
            Some(Node::Folder(folder)) => Ok(folder),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    pub(crate) fn is_folder(&self, id: NodeId) -> bool {
        matches!(self.nodes.get(id), Some(Node::Folder(_)))
    }

    /// A copy as it is found after a crash; node numbers stay.
    pub(crate) fn crash(&self, crash: Crash) -> Self {
        let mut fate = Fate::new(crash);
        let nodes = self.nodes.iter().map(|node| match node {
            Node::File(file) => Node::File(fate.file(file)),
            Node::Folder(folder) => Node::Folder(fate.folder(folder)),
        });
        let mut tree = Self {
            nodes: nodes.collect(),
        };
        tree.forget_unnamed();
        tree
    }

    /// After a crash no handle is left, so a file without a name is gone.
    fn forget_unnamed(&mut self) {
        let named: BTreeSet<NodeId> = (self.nodes.iter())
            .filter_map(|node| match node {
                Node::Folder(folder) => Some(folder.visible.values().copied()),
                Node::File(_) => None,
            })
            .flatten()
            .collect();
        for (id, node) in self.nodes.iter_mut().enumerate() {
            if let Node::File(file) = node
                && !named.contains(&id)
            {
                *file = FileNode::default();
            }
        }
    }
}
