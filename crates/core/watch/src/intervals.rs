//! An ordered set of key intervals that finds all those which hold a key.
//!
//! An AVL tree ordered by start, then end, in which every node knows the latest end below it, so
//! that a search skips subtrees that end before the key: O(log n + found). No assumption about the
//! order of insertion, as clients choose it.

use std::cmp::Ordering;
use std::ops::Bound;

use bytes::Bytes;
use types::KeyRange;

/// Where an interval ends; ordered with the unbounded one last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Before(Bytes),
    Unbounded,
}

/// An interval as the tree orders it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Interval {
    start: Bytes,
    end: End,
}

#[derive(Debug)]
struct Node<T> {
    interval: Interval,
    value: T,
    /// The latest end in this subtree.
    latest: End,
    height: u8,
    left: Tree<T>,
    right: Tree<T>,
}

type Tree<T> = Option<Box<Node<T>>>;

/// Values by interval.
#[derive(Debug)]
pub(crate) struct Intervals<T> {
    root: Tree<T>,
}

impl<T> Default for Intervals<T> {
    fn default() -> Self {
        Self { root: None }
    }
}

impl<T> Intervals<T> {
    /// The value of `range`, made first if there is none.
    pub(crate) fn entry(&mut self, range: &KeyRange, make: impl FnOnce() -> T) -> &mut T {
        let interval = Interval::new(range);
        if find(&mut self.root, &interval).is_none() {
            let node = Node::leaf(interval.clone(), make());
            self.root = Some(insert(self.root.take(), node));
        }
        find(&mut self.root, &interval).expect("the interval was just inserted")
    }

    /// The value of `range`.
    pub(crate) fn get_mut(&mut self, range: &KeyRange) -> Option<&mut T> {
        find(&mut self.root, &Interval::new(range))
    }

    /// Removes the value of `range`.
    pub(crate) fn remove(&mut self, range: &KeyRange) -> Option<T> {
        self.remove_interval(&Interval::new(range))
    }

    /// Calls `keep` for the value of every interval that holds `key`, and removes those for which
    /// it says no.
    pub(crate) fn visit(&mut self, key: &[u8], mut keep: impl FnMut(&mut T) -> bool) {
        let mut dropped = Vec::new();
        visit(&mut self.root, key, &mut |interval, value| {
            if !keep(value) {
                dropped.push(interval.clone());
            }
        });
        for interval in dropped {
            self.remove_interval(&interval);
        }
    }

    /// Takes all values out, in the order of their intervals.
    pub(crate) fn drain(&mut self) -> Vec<T> {
        let mut values = Vec::new();
        drain(self.root.take(), &mut values);
        values
    }

    fn remove_interval(&mut self, interval: &Interval) -> Option<T> {
        let (rest, removed) = remove(self.root.take(), interval);
        self.root = rest;
        removed.map(|node| node.value)
    }
}

impl Interval {
    fn new(range: &KeyRange) -> Self {
        let (start, end) = match range {
            KeyRange::Point(key) => {
                let mut end = Vec::with_capacity(key.len() + 1);
                end.extend_from_slice(key);
                end.push(0);
                (key.clone(), End::Before(end.into()))
            }
            KeyRange::Span { start, end } => (start.clone(), End::Before(end.clone())),
            KeyRange::FromKey(start) => (start.clone(), End::Unbounded),
            KeyRange::All => (Bytes::new(), End::Unbounded),
        };
        debug_assert_eq!(start, range.start());
        debug_assert!(matches!(
            (&end, range.end()),
            (End::Before(_), Bound::Included(_) | Bound::Excluded(_))
                | (End::Unbounded, Bound::Unbounded)
        ));
        Self { start, end }
    }
}

impl End {
    fn is_after(&self, key: &[u8]) -> bool {
        match self {
            Self::Before(end) => key < end.as_ref(),
            Self::Unbounded => true,
        }
    }
}

impl<T> Node<T> {
    fn leaf(interval: Interval, value: T) -> Box<Self> {
        Box::new(Self {
            latest: interval.end.clone(),
            interval,
            value,
            height: 1,
            left: None,
            right: None,
        })
    }

    /// Recomputes what depends on the children.
    fn update(&mut self) {
        self.height = 1 + height(&self.left).max(height(&self.right));
        let latest = [&self.left, &self.right]
            .into_iter()
            .flatten()
            .map(|child| &child.latest)
            .chain([&self.interval.end])
            .max()
            .expect("the node's own end is there");
        if self.latest != *latest {
            self.latest = latest.clone();
        }
    }
}

