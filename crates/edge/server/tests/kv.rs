//! The KV service over real sockets.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod support;

use bytes::Bytes;
use client::ClientError;
use proto::error::{Code, Error};
use proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::response_op::Response;
use proto::etcdserverpb::{
    CompactionRequest, Compare, DeleteRangeRequest, PutRequest, RangeRequest, RangeResponse,
    RequestOp, ResponseHeader, TxnRequest,
};
use support::{Member, get, prefix, put};

fn keys(response: &RangeResponse) -> Vec<&str> {
    let keys = response
        .kvs
        .iter()
        .map(|kv| std::str::from_utf8(&kv.key).unwrap());
    keys.collect()
}

/// What every client does all day.
#[tokio::test]
async fn put_get_delete() {
    let member = Member::start().await;
    let header = member.put("a", "1").await.header.unwrap();
    assert_eq!(header.revision, 2);
    assert!(header.cluster_id != 0 && header.member_id != 0 && header.raft_term > 0);
    let again = PutRequest {
        prev_kv: true,
        ..put("a", "2")
    };
    let again = member.client.put(again).await.unwrap();
    let prev = again.prev_kv.unwrap();
    assert_eq!(
        (prev.value, prev.version, prev.mod_revision),
        (Bytes::from("1"), 1, 2)
    );
    member.put("b", "3").await;

    let found = member.range(get("a")).await;
    assert_eq!(found.header.unwrap().revision, 4);
    let kv = &found.kvs[0];
    assert_eq!(
        (
            &kv.value[..],
            kv.create_revision,
            kv.mod_revision,
            kv.version
        ),
        (&b"2"[..], 2, 3, 2)
    );
    assert_eq!((found.count, found.more), (1, false));
    let paged = member
        .range(RangeRequest {
            limit: 1,
            ..prefix("a", "c")
        })
        .await;
    assert_eq!(
        (keys(&paged), paged.count, paged.more),
        (vec!["a"], 2, true)
    );
    let local = RangeRequest {
        serializable: true,
        keys_only: true,
        ..prefix("\0", "\0")
    };
    let local = member.range(local).await;
    assert_eq!(keys(&local), ["a", "b"]);
    assert!(local.kvs[0].value.is_empty());
    let old = member
        .range(RangeRequest {
            revision: 2,
            ..get("a")
        })
        .await;
    assert_eq!(old.kvs[0].value, "1");

    let delete = DeleteRangeRequest {
        key: "a".into(),
        range_end: "z".into(),
        prev_kv: true,
    };
    let deleted = member.client.delete_range(delete.clone()).await.unwrap();
    assert_eq!((deleted.deleted, deleted.prev_kvs.len()), (2, 2));
    assert_eq!(deleted.header.unwrap().revision, 5);
    let nothing = member.client.delete_range(delete).await.unwrap();
    assert_eq!((nothing.deleted, nothing.header.unwrap().revision), (0, 5));
}

/// Answers that are too long for the connection's thread are the same answers.
#[tokio::test]
async fn long_ranges() {
    let member = Member::start().await;
    for batch in 0..24 {
        let puts = (0..100).map(|number| RequestOp {
            request: Some(Request::RequestPut(put(
                &format!("k{:04}", batch * 100 + number),
                "v",
            ))),
        });
        let txn = TxnRequest {
            success: puts.collect(),
            ..TxnRequest::default()
        };
        member.client.txn(txn).await.unwrap();
    }
    let all = member.range(prefix("k", "l")).await;
    assert_eq!((all.kvs.len(), all.count, all.more), (2400, 2400, false));
    assert!(all.kvs.is_sorted_by_key(|kv| kv.key.clone()));
    let header = all.header.unwrap();
    assert_eq!(header.revision, 25);

    for (limit, revision) in [(0, 0), (0, 20), (2000, 0), (5, 0), (-1, 0), (2400, 0)] {
        let request = RangeRequest {
            limit,
            revision,
            ..prefix("k", "l")
        };
        let whole = member.range(request.clone()).await;
        let mut stream = member.client.range_stream(request).await.unwrap();
        let (mut kvs, mut last) = (Vec::new(), None);
        let mut messages = 0;
        while let Some(part) = stream.next().await.unwrap() {
            let mut part = part.range_response.unwrap();
            kvs.append(&mut part.kvs);
            assert!(last.is_none(), "a part after the last");
            last = part.header.is_some().then_some(part);
            messages += 1;
        }
        let last = last.unwrap();
        let merged = RangeResponse { kvs, ..last };
        assert_eq!(merged, whole, "limit {limit} at {revision}");
        if limit == 0 {
            assert!(messages > 4, "{messages} messages");
        }
    }
    let none = member
        .client
        .range_stream(get("x"))
        .await
        .unwrap()
        .next()
        .await
        .unwrap();
    let none = none.unwrap().range_response.unwrap();
    assert_eq!(
        RangeResponse {
            header: none.header,
            ..RangeResponse::default()
        },
        none
    );
}

