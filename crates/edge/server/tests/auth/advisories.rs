//! One test for each hole in authorization that was found in etcd between 2018 and 2026.

use bytes::Bytes;
use prost::Message;
use proto::etcdserverpb::compare::CompareTarget;
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{
    AlarmRequest, AlarmResponse, CompactionRequest, CompactionResponse, Compare,
    DeleteRangeRequest, LeaseGrantRequest, LeaseKeepAliveRequest, LeaseKeepAliveResponse,
    LeaseLeasesRequest, LeaseLeasesResponse, LeaseRevokeRequest, LeaseRevokeResponse,
    LeaseTimeToLiveRequest, LeaseTimeToLiveResponse, PutRequest, RangeRequest, RequestOp,
    TxnRequest, TxnResponse, WatchCreateRequest, WatchRequest, WatchResponse, watch_request,
};

use crate::world::{BAD_TOKEN, DENIED, KV, LEASE, USER_EMPTY, World, password};

fn put(key: &'static str) -> PutRequest {
    PutRequest {
        key: key.into(),
        ..PutRequest::default()
    }
}

fn op(request: Request) -> RequestOp {
    RequestOp {
        request: Some(request),
    }
}

/// The operations, some transactions deep, in the branch that is not taken.
fn nested(ops: Vec<RequestOp>, depth: usize) -> TxnRequest {
    let never = Compare {
        target: CompareTarget::Version.into(),
        result: proto::etcdserverpb::compare::CompareResult::Less.into(),
        key: "k".into(),
        ..Compare::default()
    };
    let txn = TxnRequest {
        compare: vec![never],
        success: ops,
        ..TxnRequest::default()
    };
    match depth {
        0 => txn,
        _ => nested(vec![op(Request::RequestTxn(txn))], depth - 1),
    }
}

/// CVE-2026-33343, CVE-2026-44283: what a transaction might do is looked at in every branch, at every
/// depth, with previous pairs and leases.
#[tokio::test]
async fn cve_2026_33343_nested_transactions() {
    let world = World::new().await;
    // Only writing, so that reading back is a right of its own.
    world.revoke("k", "l").await;
    world.grant(1, "k", "l").await;
    world.grant(0, "k", "").await;
    let cases = [
        (op(Request::RequestPut(put("k3"))), true),
        (op(Request::RequestPut(put("x"))), false),
        (
            op(Request::RequestPut(PutRequest {
                prev_kv: true,
                ..put("k3")
            })),
            false,
        ),
        (
            op(Request::RequestPut(PutRequest {
                lease: 8,
                ..put("k3")
            })),
            true,
        ),
        (
            op(Request::RequestPut(PutRequest {
                lease: 9,
                ..put("k3")
            })),
            false,
        ),
        (
            op(Request::RequestRange(RangeRequest {
                key: "k".into(),
                ..RangeRequest::default()
            })),
            true,
        ),
        (
            op(Request::RequestRange(RangeRequest {
                key: "k1".into(),
                ..RangeRequest::default()
            })),
            false,
        ),
        (delete("k3", "", false), true),
        (delete("k3", "", true), false),
        (delete("k3", "\0", false), false),
    ];
    for depth in 0..4 {
        for (op, allowed) in &cases {
            let txn = nested(vec![op.clone()], depth);
            let done: Result<TxnResponse, String> =
                world.raw.ask((KV, "Txn"), Some(&world.exact), &txn).await;
            let expected = if *allowed {
                Ok(())
            } else {
                Err(DENIED.to_owned())
            };
            assert_eq!(done.map(drop), expected, "{op:?} at depth {depth}");
        }
    }
}

fn delete(key: &'static str, end: &'static str, prev_kv: bool) -> RequestOp {
    op(Request::RequestDeleteRange(DeleteRangeRequest {
        key: key.into(),
        range_end: end.into(),
        prev_kv,
    }))
}

