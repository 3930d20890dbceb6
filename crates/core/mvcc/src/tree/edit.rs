//! Changing entries and inserting keys, with the counts of the nodes above kept right.

use types::KeyRange;

use super::inner::{Child, Inner};
use super::leaf::Leaf;
use super::{Node, Start, Tree, end_of, inner_bounds, leaf_bounds};
use crate::key::KeyEntry;

/// Changes of keys, to be made in key order; a key may come more than once.
pub(crate) trait Edits {
    /// The key of the next change; `None` when all are made.
    fn key(&self) -> Option<&[u8]>;
    /// Makes the next change to the entry of its key.
    fn edit(&mut self, entry: &mut KeyEntry);
    /// Makes the next change to a key without an entry.
    fn create(&mut self) -> KeyEntry;
}

/// What changes did to the node they went through.
#[derive(Default)]
struct Edited {
    /// The change of the number of live keys, of both halves together.
    live: isize,
    /// The right half, if the node was split; changes may be left then.
    split: Option<Child>,
}

impl Tree {
    /// Makes all changes. Those to neighbouring keys share the way down.
    pub(crate) fn apply(&mut self, edits: &mut impl Edits) {
        while edits.key().is_some() {
            let edited = self.root.apply(edits, None, &mut self.keys);
            self.live = self.live.saturating_add_signed(edited.live);
            if let Some(right) = edited.split {
                let left = Child {
                    low: Box::default(),
                    node: std::mem::take(&mut self.root),
                };
                self.root = Node::Inner(Inner::of(vec![left, right]));
            }
        }
    }

    /// Calls `edit` for every entry of `range`, in order; it may change whether the key is live.
    pub(crate) fn edit(&mut self, range: &KeyRange, edit: &mut impl FnMut(&mut KeyEntry)) {
        if !range.is_empty() {
            let start = Some(Start::At(range.start()));
            let live = self.root.edit(start, end_of(range), edit);
            self.live = self.live.saturating_add_signed(live);
        }
    }
}

impl Node {
    /// Makes the changes to keys below `bound`, until the node is split.
    fn apply(&mut self, edits: &mut impl Edits, bound: Option<&[u8]>, keys: &mut usize) -> Edited {
        match self {
            Self::Leaf(leaf) => apply_to_leaf(leaf, edits, bound, keys),
            Self::Inner(inner) => apply_to_inner(inner, edits, bound, keys),
        }
    }

    fn edit(
        &mut self,
        start: Option<Start<'_>>,
        end: Option<Start<'_>>,
        edit: &mut impl FnMut(&mut KeyEntry),
    ) -> isize {
        let mut live = 0;
        match self {
            Self::Leaf(leaf) => {
                let (first, last) = leaf_bounds(leaf, start, end);
                for position in first..last {
                    live += leaf.edit(position, &mut *edit);
                }
            }
            Self::Inner(inner) => {
                let (first, last) = inner_bounds(inner, start, end);
                for position in first..=last {
                    let start = start.filter(|_| position == first);
                    let end = end.filter(|_| position == last);
                    let change = inner.node_mut(position).edit(start, end, edit);
                    inner.add_live(position, change);
                    live += change;
                }
            }
        }
        live
    }
}

/// The key of the next change, if it is below `bound`.
fn next_below<'e>(edits: &'e impl Edits, bound: Option<&[u8]>) -> Option<&'e [u8]> {
    edits
        .key()
        .filter(|key| bound.is_none_or(|bound| *key < bound))
}

fn apply_to_leaf(
    leaf: &mut Leaf,
    edits: &mut impl Edits,
    bound: Option<&[u8]>,
    keys: &mut usize,
) -> Edited {
    let mut edited = Edited::default();
    while let Some(key) = next_below(edits, bound) {
        match leaf.find(key) {
            Ok(position) => edited.live += leaf.edit(position, |entry| edits.edit(entry)),
            Err(position) => {
                let entry = edits.create();
                *keys += 1;
                edited.live += isize::from(entry.is_live());
                if let Some(right) = leaf.insert(position, entry) {
                    edited.split = Some(Child {
                        low: right.entries()[0].key().into(),
                        node: Node::Leaf(right),
                    });
                    break;
                }
            }
        }
    }
    edited
}

fn apply_to_inner(
    inner: &mut Inner,
    edits: &mut impl Edits,
    bound: Option<&[u8]>,
    keys: &mut usize,
) -> Edited {
    let mut edited = Edited::default();
    while let Some(key) = next_below(edits, bound) {
        let position = inner.child_of(key);
        let (node, child_bound) = inner.node_and_bound(position);
        let below = node.apply(edits, child_bound.or(bound), keys);
        inner.add_live(position, below.live);
        edited.live += below.live;
        if let Some(right) = below.split
            && let Some(mut right) = inner.insert(position + 1, right)
        {
            edited.split = Some(Child {
                low: right.take_low(),
                node: Node::Inner(right),
            });
            break;
        }
    }
    edited
}
