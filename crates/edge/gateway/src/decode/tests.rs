//! Bodies that clients in the field send, and hostile ones.

use proptest::prelude::*;
use prost::Message as _;
use proto::etcdserverpb::compare::TargetUnion;
use proto::etcdserverpb::range_request::SortOrder;
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{
    Compare, LeaseGrantRequest, PutRequest, RangeRequest, RequestOp, TxnRequest, WatchRequest,
};

use crate::{Routes, decode, encode};

fn described(path: &str) -> &'static proto::descriptor::Message {
    Routes::new().find(path).unwrap().request
}

fn read<T: prost::Message + Default>(path: &str, json: &str) -> T {
    let bytes = decode::message(described(path), json.as_bytes());
    let bytes = bytes.unwrap_or_else(|error| panic!("{json}: {error}"));
    T::decode(&bytes[..]).unwrap()
}

/// Requests as clients in the field write them.
#[test]
fn requests() {
    let range: RangeRequest = read(
        "/v3/kv/range",
        r#"{"key":"Zm9v","range_end":"_-8","limit":"3","sort_order":"DESCEND","sortTarget":3,
            "keysOnly":true,"serializable":false,"unknown":[{"a":1}],"revision":1e1} trailing"#,
    );
    let want = RangeRequest {
        key: "foo".into(),
        range_end: vec![0xff, 0xef].into(),
        limit: 3,
        sort_order: SortOrder::Descend.into(),
        sort_target: 3,
        keys_only: true,
        revision: 10,
        ..RangeRequest::default()
    };
    assert_eq!(range, want);
    let put: PutRequest = read(
        "/v3/kv/put",
        r#"{"key":"YQ","value":"YWI=","lease":-5,"prev_kv":null}"#,
    );
    let want = PutRequest {
        key: "a".into(),
        value: "ab".into(),
        lease: -5,
        ..PutRequest::default()
    };
    assert_eq!(put, want);
    let grant: LeaseGrantRequest = read("/v3/lease/grant", r#"{"TTL":"60","ID":7.0}"#);
    assert_eq!((grant.ttl, grant.id), (60, 7));
    let watch: WatchRequest = read("/v3/watch", r#"{"create_request":{}}"#);
    assert!(watch.request_union.is_some());
    let unnamed: RangeRequest = read("/v3/kv/range", r#"{"sort_order":"SIDEWAYS"}"#);
    assert_eq!(unnamed, RangeRequest::default());
}

#[test]
fn transactions() {
    let txn: TxnRequest = read(
        "/v3/kv/txn",
        r#"{"compare":[{"key":"YQ==","target":"CREATE","create_revision":"0"}],
            "success":[{"requestPut":{"key":"YQ=="}},{"request_txn":{"failure":[{"request_range":{}}]}}]}"#,
    );
    let Compare { target_union, .. } = &txn.compare[0];
    assert_eq!(*target_union, Some(TargetUnion::CreateRevision(0)));
    let [
        RequestOp {
            request: Some(Request::RequestPut(_)),
        },
        RequestOp {
            request: Some(Request::RequestTxn(inner)),
        },
    ] = &txn.success[..]
    else {
        panic!("{txn:?}");
    };
    assert!(matches!(
        inner.failure[0].request,
        Some(Request::RequestRange(_))
    ));
}

/// What is not a request is said to be none, with its place.
#[test]
fn refused() {
    for json in [
        "",
        "null",
        "[]",
        "3",
        r#"{"key":"#,
        r#"{"key":5}"#,
        r#"{"key":"a!"}"#,
        r#"{"limit":1.5}"#,
        r#"{"limit":" 1"}"#,
        r#"{"limit":"9223372036854775808"}"#,
        r#"{"limit":true}"#,
        r#"{"keys_only":"true"}"#,
        r#"{"sort_order":["NONE"]}"#,
        r#"{"key":"YQ==","key":"YQ=="}"#,
        r#"{"keys_only":true,"keysOnly":true}"#,
        "{\"key\":\"\u{1}\"}",
    ] {
        let refused = decode::message(described("/v3/kv/range"), json.as_bytes());
        assert!(refused.is_err(), "{json}");
    }
    for json in [
        r#"{"compare":{}}"#,
        r#"{"compare":[null]}"#,
        r#"{"success":[{"request_put":{},"request_range":{}}]}"#,
    ] {
        let refused = decode::message(described("/v3/kv/txn"), json.as_bytes());
        assert!(refused.is_err(), "{json}");
    }
}

/// A request that nests without end costs neither stack nor memory.
#[test]
fn nesting_is_bounded() {
    let (open, close) = (r#"{"success":[{"request_txn":"#, "}]}");
    let nested = |depth| [open.repeat(depth), "{}".to_owned(), close.repeat(depth)].concat();
    let read = |depth| decode::message(described("/v3/kv/txn"), nested(depth).as_bytes());
    assert!(read(20).is_ok());
    assert!(read(10_000).is_err());
    let unknown = format!("{{\"x\":{}", "[".repeat(100_000));
    assert!(decode::message(described("/v3/kv/txn"), unknown.as_bytes()).is_err());
}

/// An error must not repeat what may be a password.
#[test]
fn errors_keep_secrets() {
    let json = r#"{"name":"u","password":["secret"]}"#;
    let refused = decode::message(described("/v3/auth/user/add"), json.as_bytes()).unwrap_err();
    assert!(!refused.to_string().contains("secret"), "{refused}");
}

fn op() -> impl Strategy<Value = RequestOp> {
    let leaf = (any::<Vec<u8>>(), any::<i64>(), any::<bool>(), -3..9_i32).prop_map(
        |(key, number, flag, order)| {
            let request = match flag {
                true => Request::RequestPut(PutRequest {
                    key: key.clone().into(),
                    value: key.into(),
                    lease: number,
                    prev_kv: true,
                    ..PutRequest::default()
                }),
                false => Request::RequestRange(RangeRequest {
                    key: key.into(),
                    limit: number,
                    sort_order: order,
                    ..RangeRequest::default()
                }),
            };
            RequestOp {
                request: Some(request),
            }
        },
    );
    leaf.prop_recursive(4, 16, 3, |inner| {
        let ops = proptest::collection::vec(inner, 0..3);
        (ops.clone(), ops).prop_map(|(success, failure)| RequestOp {
            request: Some(Request::RequestTxn(TxnRequest {
                compare: Vec::new(),
                success,
                failure,
            })),
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// What is written as JSON is read back as it was.
    #[test]
    fn round_trip(success in proptest::collection::vec(op(), 0..4)) {
        let txn = TxnRequest { compare: Vec::new(), success, failure: Vec::new() };
        let mut json = String::new();
        encode::message(described("/v3/kv/txn"), &txn.encode_to_vec(), &mut json).unwrap();
        let read: TxnRequest = read("/v3/kv/txn", &json);
        prop_assert_eq!(read, txn);
    }

    /// Foreign bytes are an error or a message, never a panic.
    #[test]
    fn foreign_bytes(bytes in any::<Vec<u8>>()) {
        let mut json = String::new();
        let _ = encode::message(described("/v3/kv/txn"), &bytes, &mut json);
        let _ = decode::message(described("/v3/kv/txn"), &bytes);
    }
}