/// CVE-2026-33413: leases are their keys' users', and compaction and alarms the administrators'.
#[tokio::test]
async fn cve_2026_33413_leases_compaction_alarms() {
    let world = World::new().await;
    let exact = Some(world.exact.as_str());
    let revoked: Result<LeaseRevokeResponse, _> = world
        .raw
        .ask((LEASE, "LeaseRevoke"), exact, &LeaseRevokeRequest { id: 9 })
        .await;
    assert_eq!(revoked, Err(DENIED.to_owned()));
    let renewed: Result<LeaseKeepAliveResponse, _> = world
        .raw
        .ask(
            (LEASE, "LeaseKeepAlive"),
            exact,
            &LeaseKeepAliveRequest { id: 9 },
        )
        .await;
    assert_eq!(renewed, Err(DENIED.to_owned()));
    let listed: Result<LeaseLeasesResponse, _> = world
        .raw
        .ask((LEASE, "LeaseLeases"), exact, &LeaseLeasesRequest {})
        .await;
    assert_eq!(listed, Err(DENIED.to_owned()));
    // Who cannot end a lease must not tie a key to it either.
    let tied = world
        .put(
            &world.exact,
            &PutRequest {
                lease: 9,
                ..put("k3")
            },
        )
        .await;
    assert_eq!(tied, Err(DENIED.to_owned()));
    let compacted: Result<CompactionResponse, _> = world
        .raw
        .ask((KV, "Compact"), exact, &CompactionRequest::default())
        .await;
    assert_eq!(compacted, Err(DENIED.to_owned()));
    for action in [1, 2, 3] {
        let alarm = AlarmRequest {
            action,
            ..AlarmRequest::default()
        };
        let raised: Result<AlarmResponse, _> = world
            .raw
            .ask(("etcdserverpb.Maintenance", "Alarm"), exact, &alarm)
            .await;
        assert_eq!(raised, Err(DENIED.to_owned()), "action {action}");
    }
}

/// CVE-2026-33413, as 3.7 left it: members, alarms and the status are shown to every user, and to
/// nobody else.
#[tokio::test]
async fn cve_2026_33413_what_every_user_may_ask() {
    let world = World::new().await;
    let list = AlarmRequest::default().encode_to_vec();
    for (service, method, message) in [
        ("etcdserverpb.Cluster", "MemberList", Vec::new()),
        ("etcdserverpb.Maintenance", "Alarm", list),
        ("etcdserverpb.Maintenance", "Status", Vec::new()),
        (
            LEASE,
            "LeaseGrant",
            LeaseGrantRequest { ttl: 600, id: 0 }.encode_to_vec(),
        ),
    ] {
        let ask = async |token| {
            let message = Bytes::from(message.clone());
            let answer = world.raw.call(service, method, token, message).await;
            answer
                .map(drop)
                .map_err(|status| status.message().to_owned())
        };
        assert_eq!(ask(Some(&*world.stranger)).await, Ok(()), "{method}");
        assert_eq!(ask(None).await, Err(USER_EMPTY.to_owned()), "{method}");
        assert_eq!(
            ask(Some("nobody's")).await,
            Err(BAD_TOKEN.to_owned()),
            "{method}"
        );
    }
}

/// CVE-2023-32082: the names of keys are as secret as the keys.
#[tokio::test]
async fn cve_2023_32082_keys_of_a_lease() {
    let world = World::new().await;
    let ask = async |keys| -> Result<LeaseTimeToLiveResponse, String> {
        let request = LeaseTimeToLiveRequest { id: 9, keys };
        world
            .raw
            .ask((LEASE, "LeaseTimeToLive"), Some(&world.exact), &request)
            .await
    };
    assert_eq!(ask(true).await, Err(DENIED.to_owned()));
    let without = ask(false).await.unwrap();
    assert!(without.ttl > 0 && without.keys.is_empty());
}

