//! Which transactions name a key twice, against a model and etcd's quirks.

use bytes::Bytes;
use proptest::prelude::*;
use proto::etcdserverpb::{PutRequest, RangeRequest};

use super::*;

/// A small language for branches, so that cases read as lists.
#[derive(Clone, Debug)]
enum Op {
    Put(&'static str),
    Del(&'static str, &'static str),
    Get(&'static str),
    Txn(Vec<Op>, Vec<Op>),
}

use Op::{Del, Get, Put, Txn};

fn branch(ops: &[Op]) -> Vec<RequestOp> {
    ops.iter()
        .map(|op| RequestOp {
            request: Some(match op {
                Put(key) => Request::RequestPut(PutRequest {
                    key: Bytes::from(*key),
                    ..Default::default()
                }),
                Del(key, end) => Request::RequestDeleteRange(DeleteRangeRequest {
                    key: Bytes::from(*key),
                    range_end: Bytes::from(*end),
                    ..Default::default()
                }),
                Get(key) => Request::RequestRange(RangeRequest {
                    key: Bytes::from(*key),
                    ..Default::default()
                }),
                Txn(then, otherwise) => Request::RequestTxn(txn(then, otherwise)),
            }),
        })
        .collect()
}

fn txn(then: &[Op], otherwise: &[Op]) -> TxnRequest {
    TxnRequest {
        success: branch(then),
        failure: branch(otherwise),
        ..Default::default()
    }
}

fn is_accepted(ops: &[Op]) -> bool {
    let results = [check(&txn(ops, &[])), check(&txn(&[], ops))];
    assert_eq!(results[0], results[1], "branches are checked alike");
    results[0].is_ok()
}

/// Each case was tried on a real server: refusing more breaks clients, refusing less writes a key
/// twice in one revision.
#[test]
fn as_etcd_does() {
    let refused: &[&[Op]] = &[
        &[Put("a"), Put("a")],
        &[Put("a"), Del("a", "")],
        &[Del("a", "c"), Put("b")],
        &[Put("b"), Del("a", "c")],
        &[Put("a"), Txn(vec![Put("a")], vec![])],
        &[Txn(vec![Put("a")], vec![]), Txn(vec![], vec![Put("a")])],
        &[Txn(vec![Del("a", "")], vec![]), Txn(vec![Put("a")], vec![])],
        &[Del("a", "c"), Txn(vec![], vec![Put("b")])],
        &[Txn(vec![Del("a", "c")], vec![]), Put("b")],
        &[Txn(vec![Txn(vec![Put("x"), Put("x")], vec![])], vec![])],
    ];
    let accepted: &[&[Op]] = &[
        &[],
        &[Get("a"), Put("a")],
        &[Put("a"), Put("b")],
        &[Del("a", ""), Del("a", "b")],
        &[Del("a", "c"), Put("c")],
        // The branches of one nested transaction exclude each other.
        &[Txn(vec![Put("a")], vec![Put("a")])],
        &[Txn(vec![Del("a", "")], vec![Put("a")])],
        // What etcd does not see.
        &[Del("a", "\0"), Put("b")],
        &[Del("\0", "\0"), Put("b")],
        &[Del("c", "a"), Put("b")],
        &[Txn(vec![Put("a")], vec![]), Txn(vec![Del("a", "")], vec![])],
    ];
    for ops in refused {
        assert!(!is_accepted(ops), "{ops:?}");
    }
    for ops in accepted {
        assert!(is_accepted(ops), "{ops:?}");
    }
}

/// Deep nesting must cost no more than its size.
#[test]
fn deep_nesting() {
    let mut ops = vec![Put("a")];
    for _ in 0..90 {
        ops = vec![Txn(ops, vec![])];
    }
    assert!(is_accepted(&ops));
}

const KEYS: [&str; 6] = ["a", "b", "bb", "c", "d", "e"];

fn op() -> impl Strategy<Value = Op> {
    let key = || prop::sample::select(&KEYS[..]);
    let leaf = prop_oneof![
        key().prop_map(Put),
        (key(), prop_oneof![Just(""), Just("\0"), key()]).prop_map(|(key, end)| Del(key, end)),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let list = || prop::collection::vec(inner.clone(), 0..3);
        (list(), list()).prop_map(|(then, otherwise)| Txn(then, otherwise))
    })
}

/// The rule, spelled out over the few keys that there are.
fn model(ops: &[Op]) -> Option<(Vec<&'static str>, Vec<&'static str>)> {
    let mut deleted: Vec<&str> = Vec::new();
    let mut puts: Vec<&str> = Vec::new();
    for op in ops {
        if let Del(from, end) = op {
            let covers = |key: &&&str| {
                if end.is_empty() {
                    **key == *from
                } else {
                    *from <= **key && **key < *end
                }
            };
            deleted.extend(KEYS.iter().filter(covers));
        }
    }
    for op in ops {
        if let Txn(then, otherwise) = op {
            let (then_puts, then_deleted) = model(then)?;
            let (mut else_puts, else_deleted) = model(otherwise)?;
            else_puts.retain(|key| !then_puts.contains(key));
            for key in then_puts.into_iter().chain(else_puts) {
                if puts.contains(&key) || deleted.contains(&key) {
                    return None;
                }
                puts.push(key);
            }
            deleted.extend(then_deleted);
            deleted.extend(else_deleted);
        }
    }
    for op in ops {
        if let Put(key) = op {
            if puts.contains(key) || deleted.contains(key) {
                return None;
            }
            puts.push(key);
        }
    }
    Some((puts, deleted))
}

proptest! {
    /// Melted spans must cover exactly the keys that the single ones did.
    #[test]
    fn agrees_with_the_model(ops in prop::collection::vec(op(), 0..6)) {
        prop_assert_eq!(is_accepted(&ops), model(&ops).is_some());
    }
}
