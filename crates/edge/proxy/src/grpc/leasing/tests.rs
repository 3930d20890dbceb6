//! The table of owned keys, without members.

use bytes::Bytes;
use proto::etcdserverpb::{
    PutRequest, RangeRequest, RangeResponse, RequestOp, TxnRequest, request_op,
};
use proto::mvccpb::KeyValue;

use super::*;

const KEY: Bytes = Bytes::from_static(b"k");

fn leasing() -> (Leasing, session::Releases) {
    let (leasing, releases) = Leasing::new("own/", &Namespace::new("tenant/"));
    leasing.lock().session = Some(Session {
        lease: 7,
        until: Instant::now() + Duration::from_secs(3600),
    });
    (leasing, releases)
}

fn answer(value: &'static str, lease: i64) -> RangeResponse {
    RangeResponse {
        kvs: vec![KeyValue {
            key: KEY,
            value: value.into(),
            lease,
            ..KeyValue::default()
        }],
        ..RangeResponse::default()
    }
}

fn touched() -> [Touched; 1] {
    [Touched {
        key: KEY,
        range_end: Bytes::new(),
    }]
}

fn ask(leasing: &Leasing) -> u64 {
    match leasing.read(&KEY) {
        Reading::Free { lease: 7, turn } => turn,
        _ => panic!("the key is not free"),
    }
}

fn value(leasing: &Leasing) -> Option<Bytes> {
    match leasing.read(&KEY) {
        Reading::Here(answer) => Some(answer.kvs[0].value.clone()),
        _ => None,
    }
}

/// A key that is ours is answered for until its lease may be over.
#[test]
fn owned_keys_are_answered_for() {
    let (leasing, _releases) = leasing();
    assert_eq!(leasing.whole_prefix, "tenant/own/");
    let turn = ask(&leasing);
    assert!(matches!(leasing.read(&KEY), Reading::Elsewhere));
    leasing.acquired(&KEY, turn, Some(5), &answer("v", 0));
    assert_eq!(value(&leasing).unwrap(), "v");
    leasing.lock().session.as_mut().unwrap().until = Instant::now();
    assert_eq!(value(&leasing), None);
}

/// A value that was read before a write must not be told after it.
#[test]
fn writes_overtake_reads() {
    let (leasing, _releases) = leasing();
    let turn = ask(&leasing);
    let write = leasing.begin_write(&touched());
    leasing.acquired(&KEY, turn, Some(5), &answer("old", 0));
    assert!(matches!(leasing.read(&KEY), Reading::Elsewhere));
    drop(write);
    let Reading::Ours { created: 5, turn } = leasing.read(&KEY) else {
        panic!("the key is not ours");
    };
    let all = [Touched {
        key: Bytes::from_static(b"\0"),
        range_end: Bytes::from_static(b"\0"),
    }];
    drop(leasing.begin_write(&all));
    leasing.fetched(&KEY, turn, &answer("old", 0));
    assert_eq!(value(&leasing), None);
}

/// A write that may yet happen must not happen behind the back of a value that is remembered.
#[test]
fn what_is_unsure_is_given_up() {
    let (leasing, releases) = leasing();
    let turn = ask(&leasing);
    leasing.acquired(&KEY, turn, Some(5), &answer("v", 0));
    assert_eq!(leasing.owner(&touched()), Some((KEY, 5)));
    drop(Unsure {
        leasing: &leasing,
        key: KEY,
        created: 5,
        is_over: false,
    });
    assert_eq!(leasing.owner(&touched()), None);
    let session::Releases(mut releases) = releases;
    assert_eq!(releases.try_recv().unwrap().created, 5);
}

/// Keys with a lease end without anybody writing them.
#[test]
fn keys_with_a_lease_are_not_remembered() {
    let (leasing, _releases) = leasing();
    let turn = ask(&leasing);
    leasing.acquired(&KEY, turn, Some(5), &answer("v", 9));
    assert!(matches!(leasing.read(&KEY), Reading::Ours { .. }));
}

/// Reads of the past and of ranges have other answers.
#[test]
fn only_keys_as_they_are_concern_owners() {
    let plain = RangeRequest {
        key: KEY,
        ..RangeRequest::default()
    };
    assert!(Leasing::concerns(&plain));
    for other in [
        RangeRequest {
            range_end: "l".into(),
            ..plain.clone()
        },
        RangeRequest {
            revision: 3,
            ..plain.clone()
        },
        RangeRequest {
            max_mod_revision: 3,
            ..plain.clone()
        },
        RangeRequest::default(),
    ] {
        assert!(!Leasing::concerns(&other));
    }
}

/// Members refuse a transaction of too many operations, and each guard is one.
#[test]
fn guards_of_large_transactions_are_one() {
    let (leasing, _releases) = leasing();
    let puts = |count: usize| {
        let operation = RequestOp {
            request: Some(request_op::Request::RequestPut(PutRequest::default())),
        };
        request_op::Request::RequestTxn(TxnRequest {
            success: vec![operation; count],
            ..TxnRequest::default()
        })
    };
    let touched: Vec<Touched> = ["b", "a", "c"]
        .map(|key| Touched {
            key: key.into(),
            range_end: Bytes::new(),
        })
        .into();
    let keys = |guards: Vec<Touched>| -> Vec<(Bytes, Bytes)> {
        let pairs = guards.into_iter();
        pairs.map(|guard| (guard.key, guard.range_end)).collect()
    };
    assert_eq!(leasing.guards(&touched, &puts(125)).len(), 3);
    assert_eq!(
        keys(leasing.guards(&touched, &puts(126))),
        [("own/a".into(), "own/c\0".into())]
    );
    let from = Touched {
        key: "d".into(),
        range_end: "\0".into(),
    };
    let guards = keys(leasing.guards(&[touched[0].clone(), from], &puts(127)));
    assert_eq!(guards, [("own/b".into(), "own0".into())]);
}