/// GHSA-xg4h-6gfc-h4m8: one key with a zero byte as its end is everything from that key on.
#[tokio::test]
async fn ghsa_xg4h_6gfc_h4m8_watch_from_a_key() {
    let world = World::new().await;
    let watch = async |end: &'static str| -> String {
        let create = WatchCreateRequest {
            key: "k".into(),
            range_end: end.into(),
            ..WatchCreateRequest::default()
        };
        let union = watch_request::RequestUnion::CreateRequest(create);
        let request = WatchRequest {
            request_union: Some(union),
        };
        let answer: Result<WatchResponse, _> = world
            .raw
            .ask(
                ("etcdserverpb.Watch", "Watch"),
                Some(&world.exact),
                &request,
            )
            .await;
        answer.unwrap().cancel_reason
    };
    let denied = format!("rpc error: code = PermissionDenied desc = {DENIED}");
    assert_eq!(watch("").await, "");
    assert_eq!(watch("l").await, "");
    assert_eq!(watch("\0").await, denied);
    assert_eq!(watch("m").await, denied);
    // The empty key is the smallest.
    let create = WatchCreateRequest {
        range_end: "\0".into(),
        ..WatchCreateRequest::default()
    };
    let union = watch_request::RequestUnion::CreateRequest(create);
    let everything = WatchRequest {
        request_union: Some(union),
    };
    let answer: Result<WatchResponse, _> = world
        .raw
        .ask(
            ("etcdserverpb.Watch", "Watch"),
            Some(&world.exact),
            &everything,
        )
        .await;
    assert_eq!(answer.unwrap().cancel_reason, denied);
}

/// Permissions for ranges that hold no key are refused, whatever they would have covered.
#[tokio::test]
async fn empty_permissions() {
    let world = World::new().await;
    for (key, end) in [("", ""), ("", "z"), ("b", "a"), ("b", "b")] {
        let grant = proto::etcdserverpb::AuthRoleGrantPermissionRequest {
            name: "keys".into(),
            perm: Some(proto::authpb::Permission {
                perm_type: 2,
                key: key.into(),
                range_end: end.into(),
            }),
        };
        let granted: Result<proto::etcdserverpb::AuthRoleGrantPermissionResponse, _> = world
            .raw
            .ask(
                ("etcdserverpb.Auth", "RoleGrantPermission"),
                Some(&world.root),
                &grant,
            )
            .await;
        assert_eq!(
            granted.map(drop),
            Err("etcdserver: invalid auth management".to_owned()),
            "[{key}, {end})"
        );
    }
}

/// CVE-2021-28235, GHSA-528j-9r78-wffx: no password reaches a file, however the member got it.
#[tokio::test]
async fn cve_2021_28235_passwords_stay_out_of_files() {
    let world = World::new().await;
    let changed = proto::etcdserverpb::AuthUserChangePasswordRequest {
        name: "exact".into(),
        password: password("changed"),
        ..Default::default()
    };
    world.administer("UserChangePassword", &changed).await;
    world
        .raw
        .token("exact", &password("changed"))
        .await
        .unwrap();
    world
        .raw
        .token("exact", &password("wrong"))
        .await
        .unwrap_err();
    // A user without a password, for whom a careless client sends one.
    let certified = proto::etcdserverpb::AuthUserAddRequest {
        name: "certified".into(),
        password: password("certified"),
        hashed_password: password("certified"),
        options: Some(proto::authpb::UserAddOptions { no_password: true }),
    };
    world.administer("UserAdd", &certified).await;
    let directory = world.member.stop();
    let mut files = 0;
    let secret = b"correct horse battery";
    let mut folders = vec![directory.path().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(secret.len()).any(|window| window == secret);
            assert!(!found, "{}", path.display());
        }
    }
    assert!(files >= 2, "no files were looked at");
}

/// Messages of a decoder's nightmare: a request that does not decode is refused, not let through.
#[tokio::test]
async fn undecodable_requests() {
    let world = World::new().await;
    for method in ["Range", "Put", "DeleteRange", "Txn"] {
        let garbage = Bytes::from_static(b"\xff\xff\xff");
        let answer = world
            .raw
            .call(KV, method, Some(&world.stranger), garbage)
            .await;
        assert_eq!(
            answer.unwrap_err().code(),
            tonic::Code::Internal,
            "{method}"
        );
    }
    assert!(WatchRequest::decode(Bytes::new()).is_ok());
}
