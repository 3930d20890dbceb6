//! Walking the whole tree in steps while entries are removed: what a compaction does.

use super::inner::{INNER_MAX, Inner};
use super::leaf::{LEAF_MAX, Leaf};
use super::{Node, Start, Tree};
use crate::key::KeyEntry;

/// Neighbours that together fill at most this share of a node are merged: well below the whole,
/// so that the next insertion does not split them again.
const MERGE: (usize, usize) = (3, 4);

/// A sweep in progress: where it stands and how many entries it may still visit.
struct Sweep<'a, F> {
    after: Option<&'a [u8]>,
    budget: usize,
    keep: F,
    removed: usize,
    /// The last key visited, once the budget is used up.
    resume: Option<Box<[u8]>>,
}

impl Tree {
    /// Calls `keep` for about `budget` entries after the key `after` and removes those for which
    /// it says no. Returns the key after which to go on; `None` at the end.
    ///
    /// `keep` may change an entry, but not whether it is live; an entry it drops is not live.
    pub(crate) fn sweep(
        &mut self,
        after: Option<&[u8]>,
        budget: usize,
        keep: impl FnMut(&mut KeyEntry) -> bool,
    ) -> Option<Box<[u8]>> {
        let mut sweep = Sweep {
            after,
            budget: budget.max(1),
            keep,
            removed: 0,
            resume: None,
        };
        sweep.node(&mut self.root, true);
        self.keys -= sweep.removed;
        let resume = sweep.resume;
        while let Node::Inner(inner) = &mut self.root
            && inner.len() < 2
        {
            let root = std::mem::take(&mut self.root);
            self.root = root.into_only_child();
        }
        resume
    }
}

impl Node {
    /// The child of an inner node with at most one; an empty leaf if there is none.
    fn into_only_child(self) -> Self {
        match self {
            Self::Leaf(leaf) => Self::Leaf(leaf),
            Self::Inner(inner) => inner
                .into_children()
                .pop()
                .map_or_else(Self::default, |child| child.node),
        }
    }
}

impl<F: FnMut(&mut KeyEntry) -> bool> Sweep<'_, F> {
    /// `first` is true on the path down to where the sweep goes on.
    fn node(&mut self, node: &mut Node, first: bool) {
        match node {
            Node::Leaf(leaf) => self.leaf(leaf, first),
            Node::Inner(inner) => self.inner(inner, first),
        }
    }

    /// Leaves are visited whole, so that a step ends between two of them.
    fn leaf(&mut self, leaf: &mut Leaf, first: bool) {
        let skip = match self.after {
            Some(after) if first => leaf.position(Start::After(after)),
            _ => 0,
        };
        let before = leaf.len();
        let visited = before - skip;
        if visited >= self.budget {
            self.resume = leaf.entries().last().map(|entry| entry.key().into());
        }
        self.budget = self.budget.saturating_sub(visited);
        leaf.retain(skip, |entry| {
            let was_live = entry.is_live();
            let kept = (self.keep)(entry);
            assert!(kept || !was_live, "a live key is never removed");
            kept
        });
        self.removed += before - leaf.len();
    }

    fn inner(&mut self, inner: &mut Inner, first: bool) {
        let begin = match self.after {
            Some(after) if first => inner.child_of(after),
            _ => 0,
        };
        let mut end = begin;
        while end < inner.len() && self.resume.is_none() {
            self.node(inner.node_mut(end), first && end == begin);
            end += 1;
        }
        inner.tidy(begin.saturating_sub(1), fits);
    }
}

/// Whether two neighbours are small enough to be one.
fn fits(left: &Node, right: &Node) -> bool {
    let max = match left {
        Node::Leaf(_) => LEAF_MAX,
        Node::Inner(_) => INNER_MAX,
    };
    (left.len() + right.len()) * MERGE.1 <= max * MERGE.0
}
