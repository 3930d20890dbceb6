//! The tree against a list, its balance, and that a search does not walk everything.

use proptest::prelude::*;

use super::*;

std::thread_local! {
    /// Nodes that searches of this thread have looked at.
    pub(super) static VISITED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

fn range(start: &[u8], end: &[u8]) -> KeyRange {
    KeyRange::new(Bytes::copy_from_slice(start), Bytes::copy_from_slice(end)).unwrap()
}

fn check_node<T>(tree: &Tree<T>) -> (u8, Option<End>) {
    let Some(node) = tree else { return (0, None) };
    let (left, left_end) = check_node(&node.left);
    let (right, right_end) = check_node(&node.right);
    assert!(left.abs_diff(right) <= 1, "balanced");
    assert_eq!(node.height, 1 + left.max(right));
    let latest = [left_end, right_end, Some(node.interval.end.clone())]
        .into_iter()
        .flatten()
        .max();
    assert_eq!(Some(&node.latest), latest.as_ref());
    if let Some(child) = &node.left {
        assert!(child.interval < node.interval);
    }
    if let Some(child) = &node.right {
        assert!(child.interval > node.interval);
    }
    (node.height, latest)
}

fn short_key() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(0u8..4, 1..3)
}

fn any_range() -> impl Strategy<Value = KeyRange> {
    (short_key(), prop_oneof![Just(vec![0]), short_key()])
        .prop_map(|(start, end)| range(&start, &end))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// A watcher that is not found would lose events; one found wrongly would see foreign keys.
    #[test]
    fn finds_what_a_list_finds(
        steps in prop::collection::vec((any_range(), any::<bool>()), 1..80),
        keys in prop::collection::vec(short_key(), 8),
    ) {
        let mut tree = Intervals::default();
        let mut list: Vec<KeyRange> = Vec::new();
        for (range, add) in steps {
            if add {
                if !list.contains(&range) {
                    list.push(range.clone());
                }
                tree.entry(&range, || range.clone());
            } else {
                list.retain(|other| *other != range);
                tree.remove(&range);
            }
            check_node(&tree.root);
        }
        for key in keys {
            let mut found = Vec::new();
            tree.visit(&key, |range| {
                found.push(range.clone());
                true
            });
            found.sort();
            let mut expected: Vec<_> = list.iter().filter(|r| r.contains(&key)).cloned().collect();
            expected.sort();
            prop_assert_eq!(found, expected);
        }
        prop_assert_eq!(tree.drain().len(), list.len());
    }
}

/// A hundred thousand disjoint watchers must cost an event no more than the depth of the tree.
#[test]
fn search_skips_subtrees() {
    let mut tree = Intervals::default();
    for i in 0..100_000_u32 {
        let (start, end) = (i.to_be_bytes(), (i + 1).to_be_bytes());
        tree.entry(&range(&start, &end), || i);
    }
    let (height, _) = check_node(&tree.root);
    assert!(height <= 20, "{height}");
    let mut found = Vec::new();
    VISITED.set(0);
    tree.visit(&70_000_u32.to_be_bytes(), |i| {
        found.push(*i);
        false
    });
    assert_eq!(found, [70_000]);
    assert!(
        VISITED.get() <= 2 * usize::from(height),
        "{}",
        VISITED.get()
    );
    found.clear();
    tree.visit(&70_000_u32.to_be_bytes(), |_| panic!("was removed"));
    check_node(&tree.root);
}
