//! Walking the whole tree in steps while entries are removed: what a compaction does.

use super::{Child, INNER_MAX, LEAF_MAX, Node, Tree, child_of};
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
        while let Node::Inner(children) = &mut self.root {
            match children.len() {
                0 => self.root = Node::default(),
                1 => self.root = children.swap_remove(0).node,
                _ => break,
            }
        }
        sweep.resume
    }
}

impl<F: FnMut(&mut KeyEntry) -> bool> Sweep<'_, F> {
    /// `first` is true on the path down to where the sweep goes on.
    fn node(&mut self, node: &mut Node, first: bool) {
        match node {
            Node::Leaf(leaf) => self.leaf(leaf, first),
            Node::Inner(children) => self.inner(children, first),
        }
    }

    /// Leaves are visited whole, so that a step ends between two of them.
    fn leaf(&mut self, leaf: &mut Vec<KeyEntry>, first: bool) {
        let skip = match self.after {
            Some(after) if first => leaf.partition_point(|entry| entry.key() <= after),
            _ => 0,
        };
        let visited = leaf.len() - skip;
        if visited >= self.budget {
            self.resume = leaf.last().map(|entry| entry.key().into());
        }
        self.budget = self.budget.saturating_sub(visited);
        let mut position = 0;
        let before = leaf.len();
        leaf.retain_mut(|entry| {
            position += 1;
            if position <= skip {
                return true;
            }
            let was_live = entry.is_live();
            let kept = (self.keep)(entry);
            assert!(kept || !was_live, "a live key is never removed");
            kept
        });
        self.removed += before - leaf.len();
    }

    fn inner(&mut self, children: &mut Vec<Child>, first: bool) {
        let begin = match self.after {
            Some(after) if first => child_of(children, after),
            _ => 0,
        };
        let mut end = begin;
        while end < children.len() && self.resume.is_none() {
            self.node(&mut children[end].node, first && end == begin);
            end += 1;
        }
        merge(children, begin.saturating_sub(1));
    }
}

/// Removes empty children and joins small neighbours, from the child `begin` on.
fn merge(children: &mut Vec<Child>, begin: usize) {
    children.retain(|child| child.node.len() > 0);
    let mut position = begin.min(children.len());
    while position + 1 < children.len() {
        let (left, right) = children.split_at_mut(position + 1);
        if fits(&left[position].node, &right[0].node) {
            let right = children.remove(position + 1);
            children[position].absorb(right);
        } else {
            position += 1;
        }
    }
}

fn fits(left: &Node, right: &Node) -> bool {
    let max = match left {
        Node::Leaf(_) => LEAF_MAX,
        Node::Inner(_) => INNER_MAX,
    };
    (left.len() + right.len()) * MERGE.1 <= max * MERGE.0
}

impl Child {
    fn absorb(&mut self, right: Self) {
        self.live += right.live;
        match (&mut self.node, right.node) {
            (Node::Leaf(left), Node::Leaf(right)) => left.extend(right),
            (Node::Inner(left), Node::Inner(mut nodes)) => {
                nodes[0].low = right.low;
                left.extend(nodes);
            }
            _ => unreachable!("all leaves have the same depth"),
        }
        debug_assert_eq!(self.live, self.node.live());
    }
}

impl Node {
    fn len(&self) -> usize {
        match self {
            Self::Leaf(leaf) => leaf.len(),
            Self::Inner(children) => children.len(),
        }
    }
}