/// A transaction's parts have the headers that etcd gives them.
#[tokio::test]
async fn transactions() {
    let member = Member::start().await;
    member.put("a", "1").await;
    let op = |request| RequestOp {
        request: Some(request),
    };
    let compare = Compare {
        result: CompareResult::Equal.into(),
        target: CompareTarget::Value.into(),
        key: "a".into(),
        target_union: Some(TargetUnion::Value("1".into())),
        ..Compare::default()
    };
    let nested = TxnRequest {
        failure: vec![op(Request::RequestPut(put("no", "")))],
        ..TxnRequest::default()
    };
    let txn = TxnRequest {
        compare: vec![compare.clone()],
        success: vec![
            op(Request::RequestRange(get("a"))),
            op(Request::RequestPut(put("b", "2"))),
            op(Request::RequestRange(get("b"))),
            op(Request::RequestTxn(nested)),
        ],
        failure: vec![],
    };
    let answer = member.client.txn(txn).await.unwrap();
    assert!(answer.succeeded);
    assert_eq!(answer.header.unwrap().revision, 3);
    let mut parts = answer.responses.into_iter().map(|op| op.response.unwrap());
    let revision = |revision| {
        Some(ResponseHeader {
            revision,
            ..ResponseHeader::default()
        })
    };
    let Some(Response::ResponseRange(before)) = parts.next() else {
        panic!("no range")
    };
    assert_eq!((before.header, before.kvs.len()), (revision(2), 1));
    let Some(Response::ResponsePut(put)) = parts.next() else {
        panic!("no put")
    };
    assert_eq!(put.header, revision(3));
    let Some(Response::ResponseRange(after)) = parts.next() else {
        panic!("no range")
    };
    assert_eq!(
        (after.header, &after.kvs[0].value[..]),
        (revision(3), &b"2"[..])
    );
    let Some(Response::ResponseTxn(inner)) = parts.next() else {
        panic!("no transaction")
    };
    assert_eq!(
        (inner.header, inner.succeeded),
        (Some(ResponseHeader::default()), true)
    );

    // One that only reads sees one revision and makes none.
    let read = TxnRequest {
        compare: vec![Compare {
            target_union: Some(TargetUnion::Value("x".into())),
            ..compare
        }],
        success: vec![],
        failure: vec![op(Request::RequestRange(prefix("a", "z")))],
    };
    let answer = member.client.txn(read).await.unwrap();
    assert!(!answer.succeeded);
    assert_eq!(answer.header.unwrap().revision, 3);
    let Some(Response::ResponseRange(all)) = &answer.responses[0].response else {
        panic!("no range")
    };
    assert_eq!((keys(all), all.header), (vec!["a", "b"], revision(3)));
    let late = RangeRequest {
        revision: 9,
        ..get("a")
    };
    let late = TxnRequest {
        success: vec![op(Request::RequestRange(late))],
        ..TxnRequest::default()
    };
    assert!(
        member
            .client
            .txn(late)
            .await
            .unwrap_err()
            .is(Error::FutureRev)
    );
}

