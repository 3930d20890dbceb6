//! Changing entries and inserting keys, with the counts of the nodes above kept right.

use std::ops::Bound;

use types::KeyRange;

use super::{
    Child, INNER_MAX, LEAF_MAX, LEAF_STEP, Node, Start, Tree, child_of, find, is_before_end,
    leaf_end,
};
use crate::key::KeyEntry;

/// The right half of a node that was split.
struct Split {
    low: Box<[u8]>,
    node: Node,
}

/// What an insertion did to the node it went through.
struct Inserted {
    /// The change of the number of live keys, of both halves together.
    live: isize,
    split: Option<Split>,
}

impl Tree {
    /// Changes the entry of `key` with `edit`, or adds what `create` makes.
    pub(crate) fn upsert(
        &mut self,
        key: &[u8],
        edit: impl FnOnce(&mut KeyEntry),
        create: impl FnOnce() -> KeyEntry,
    ) {
        let inserted = self.root.upsert(key, edit, create, &mut self.keys);
        self.live = self.live.saturating_add_signed(inserted.live);
        if let Some(split) = inserted.split {
            let left = std::mem::take(&mut self.root);
            let mut children = Vec::with_capacity(2);
            for (low, node) in [(Box::default(), left), (split.low, split.node)] {
                children.push(Child {
                    low,
                    live: node.live(),
                    node,
                });
            }
            self.root = Node::Inner(children);
        }
    }

    /// Calls `edit` for every entry of `range`, in order; it may change whether the key is live.
    pub(crate) fn edit(&mut self, range: &KeyRange, edit: &mut impl FnMut(&mut KeyEntry)) {
        if !range.is_empty() {
            let from = Some(Start::At(range.start()));
            let live = self.root.edit(from, range.end(), edit);
            self.live = self.live.saturating_add_signed(live);
        }
    }
}

impl Node {
    fn upsert(
        &mut self,
        key: &[u8],
        edit: impl FnOnce(&mut KeyEntry),
        create: impl FnOnce() -> KeyEntry,
        keys: &mut usize,
    ) -> Inserted {
        match self {
            Self::Leaf(leaf) => match find(leaf, key) {
                Ok(position) => Inserted {
                    live: edit_one(&mut leaf[position], edit),
                    split: None,
                },
                Err(position) => {
                    *keys += 1;
                    let entry = create();
                    Inserted {
                        live: isize::from(entry.is_live()),
                        split: insert_into_leaf(leaf, position, entry),
                    }
                }
            },
            Self::Inner(children) => {
                let position = child_of(children, key);
                let child = &mut children[position];
                let mut inserted = child.node.upsert(key, edit, create, keys);
                child.live = child.live.saturating_add_signed(inserted.live);
                if let Some(split) = inserted.split.take() {
                    let live = split.node.live();
                    child.live -= live;
                    let right = Child {
                        low: split.low,
                        live,
                        node: split.node,
                    };
                    inserted.split = insert_into_inner(children, position + 1, right);
                }
                inserted
            }
        }
    }

    fn edit(
        &mut self,
        from: Option<Start<'_>>,
        end: Bound<&[u8]>,
        edit: &mut impl FnMut(&mut KeyEntry),
    ) -> isize {
        let mut live = 0;
        match self {
            Self::Leaf(leaf) => {
                let first = from.map_or(0, |from| from.position(leaf));
                let last = leaf_end(leaf, end).max(first);
                for entry in &mut leaf[first..last] {
                    live += edit_one(entry, &mut *edit);
                }
            }
            Self::Inner(children) => {
                let first = from.map_or(0, |from| child_of(children, from.key()));
                for (offset, child) in children[first..].iter_mut().enumerate() {
                    if offset > 0 && !is_before_end(&child.low, end) {
                        break;
                    }
                    let change = child.node.edit(from.filter(|_| offset == 0), end, edit);
                    child.live = child.live.saturating_add_signed(change);
                    live += change;
                }
            }
        }
        live
    }
}

/// Applies `edit`; returns the change of the number of live keys.
fn edit_one(entry: &mut KeyEntry, edit: impl FnOnce(&mut KeyEntry)) -> isize {
    let before = isize::from(entry.is_live());
    edit(entry);
    isize::from(entry.is_live()) - before
}

fn insert_into_leaf(leaf: &mut Vec<KeyEntry>, position: usize, entry: KeyEntry) -> Option<Split> {
    if leaf.len() < LEAF_MAX {
        insert_in_steps(leaf, position, entry);
        return None;
    }
    let mut right = Vec::new();
    if position == leaf.len() {
        insert_in_steps(&mut right, 0, entry);
    } else {
        let half = LEAF_MAX / 2;
        right.reserve_exact(half + LEAF_STEP);
        right.extend(leaf.drain(half..));
        if position <= half {
            leaf.insert(position, entry);
        } else {
            right.insert(position - half, entry);
        }
        leaf.shrink_to(half + LEAF_STEP);
    }
    Some(Split {
        low: right[0].key().into(),
        node: Node::Leaf(right),
    })
}

fn insert_in_steps(leaf: &mut Vec<KeyEntry>, position: usize, entry: KeyEntry) {
    if leaf.len() == leaf.capacity() {
        leaf.reserve_exact(LEAF_STEP);
    }
    leaf.insert(position, entry);
}

fn insert_into_inner(children: &mut Vec<Child>, position: usize, child: Child) -> Option<Split> {
    if children.len() < INNER_MAX {
        children.insert(position, child);
        return None;
    }
    let mut right = if position == children.len() {
        vec![child]
    } else {
        let mut right = children.split_off(INNER_MAX / 2);
        match position.checked_sub(INNER_MAX / 2) {
            Some(position) if position > 0 => right.insert(position, child),
            _ => children.insert(position, child),
        }
        right
    };
    Some(Split {
        // The first child's own bound moves up; it is not looked at where it stands.
        low: std::mem::take(&mut right[0].low),
        node: Node::Inner(right),
    })
}
