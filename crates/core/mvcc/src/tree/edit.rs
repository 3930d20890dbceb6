//! Changing entries and inserting keys, with the counts of the nodes above kept right.

use types::KeyRange;

use super::inner::{Child, Inner};
use super::{Node, Start, Tree, end_of, inner_bounds, leaf_bounds};
use crate::key::KeyEntry;

/// What an insertion did to the node it went through.
struct Inserted {
    /// The change of the number of live keys, of both halves together.
    live: isize,
    /// The right half, if the node was split.
    split: Option<Child>,
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
        if let Some(right) = inserted.split {
            let left = Child {
                low: Box::default(),
                node: std::mem::take(&mut self.root),
            };
            self.root = Node::Inner(Inner::of(vec![left, right]));
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
    fn upsert(
        &mut self,
        key: &[u8],
        edit: impl FnOnce(&mut KeyEntry),
        create: impl FnOnce() -> KeyEntry,
        keys: &mut usize,
    ) -> Inserted {
        match self {
            Self::Leaf(leaf) => match leaf.find(key) {
                Ok(position) => Inserted {
                    live: leaf.edit(position, edit),
                    split: None,
                },
                Err(position) => {
                    *keys += 1;
                    let entry = create();
                    let live = isize::from(entry.is_live());
                    let split = leaf.insert(position, entry).map(|right| Child {
                        low: right.entries()[0].key().into(),
                        node: Self::Leaf(right),
                    });
                    Inserted { live, split }
                }
            },
            Self::Inner(inner) => {
                let position = inner.child_of(key);
                let mut inserted = inner.node_mut(position).upsert(key, edit, create, keys);
                inner.add_live(position, inserted.live);
                if let Some(right) = inserted.split.take() {
                    inserted.split = inner.insert(position + 1, right).map(|mut right| Child {
                        low: right.take_low(),
                        node: Self::Inner(right),
                    });
                }
                inserted
            }
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
