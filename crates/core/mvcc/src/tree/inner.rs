//! An inner node: children in order, with the bounds between them and their numbers of live keys.

use super::Node;
use super::heads::Heads;

/// Children of a full inner node: with this many, a million keys are three levels deep.
pub(super) const INNER_MAX: usize = 256;

/// Children in key order, at least one.
#[derive(Debug)]
pub(super) struct Inner {
    /// Of the bounds of all children but the first.
    heads: Heads<u128>,
    /// Live keys of each child, side by side because counting adds them up.
    live: Vec<usize>,
    children: Vec<Child>,
}

/// A child with its lower bound: at or below every key in it, above every key before it.
#[derive(Debug)]
pub(super) struct Child {
    /// Not looked at in a first child.
    pub(super) low: Box<[u8]>,
    pub(super) node: Node,
}

impl Inner {
    pub(super) fn of(children: Vec<Child>) -> Self {
        let mut inner = Self {
            heads: Heads::default(),
            live: Vec::new(),
            children,
        };
        inner.rebuild();
        inner
    }

    fn rebuild(&mut self) {
        self.live.clear();
        self.live
            .extend(self.children.iter().map(|child| child.node.live()));
        self.heads
            .rebuild(self.children.iter().skip(1).map(|child| &*child.low));
    }

    pub(super) fn children(&self) -> &[Child] {
        &self.children
    }

    pub(super) fn into_children(self) -> Vec<Child> {
        self.children
    }

    pub(super) fn len(&self) -> usize {
        self.children.len()
    }

    pub(super) fn node_mut(&mut self, position: usize) -> &mut Node {
        &mut self.children[position].node
    }

    /// A child with the lower bound of the one after it.
    pub(super) fn node_and_bound(&mut self, position: usize) -> (&mut Node, Option<&[u8]>) {
        let (left, right) = self.children.split_at_mut(position + 1);
        (
            &mut left[position].node,
            right.first().map(|child| &*child.low),
        )
    }

    pub(super) fn live(&self) -> usize {
        self.live.iter().sum()
    }

    /// Live keys in the children before `position`.
    pub(super) fn live_before(&self, position: usize) -> usize {
        self.live[..position].iter().sum()
    }

    /// The number of live keys of a child has changed.
    pub(super) fn add_live(&mut self, position: usize, change: isize) {
        self.live[position] = self.live[position].saturating_add_signed(change);
    }

    /// The child that holds `key` if any does.
    pub(super) fn child_of(&self, key: &[u8]) -> usize {
        match self
            .heads
            .find(key, |position| &self.children[position + 1].low)
        {
            Ok(position) => position + 1,
            Err(position) => position,
        }
    }

    /// Inserts the right half of the child before `position`; returns this node's own right half
    /// if it had to be split.
    pub(super) fn insert(&mut self, position: usize, child: Child) -> Option<Self> {
        let live = child.node.live();
        self.live[position - 1] -= live;
        if self.children.len() < INNER_MAX {
            self.children.insert(position, child);
            self.live.insert(position, live);
            let lows = self.children.iter().skip(1).map(|child| &*child.low);
            self.heads
                .insert(position - 1, &self.children[position].low, lows);
            return None;
        }
        self.children.insert(position, child);
        // As with leaves: what grows at its end stays full.
        let at = if position == INNER_MAX {
            INNER_MAX
        } else {
            INNER_MAX / 2
        };
        let right = Self::of(self.children.split_off(at));
        self.rebuild();
        Some(right)
    }

    /// The bound of the first child, for the node above.
    pub(super) fn take_low(&mut self) -> Box<[u8]> {
        std::mem::take(&mut self.children[0].low)
    }

    /// Removes empty children and joins those from `begin` on with their right neighbours where
    /// `fits` says so.
    pub(super) fn tidy(&mut self, begin: usize, fits: impl Fn(&Node, &Node) -> bool) {
        let before = self.children.len();
        self.children.retain(|child| child.node.len() > 0);
        let mut position = begin;
        while position + 1 < self.children.len() {
            if fits(
                &self.children[position].node,
                &self.children[position + 1].node,
            ) {
                let right = self.children.remove(position + 1);
                self.children[position].node.append(right);
            } else {
                position += 1;
            }
        }
        if self.children.len() < before {
            self.rebuild();
        }
    }

    /// Takes over the children of the node after this one, whose lower bound is `low`.
    pub(super) fn append(&mut self, low: Box<[u8]>, right: Self) {
        let first = self.children.len();
        self.children.extend(right.children);
        self.children[first].low = low;
        self.rebuild();
    }

    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        let children = self.children.iter();
        self.heads.heap_bytes()
            + self.live.capacity() * size_of::<usize>()
            + self.children.capacity() * size_of::<Child>()
            + children
                .map(|child| child.low.len() + child.node.heap_bytes())
                .sum::<usize>()
    }
}
