//! The tree against a sorted map.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use bytes::Bytes;
use proptest::prelude::*;
use types::{KeyRange, LeaseId, Revision};

use super::{Edits, Node, Start, Tree};
use crate::key::KeyEntry;

/// A step of a random history.
#[derive(Clone, Debug)]
enum Step {
    Put(u16),
    /// Keys between two, at a distance: leaves and inner nodes split.
    Fill(u16, u16, usize),
    Delete(u16, u16),
    Compact(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..40_000_u16).prop_map(Step::Put),
        1 => (0..40_000_u16, 0..20_000_u16, 1..9_usize)
            .prop_map(|(from, len, stride)| Step::Fill(from, len, stride)),
        2 => (0..40_000_u16, 0..9_000_u16).prop_map(|(from, len)| Step::Delete(from, from + len)),
        1 => (1..20_000_usize).prop_map(Step::Compact),
    ];
    proptest::collection::vec(step, 1..60)
}

fn key(number: u16) -> Bytes {
    Bytes::from(format!("prefix/{number:05}"))
}

fn span(from: u16, to: u16) -> KeyRange {
    KeyRange::Span {
        start: key(from),
        end: key(to),
    }
}

/// Counts, order and bounds of every node.
fn check(node: &Node, low: &[u8], depth: usize, depths: &mut Vec<usize>) -> usize {
    match node {
        Node::Leaf(leaf) => {
            depths.push(depth);
            let entries = leaf.entries();
            assert!(entries.iter().all(|entry| entry.key() >= low));
            assert!(entries.is_sorted_by(|left, right| left.key() < right.key()));
            let live = entries.iter().filter(|entry| entry.is_live()).count();
            assert_eq!(leaf.live(), live);
            live
        }
        Node::Inner(inner) => {
            let mut live = 0;
            for (position, child) in inner.children().iter().enumerate() {
                assert_eq!(inner.live_before(position), live);
                let low = if position == 0 { low } else { &child.low };
                live += check(&child.node, low, depth + 1, depths);
            }
            assert_eq!(inner.live(), live);
            live
        }
    }
}

fn check_tree(tree: &Tree) {
    let mut depths = Vec::new();
    assert_eq!(check(&tree.root, b"", 0, &mut depths), tree.live());
    assert!(depths.iter().all(|depth| *depth == depths[0]));
}

/// Keys with whether they are live.
fn contents(tree: &Tree) -> Vec<(Vec<u8>, bool)> {
    let mut found = Vec::new();
    let _ = tree.walk(Start::At(b""), &KeyRange::All, &mut |entry| {
        found.push((entry.key().to_vec(), entry.is_live()));
        ControlFlow::Continue(())
    });
    found
}

/// Puts of one revision, in key order.
struct Puts<'a> {
    keys: &'a [Bytes],
    revision: Revision,
}

impl Edits for Puts<'_> {
    fn key(&self) -> Option<&[u8]> {
        self.keys.first().map(|key| &key[..])
    }

    fn edit(&mut self, entry: &mut KeyEntry) {
        assert_eq!(entry.key(), self.keys[0]);
        entry.put(self.revision, LeaseId::NONE);
        self.keys = &self.keys[1..];
    }

    fn create(&mut self) -> KeyEntry {
        let entry = KeyEntry::put_first(&self.keys[0], self.revision, LeaseId::NONE);
        self.keys = &self.keys[1..];
        entry
    }
}

fn put(tree: &mut Tree, keys: &[Bytes], main: i64) {
    let revision = Revision::new(main, 0);
    tree.apply(&mut Puts { keys, revision });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    /// A lost key is lost data; a wrong count is a wrong answer.
    #[test]
    fn behaves_as_a_map(steps in steps(), probes in proptest::collection::vec((0..61_000_u16, 0..61_000_u16), 8)) {
        let mut tree = Tree::default();
        let mut model = BTreeMap::new();
        for (number, step) in (2..).zip(steps) {
            match step {
                Step::Put(at) => {
                    put(&mut tree, &[key(at)], number);
                    model.insert(key(at).to_vec(), true);
                }
                Step::Fill(from, len, stride) => {
                    let keys: Vec<Bytes> = (from..from + len).step_by(stride).map(key).collect();
                    put(&mut tree, &keys, number);
                    model.extend(keys.iter().map(|key| (key.to_vec(), true)));
                }
                Step::Delete(from, to) => {
                    tree.edit(&span(from, to), &mut |entry| {
                        if entry.is_live() {
                            entry.delete(Revision::new(number, 0));
                        }
                    });
                    for (_, live) in model.range_mut(key(from).to_vec()..key(to).to_vec()) {
                        *live = false;
                    }
                }
                Step::Compact(budget) => {
                    let mut after = None;
                    loop {
                        after = tree.sweep(after.as_deref(), budget, |entry| entry.is_live());
                        check_tree(&tree);
                        if after.is_none() {
                            break;
                        }
                    }
                    model.retain(|_, live| *live);
                }
            }
        }
        check_tree(&tree);
        prop_assert_eq!(tree.keys(), model.len());
        prop_assert_eq!(contents(&tree), model.clone().into_iter().collect::<Vec<_>>());
        for (from, to) in probes {
            let range = span(from, to);
            let within = |key: &[u8]| range.contains(key);
            let want = model.iter().filter(|(key, live)| **live && within(key)).count();
            prop_assert_eq!(tree.count(&range), want);
            let point = KeyRange::Point(key(from));
            let live = model.get(&key(from)[..]).copied();
            prop_assert_eq!(tree.count(&point), usize::from(live == Some(true)));
            prop_assert_eq!(tree.get(&key(from)).map(KeyEntry::is_live), live);
            let mut seen = Vec::new();
            let _ = tree.walk(Start::After(&key(from)), &range, &mut |entry| {
                seen.push(entry.key().to_vec());
                ControlFlow::Continue(())
            });
            let want: Vec<_> = model.keys().filter(|k| within(k) && k[..] > key(from)[..]).cloned().collect();
            prop_assert_eq!(seen, want);
        }
    }
}

/// Keys written in order must fill their leaves, and memory per key must stay within its bound.
#[test]
fn memory_per_key_is_bounded() {
    for stride in [1, 7919] {
        let mut tree = Tree::default();
        let count = 100_000_u64;
        for number in 0..count {
            let key = Bytes::from(format!("key/{:06}", number * stride % count));
            put(&mut tree, &[key], 2);
        }
        check_tree(&tree);
        assert_eq!(tree.keys(), 100_000);
        let bytes = tree.root.heap_bytes();
        let per_key = bytes as f64 / count as f64;
        println!("stride {stride}: {per_key:.1} bytes a key beside the key");
        assert!(per_key < 110.0, "{per_key} bytes a key");
    }
}
