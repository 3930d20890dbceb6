//! The table of owned keys, without members.

use bytes::Bytes;
use proto::etcdserverpb::{
    PutRequest, RangeRequest, RangeResponse, RequestOp, ResponseOp, TxnRequest, TxnResponse,
    request_op, response_op,
};
use proto::mvccpb::KeyValue;

use super::guarded::{Guard, Guarded, Outcome};
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

fn put_of(key: &'static str) -> RequestOp {
    guarded::operation(request_op::Request::RequestPut(PutRequest {
        key: key.into(),
        ..PutRequest::default()
    }))
}

fn ranges(guarded: &Guarded) -> Vec<(Bytes, Bytes)> {
    let compares = guarded.request.compare.iter();
    compares
        .map(|compare| (compare.key.clone(), compare.range_end.clone()))
        .collect()
}

/// Members refuse a transaction of too many operations, and each guard is one.
#[test]
fn guards_of_large_transactions_are_one() {
    let (leasing, _releases) = leasing();
    let puts = |count: usize| {
        request_op::Request::RequestTxn(TxnRequest {
            success: vec![put_of("a"); count],
            failure: vec![put_of("a")],
            ..TxnRequest::default()
        })
    };
    let touched: Vec<Touched> = ["b", "a", "c"]
        .map(|key| Touched {
            key: key.into(),
            range_end: Bytes::new(),
        })
        .into();
    assert_eq!(ranges(&leasing.guarded(puts(125), &touched)).len(), 3);
    assert_eq!(
        ranges(&leasing.guarded(puts(126), &touched)),
        [("own/a".into(), "own/c\0".into())]
    );
    let from = Touched {
        key: "d".into(),
        range_end: "\0".into(),
    };
    let guarded = leasing.guarded(puts(127), &[touched[0].clone(), from]);
    assert_eq!(ranges(&guarded), [("own/b".into(), "own0".into())]);
}

/// What members take without a proxy they take from one: guards stand beside the transaction's own
/// comparisons, and its own reads are answered only while the guards hold.
#[test]
fn guards_stand_beside_other_comparisons() {
    let (leasing, _releases) = leasing();
    let own = guarded::is_created_at("x".into(), Bytes::new(), 0);
    let read = guarded::operation(request_op::Request::RequestRange(RangeRequest::default()));
    let change = TxnRequest {
        compare: vec![own.clone(); 127],
        success: vec![put_of("k"); 128],
        failure: vec![read.clone(); 127],
    };
    let others = [touched()[0].clone(), touched()[0].clone()];
    let guarded = leasing.guarded(request_op::Request::RequestTxn(change), &others);
    let TxnRequest {
        compare,
        success,
        failure,
    } = &guarded.request;
    assert_eq!(
        [compare.len(), success.len(), failure.len()],
        [128, 128, 128]
    );
    assert_eq!((&compare[126], &failure[126]), (&own, &read));
    assert_eq!(compare[127].key, "own/k");

    let found = |keys: usize| ResponseOp {
        response: Some(response_op::Response::ResponseRange(RangeResponse {
            kvs: vec![KeyValue::default(); keys],
            ..RangeResponse::default()
        })),
    };
    let failed = |owners: usize| TxnResponse {
        responses: [vec![found(3); 127], vec![found(owners)]].concat(),
        ..TxnResponse::default()
    };
    let Outcome::Done(done) = guarded.outcome(failed(0)).unwrap() else {
        panic!("the guard holds");
    };
    assert_eq!(
        done.responses[0].response,
        Some(response_op::Response::ResponseTxn(TxnResponse {
            responses: vec![found(3); 127],
            ..TxnResponse::default()
        }))
    );
    let Outcome::Owned(owners) = guarded.outcome(failed(2)).unwrap() else {
        panic!("the guard does not hold");
    };
    assert_eq!(owners.len(), 2);
    assert!(guarded.outcome(TxnResponse::default()).is_err());
}

/// When a guard fails the other branch is done as well: it must not write, nor be refused.
#[test]
fn what_is_not_for_nothing_stands_within() {
    let (leasing, _releases) = leasing();
    let read = |revision| {
        guarded::operation(request_op::Request::RequestRange(RangeRequest {
            revision,
            ..RangeRequest::default()
        }))
    };
    let nested = |inner: RequestOp| {
        guarded::operation(request_op::Request::RequestTxn(TxnRequest {
            success: vec![inner],
            ..TxnRequest::default()
        }))
    };
    for (otherwise, is_beside) in [
        (read(0), true),
        (nested(read(0)), true),
        (read(3), false),
        (put_of("k"), false),
        (nested(put_of("k")), false),
        (RequestOp { request: None }, false),
    ] {
        let change = TxnRequest {
            success: vec![put_of("k")],
            failure: vec![otherwise],
            ..TxnRequest::default()
        };
        let change = request_op::Request::RequestTxn(change);
        let guarded = leasing.guarded(change.clone(), &touched());
        let is_within = guarded.request.success == [guarded::operation(change)];
        assert_eq!(is_within, !is_beside);
    }
}

/// A comparison that fails takes no key away from its owner.
#[test]
fn owned_keys_stay_owned() {
    let guard = Guard {
        owners: touched()[0].clone(),
        created: 5,
    };
    let change = request_op::Request::RequestTxn(TxnRequest::default());
    let guarded = Guarded::new(change, vec![guard]);
    for (created, is_done) in [(Some(5), true), (Some(6), false), (None, false)] {
        let pairs = created.map(|create_revision| KeyValue {
            create_revision,
            ..KeyValue::default()
        });
        let found = response_op::Response::ResponseRange(RangeResponse {
            kvs: pairs.into_iter().collect(),
            ..RangeResponse::default()
        });
        let failed = TxnResponse {
            responses: vec![ResponseOp {
                response: Some(found),
            }],
            ..TxnResponse::default()
        };
        let outcome = guarded.outcome(failed).unwrap();
        assert_eq!(matches!(outcome, Outcome::Done(_)), is_done, "{created:?}");
    }
}