/// Texts that clients match.
#[tokio::test]
async fn refusals() {
    let member = Member::start().await;
    let client = &member.client;
    let check = |result: Result<(), ClientError>, error: Error| {
        let found = result.unwrap_err();
        assert!(found.is(error), "{found} instead of {error}");
    };
    check(client.put(put("", "")).await.map(drop), Error::EmptyKey);
    check(client.range(get("")).await.map(drop), Error::EmptyKey);
    let unsorted = RangeRequest {
        sort_order: 9,
        ..get("a")
    };
    check(
        client.range(unsorted).await.map(drop),
        Error::InvalidSortOption,
    );
    let late = RangeRequest {
        revision: 100,
        ..get("a")
    };
    check(client.range(late).await.map(drop), Error::FutureRev);
    let absent = PutRequest {
        ignore_value: true,
        ..put("a", "")
    };
    check(client.put(absent).await.map(drop), Error::KeyNotFound);
    let leased = PutRequest {
        lease: 77,
        ..put("a", "")
    };
    check(client.put(leased).await.map(drop), Error::LeaseNotFound);
    let large = put("a", &"x".repeat(proto::limits::MAX_REQUEST_BYTES));
    check(client.put(large).await.map(drop), Error::RequestTooLarge);
    let ops = vec![
        RequestOp {
            request: Some(Request::RequestRange(get("a")))
        };
        129
    ];
    let many = TxnRequest {
        success: ops,
        ..TxnRequest::default()
    };
    check(client.txn(many).await.map(drop), Error::TooManyOps);

    let huge = put("a", &"x".repeat(3 << 20));
    match client.put(huge).await.unwrap_err() {
        ClientError::Status { code, message } => {
            assert_eq!(code, Code::ResourceExhausted);
            let text = "grpc: received message larger than max (3145736 vs. 2097152)";
            assert_eq!(message, text);
        }
        other => panic!("{other}"),
    }
    let sorted = RangeRequest {
        sort_order: 2,
        ..get("a")
    };
    // The refusal may come with the head of the stream or after it.
    let refused = match client.range_stream(sorted).await {
        Ok(mut stream) => stream.next().await.unwrap_err(),
        Err(error) => error,
    };
    let text = "RangeStream does not support custom sort orders";
    assert!(refused.to_string().contains(text), "{refused}");
}

/// What is compacted is gone at once; what is current stays.
#[tokio::test]
async fn compaction() {
    let member = Member::start().await;
    for number in 0..10 {
        member.put("a", &number.to_string()).await;
    }
    let compact = |revision, physical| {
        member
            .client
            .compact(CompactionRequest { revision, physical })
    };
    assert_eq!(compact(8, true).await.unwrap().header.unwrap().revision, 11);
    let old = RangeRequest {
        revision: 7,
        ..get("a")
    };
    assert!(
        member
            .client
            .range(old)
            .await
            .unwrap_err()
            .is(Error::Compacted)
    );
    let at = RangeRequest {
        revision: 8,
        ..get("a")
    };
    assert_eq!(member.range(at).await.kvs[0].value, "6");
    assert!(compact(8, false).await.unwrap_err().is(Error::Compacted));
    assert!(compact(12, false).await.unwrap_err().is(Error::FutureRev));
    compact(11, false).await.unwrap();
}

/// A full member says so, keeps what it has, and takes deletions.
#[tokio::test]
async fn quota() {
    let member = Member::with(|config| config.engine.limits.quota_bytes = Some(1 << 20)).await;
    let value = "x".repeat(100_000);
    let mut refused = None;
    for number in 0..1000 {
        if let Err(error) = member.client.put(put(&format!("k{number}"), &value)).await {
            refused = Some(error);
            break;
        }
    }
    assert!(refused.unwrap().is(Error::NoSpace));
    assert!(!member.range(get("k0")).await.kvs.is_empty());
    let delete = DeleteRangeRequest {
        key: "k0".into(),
        ..DeleteRangeRequest::default()
    };
    assert_eq!(member.client.delete_range(delete).await.unwrap().deleted, 1);
    for _ in 0..500 {
        let status = member.client.status(Default::default()).await.unwrap();
        if status
            .errors
            .iter()
            .any(|line| line.ends_with("alarm:NOSPACE"))
        {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("no alarm");
}