fn height<T>(tree: &Tree<T>) -> u8 {
    tree.as_ref().map_or(0, |node| node.height)
}

fn find<'a, T>(mut tree: &'a mut Tree<T>, interval: &Interval) -> Option<&'a mut T> {
    while let Some(node) = tree {
        match interval.cmp(&node.interval) {
            Ordering::Less => tree = &mut node.left,
            Ordering::Equal => return Some(&mut node.value),
            Ordering::Greater => tree = &mut node.right,
        }
    }
    None
}

fn visit<T>(tree: &mut Tree<T>, key: &[u8], f: &mut impl FnMut(&Interval, &mut T)) {
    let Some(node) = tree else { return };
    #[cfg(test)]
    tests::VISITED.with(|visited| visited.set(visited.get() + 1));
    if !node.latest.is_after(key) {
        return;
    }
    visit(&mut node.left, key, f);
    // To the right, intervals start at or after this one.
    if node.interval.start.as_ref() <= key {
        if node.interval.end.is_after(key) {
            f(&node.interval, &mut node.value);
        }
        visit(&mut node.right, key, f);
    }
}

fn drain<T>(tree: Tree<T>, values: &mut Vec<T>) {
    if let Some(node) = tree {
        drain(node.left, values);
        values.push(node.value);
        drain(node.right, values);
    }
}

fn insert<T>(tree: Tree<T>, new: Box<Node<T>>) -> Box<Node<T>> {
    let Some(mut node) = tree else { return new };
    if new.interval < node.interval {
        node.left = Some(insert(node.left.take(), new));
    } else {
        node.right = Some(insert(node.right.take(), new));
    }
    balance(node)
}

fn remove<T>(tree: Tree<T>, interval: &Interval) -> (Tree<T>, Option<Box<Node<T>>>) {
    let Some(mut node) = tree else {
        return (None, None);
    };
    let removed = match interval.cmp(&node.interval) {
        Ordering::Equal => return unlink(node),
        Ordering::Less => {
            let (rest, removed) = remove(node.left.take(), interval);
            node.left = rest;
            removed
        }
        Ordering::Greater => {
            let (rest, removed) = remove(node.right.take(), interval);
            node.right = rest;
            removed
        }
    };
    (Some(balance(node)), removed)
}

/// Takes `node` out of its subtree; its successor takes its place.
fn unlink<T>(mut node: Box<Node<T>>) -> (Tree<T>, Option<Box<Node<T>>>) {
    let rest = match (node.left.take(), node.right.take()) {
        (None, only) | (only, None) => only,
        (left, Some(right)) => {
            let (rest, mut next) = remove_first(right);
            next.left = left;
            next.right = rest;
            Some(balance(next))
        }
    };
    (rest, Some(node))
}

fn remove_first<T>(mut node: Box<Node<T>>) -> (Tree<T>, Box<Node<T>>) {
    match node.left.take() {
        None => (node.right.take(), node),
        Some(left) => {
            let (rest, first) = remove_first(left);
            node.left = rest;
            (Some(balance(node)), first)
        }
    }
}

/// Restores the balance of a node whose children differ by at most two in height.
fn balance<T>(mut node: Box<Node<T>>) -> Box<Node<T>> {
    let (left, right) = (height(&node.left), height(&node.right));
    if left > right + 1 {
        let child = node.left.take().expect("the higher child exists");
        node.left = Some(if height(&child.right) > height(&child.left) {
            rotate_left(child)
        } else {
            child
        });
        rotate_right(node)
    } else if right > left + 1 {
        let child = node.right.take().expect("the higher child exists");
        node.right = Some(if height(&child.left) > height(&child.right) {
            rotate_right(child)
        } else {
            child
        });
        rotate_left(node)
    } else {
        node.update();
        node
    }
}

fn rotate_left<T>(mut node: Box<Node<T>>) -> Box<Node<T>> {
    let mut top = node
        .right
        .take()
        .expect("the right child is the higher one");
    node.right = top.left.take();
    node.update();
    top.left = Some(node);
    top.update();
    top
}

fn rotate_right<T>(mut node: Box<Node<T>>) -> Box<Node<T>> {
    let mut top = node.left.take().expect("the left child is the higher one");
    node.left = top.right.take();
    node.update();
    top.right = Some(node);
    top.update();
    top
}

#[cfg(test)]
#[path = "intervals/tests.rs"]
mod tests;
