//! The ordered tree of keys: a B+-tree whose nodes count the live keys below them.
//!
//! ```text
//! Inner   [ child | low, child | low, child ]     each child with its number of live keys
//! Leaf    [ entry, entry, entry … ]               sorted by key
//! ```
//! - A child's `low` is at or below every key in it and above every key of the child before; the
//!   `low` of a first child is not looked at.
//! - All leaves have the same depth. No leaf is empty, except a root without keys.
//! - The counts make "how many live keys lie in this range" a matter of one descent per bound.
//!
//! Leaves grow in small steps, so that they hold little spare room; a full leaf that is appended
//! to starts a fresh one, so that keys written in order fill their leaves.

use std::ops::{Bound, ControlFlow};

use types::KeyRange;

use crate::key::KeyEntry;

mod edit;
mod sweep;
#[cfg(test)]
mod tests;

/// Entries of a full leaf: an insertion moves half of them, a lookup bisects them.
const LEAF_MAX: usize = 64;
/// Children of a full inner node.
const INNER_MAX: usize = 64;
/// A leaf's room grows by this many entries.
const LEAF_STEP: usize = 8;

/// All keys of the index in order.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    root: Node,
    live: usize,
    keys: usize,
}

#[derive(Debug)]
enum Node {
    Leaf(Vec<KeyEntry>),
    Inner(Vec<Child>),
}

#[derive(Debug)]
struct Child {
    low: Box<[u8]>,
    live: usize,
    node: Node,
}

impl Default for Node {
    fn default() -> Self {
        Self::Leaf(Vec::new())
    }
}

/// Where a walk begins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start<'a> {
    /// At this key or the first above it.
    At(&'a [u8]),
    /// At the first key above this one.
    After(&'a [u8]),
}

impl<'a> Start<'a> {
    fn key(self) -> &'a [u8] {
        match self {
            Self::At(key) | Self::After(key) => key,
        }
    }

    /// The position of the first wanted entry of a leaf.
    fn position(self, leaf: &[KeyEntry]) -> usize {
        match self {
            Self::At(key) => leaf.partition_point(|entry| entry.key() < key),
            Self::After(key) => leaf.partition_point(|entry| entry.key() <= key),
        }
    }
}

impl Tree {
    /// Live keys.
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    /// Keys, those included of which only history is left.
    #[cfg(test)]
    pub(crate) fn keys(&self) -> usize {
        self.keys
    }

    /// The entry of `key`.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&KeyEntry> {
        let mut node = &self.root;
        loop {
            match node {
                Node::Inner(children) => node = &children[child_of(children, key)].node,
                Node::Leaf(leaf) => return find(leaf, key).ok().map(|position| &leaf[position]),
            }
        }
    }

    /// The number of live keys in `range`.
    pub(crate) fn count(&self, range: &KeyRange) -> usize {
        if range.is_empty() {
            return 0;
        }
        let below_end = match range.end() {
            Bound::Unbounded => self.live,
            Bound::Included(key) => self.live_below(Start::After(key)),
            Bound::Excluded(key) => self.live_below(Start::At(key)),
        };
        below_end - self.live_below(Start::At(range.start()))
    }

    /// The number of live keys before the place where a walk from `from` begins.
    fn live_below(&self, from: Start<'_>) -> usize {
        let mut node = &self.root;
        let mut below = 0;
        loop {
            match node {
                Node::Inner(children) => {
                    let position = child_of(children, from.key());
                    below += children[..position]
                        .iter()
                        .map(|child| child.live)
                        .sum::<usize>();
                    node = &children[position].node;
                }
                Node::Leaf(leaf) => return below + live_in(&leaf[..from.position(leaf)]),
            }
        }
    }

    /// Calls `visit` for the keys of `range` at or after `from`, in order, until it breaks.
    pub(crate) fn walk(
        &self,
        from: Start<'_>,
        range: &KeyRange,
        visit: &mut impl FnMut(&KeyEntry) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if range.is_empty() {
            return ControlFlow::Continue(());
        }
        self.root.walk(Some(from), range.end(), visit)
    }
}

impl Node {
    fn walk(
        &self,
        from: Option<Start<'_>>,
        end: Bound<&[u8]>,
        visit: &mut impl FnMut(&KeyEntry) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        match self {
            Self::Leaf(leaf) => {
                let first = from.map_or(0, |from| from.position(leaf));
                let last = leaf_end(leaf, end).max(first);
                for entry in &leaf[first..last] {
                    visit(entry)?;
                }
                if last < leaf.len() {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            }
            Self::Inner(children) => {
                let first = from.map_or(0, |from| child_of(children, from.key()));
                children[first].node.walk(from, end, visit)?;
                for child in &children[first + 1..] {
                    if !is_before_end(&child.low, end) {
                        return ControlFlow::Break(());
                    }
                    child.node.walk(None, end, visit)?;
                }
                ControlFlow::Continue(())
            }
        }
    }

    fn live(&self) -> usize {
        match self {
            Self::Leaf(leaf) => live_in(leaf),
            Self::Inner(children) => children.iter().map(|child| child.live).sum(),
        }
    }
}

/// The child that holds `key` if any does.
fn child_of(children: &[Child], key: &[u8]) -> usize {
    children[1..].partition_point(|child| child.low.as_ref() <= key)
}

fn find(leaf: &[KeyEntry], key: &[u8]) -> Result<usize, usize> {
    leaf.binary_search_by(|entry| entry.key().cmp(key))
}

fn live_in(entries: &[KeyEntry]) -> usize {
    entries.iter().filter(|entry| entry.is_live()).count()
}

fn is_before_end(key: &[u8], end: Bound<&[u8]>) -> bool {
    match end {
        Bound::Unbounded => true,
        Bound::Included(end) => key <= end,
        Bound::Excluded(end) => key < end,
    }
}

/// The position of the first entry of a leaf that lies beyond `end`.
fn leaf_end(leaf: &[KeyEntry], end: Bound<&[u8]>) -> usize {
    match leaf.last() {
        Some(last) if !is_before_end(last.key(), end) => {
            leaf.partition_point(|entry| is_before_end(entry.key(), end))
        }
        _ => leaf.len(),
    }
}

#[cfg(test)]
impl Tree {
    /// Bytes allocated beside the bytes of the keys themselves.
    fn heap_bytes(&self) -> usize {
        self.root.heap_bytes()
    }
}

#[cfg(test)]
impl Node {
    fn heap_bytes(&self) -> usize {
        match self {
            Self::Leaf(leaf) => {
                leaf.capacity() * size_of::<KeyEntry>()
                    + leaf.iter().map(KeyEntry::heap_bytes).sum::<usize>()
            }
            Self::Inner(children) => {
                let nodes = children
                    .iter()
                    .map(|child| child.low.len() + child.node.heap_bytes());
                children.capacity() * size_of::<Child>() + nodes.sum::<usize>()
            }
        }
    }
}
