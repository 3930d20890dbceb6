//! The ordered tree of keys: a B+-tree whose nodes count the live keys below them.
//!
//! ```text
//! Inner   [ child | low, child | low, child ]     each child with its number of live keys
//! Leaf    [ entry, entry, entry … ]               sorted by key, a bit for each that is live
//! ```
//! - A child's `low` is at or below every key in it and above every key of the child before; the
//!   `low` of a first child is not looked at.
//! - All leaves have the same depth. No leaf is empty, except a root without keys.
//! - The counts make "how many live keys lie in this range" a matter of one descent per bound.
//! - Searches run over [`heads::Heads`], not over the keys.

use std::ops::{Bound, ControlFlow};

use types::KeyRange;

use crate::key::KeyEntry;
pub(crate) use edit::Edits;
pub(crate) use heads::sorted_positions;
use inner::{Child, Inner};
use leaf::Leaf;

mod edit;
mod heads;
mod inner;
mod leaf;
mod sweep;
#[cfg(test)]
mod tests;

/// All keys of the index in order.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    root: Node,
    live: usize,
    keys: usize,
}

#[derive(Debug)]
enum Node {
    Leaf(Leaf),
    Inner(Inner),
}

impl Default for Node {
    fn default() -> Self {
        Self::Leaf(Leaf::default())
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
                Node::Inner(inner) => node = &inner.children()[inner.child_of(key)].node,
                Node::Leaf(leaf) => {
                    return leaf
                        .find(key)
                        .ok()
                        .map(|position| &leaf.entries()[position]);
                }
            }
        }
    }

    /// The number of live keys in `range`.
    pub(crate) fn count(&self, range: &KeyRange) -> usize {
        if range.is_empty() {
            return 0;
        }
        if let KeyRange::Point(key) = range {
            return usize::from(self.get(key).is_some_and(KeyEntry::is_live));
        }
        let below_end = match end_of(range) {
            None => self.live,
            Some(end) => self.live_below(end),
        };
        below_end - self.live_below(Start::At(range.start()))
    }

    /// The number of live keys before the place where a walk from `start` begins.
    fn live_below(&self, start: Start<'_>) -> usize {
        let mut node = &self.root;
        let mut below = 0;
        loop {
            match node {
                Node::Inner(inner) => {
                    let position = inner.child_of(start.key());
                    below += inner.live_before(position);
                    node = &inner.children()[position].node;
                }
                Node::Leaf(leaf) => return below + leaf.live_before(leaf.position(start)),
            }
        }
    }

    /// Calls `visit` for the keys of `range` at or after `start`, in order, until it breaks.
    pub(crate) fn walk(
        &self,
        start: Start<'_>,
        range: &KeyRange,
        visit: &mut impl FnMut(&KeyEntry) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if range.is_empty() {
            return ControlFlow::Continue(());
        }
        self.root.walk(Some(start), end_of(range), visit)
    }
}

/// The place where a walk that goes on behind `range` begins; `None` if nothing is behind it.
fn end_of(range: &KeyRange) -> Option<Start<'_>> {
    match range.end() {
        Bound::Unbounded => None,
        Bound::Included(key) => Some(Start::After(key)),
        Bound::Excluded(key) => Some(Start::At(key)),
    }
}

impl Node {
    fn walk(
        &self,
        start: Option<Start<'_>>,
        end: Option<Start<'_>>,
        visit: &mut impl FnMut(&KeyEntry) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        match self {
            Self::Leaf(leaf) => {
                let (first, last) = leaf_bounds(leaf, start, end);
                leaf.entries()[first..last].iter().try_for_each(visit)
            }
            Self::Inner(inner) => {
                let (first, last) = inner_bounds(inner, start, end);
                for position in first..=last {
                    // Only the outermost children can lie across a bound.
                    let start = start.filter(|_| position == first);
                    let end = end.filter(|_| position == last);
                    inner.children()[position].node.walk(start, end, visit)?;
                }
                ControlFlow::Continue(())
            }
        }
    }

    fn live(&self) -> usize {
        match self {
            Self::Leaf(leaf) => leaf.live(),
            Self::Inner(inner) => inner.live(),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Leaf(leaf) => leaf.len(),
            Self::Inner(inner) => inner.len(),
        }
    }

    /// Takes over what the node after this one holds.
    fn append(&mut self, right: Child) {
        match (self, right.node) {
            (Self::Leaf(left), Self::Leaf(leaf)) => left.append(leaf),
            (Self::Inner(left), Self::Inner(inner)) => left.append(right.low, inner),
            _ => unreachable!("all leaves have the same depth"),
        }
    }

    #[cfg(test)]
    fn heap_bytes(&self) -> usize {
        match self {
            Self::Leaf(leaf) => leaf.heap_bytes(),
            Self::Inner(inner) => inner.heap_bytes(),
        }
    }
}

/// The entries of a leaf between two places: the first, and the one behind the last.
fn leaf_bounds(leaf: &Leaf, start: Option<Start<'_>>, end: Option<Start<'_>>) -> (usize, usize) {
    let first = start.map_or(0, |start| leaf.position(start));
    let last = end.map_or(leaf.len(), |end| leaf.position(end));
    (first.min(last), last)
}

/// The first and the last child that can have keys between two places.
fn inner_bounds(inner: &Inner, start: Option<Start<'_>>, end: Option<Start<'_>>) -> (usize, usize) {
    let first = start.map_or(0, |start| inner.child_of(start.key()));
    let last = end.map_or(inner.len() - 1, |end| inner.child_of(end.key()));
    (first.min(last), last)
}
