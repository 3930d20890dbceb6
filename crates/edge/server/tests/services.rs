//! The other services over real sockets: leases, members, maintenance, and what is not built.

mod support;

use std::time::Duration;

use bytes::Bytes;
use disk::{Dir as _, OpenMode, RealDir};
use proto::error::{Code, Error};
use proto::etcdserverpb::downgrade_request::DowngradeAction;
use proto::etcdserverpb::{
    AlarmRequest, AuthStatusRequest, AuthenticateRequest, DefragmentRequest, DowngradeRequest,
    HashKvRequest, HashRequest, LeaseGrantRequest, LeaseLeasesRequest, LeaseRevokeRequest,
    LeaseTimeToLiveRequest, MemberAddRequest, MemberListRequest, MemberPromoteRequest,
    MemberRemoveRequest, MemberUpdateRequest, MoveLeaderRequest, PutRequest, StatusRequest,
};
use sha2::{Digest as _, Sha256};
use support::{Member, get, put};

fn grant(id: i64, ttl: i64) -> LeaseGrantRequest {
    LeaseGrantRequest { ttl, id }
}

/// A lease from its grant to its end, with a key on it.
#[tokio::test]
async fn leases() {
    let member = Member::start().await;
    let client = &member.client;
    let granted = client.lease_grant(grant(0, 100)).await.unwrap();
    assert!(granted.id > 0);
    assert_eq!(granted.ttl, 100);
    let own = client.lease_grant(grant(-7, 1)).await.unwrap();
    assert_eq!((own.id, own.ttl), (-7, 2), "short times to live are raised");
    assert!(
        client
            .lease_grant(grant(-7, 1))
            .await
            .unwrap_err()
            .is(Error::LeaseExist)
    );
    let long = client.lease_grant(grant(0, 9_000_000_001)).await;
    assert!(long.unwrap_err().is(Error::LeaseTTLTooLarge));

    client
        .put(PutRequest {
            lease: granted.id,
            ..put("k", "v")
        })
        .await
        .unwrap();
    let ttl = |id, keys| client.lease_time_to_live(LeaseTimeToLiveRequest { id, keys });
    let left = ttl(granted.id, true).await.unwrap();
    assert!((95..=100).contains(&left.ttl), "{left:?}");
    assert_eq!((left.granted_ttl, left.keys), (100, vec![Bytes::from("k")]));
    let missing = ttl(5, true).await.unwrap();
    assert_eq!((missing.id, missing.ttl, missing.granted_ttl), (5, -1, 0));

    assert_eq!(client.keep_alive_once(granted.id).await.unwrap().ttl, 100);
    assert!(
        client
            .keep_alive_once(5)
            .await
            .unwrap_err()
            .is(Error::LeaseNotFound)
    );
    let ids: Vec<i64> = {
        let leases = client
            .lease_leases(LeaseLeasesRequest {})
            .await
            .unwrap()
            .leases;
        leases.iter().map(|lease| lease.id).collect()
    };
    assert_eq!(ids, [-7, granted.id]);

    let revoke = LeaseRevokeRequest { id: granted.id };
    let revoked = client.lease_revoke(revoke).await.unwrap();
    assert_eq!(revoked.header.unwrap().revision, 3);
    assert!(
        client
            .lease_revoke(revoke)
            .await
            .unwrap_err()
            .is(Error::LeaseNotFound)
    );
    assert!(member.range(get("k")).await.kvs.is_empty());
    // The short one expires by itself.
    for _ in 0..1000 {
        if ttl(-7, false).await.unwrap().ttl == -1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the lease did not expire");
}

/// What tools ask a member about itself.
#[tokio::test]
async fn maintenance() {
    let member = Member::start().await;
    let client = &member.client;
    member.put("a", "1").await;
    let status = client.status(StatusRequest {}).await.unwrap();
    let header = status.header.unwrap();
    assert_eq!(status.version, "3.7.1");
    assert_eq!(status.storage_version, "3.7.0");
    assert_eq!(status.leader, header.member_id);
    assert!(status.raft_applied_index > 0 && status.raft_index >= status.raft_applied_index);
    assert!(status.downgrade_info.is_some() && status.errors.is_empty());

    let members = client
        .member_list(MemberListRequest { linearizable: true })
        .await
        .unwrap();
    assert_eq!(members.header.unwrap().revision, 0);
    assert_eq!(members.members[0].id, header.member_id);
    assert_eq!(members.members[0].name, "default");

    let defragment = client.defragment(DefragmentRequest {}).await.unwrap();
    assert_eq!(defragment.header, None);
    let target_id = header.member_id;
    client
        .move_leader(MoveLeaderRequest { target_id })
        .await
        .unwrap();
    let unknown = client.move_leader(MoveLeaderRequest { target_id: 5 }).await;
    assert!(unknown.unwrap_err().is(Error::BadLeaderTransferee));

    let hash = client.hash_kv(HashKvRequest { revision: 0 }).await.unwrap();
    assert_eq!((hash.compact_revision, hash.hash_revision), (-1, 2));
    let late = client.hash_kv(HashKvRequest { revision: 3 }).await;
    assert!(late.unwrap_err().is(Error::FutureRev));
    client.hash(HashRequest {}).await.unwrap();

    let alarm = |action, alarm| {
        client.alarm(AlarmRequest {
            action,
            member_id: 5,
            alarm,
        })
    };
    assert_eq!(alarm(1, 1).await.unwrap().alarms.len(), 1);
    assert!(
        client
            .put(put("b", ""))
            .await
            .unwrap_err()
            .is(Error::NoSpace)
    );
    let status = client.status(StatusRequest {}).await.unwrap();
    assert_eq!(status.errors, ["memberID:5 alarm:NOSPACE"]);
    assert_eq!(alarm(2, 1).await.unwrap().alarms.len(), 1);
    member.put("b", "").await;
    assert_eq!(alarm(9, 1).await.unwrap_err().code(), Code::InvalidArgument);
}

/// What makes a snapshot holds files of the store: it must end when nobody is there to take it.
#[tokio::test]
async fn a_snapshot_ends_with_its_client() {
    let makers = || {
        let threads = std::fs::read_dir("/proc/self/task").unwrap();
        let names = threads
            .filter_map(|thread| std::fs::read_to_string(thread.unwrap().path().join("comm")).ok());
        names.filter(|name| name.trim() == "etcd-snapshot").count()
    };
    let member = Member::start().await;
    for number in 0..32 {
        member
            .put(&format!("k{number}"), &"x".repeat(1 << 20))
            .await;
    }
    let mut stream = member.client.snapshot().await.unwrap();
    assert!(stream.next().await.unwrap().is_some());
    assert!(makers() > 0, "all of it was made ahead of the client");
    drop(stream);
    // Until other tests' are done as well.
    while makers() > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A backup that cannot be read back is none.
#[tokio::test]
async fn snapshot() {
    let member = Member::start().await;
    for number in 0..50 {
        member
            .put(&format!("k{number:02}"), &"x".repeat(5000))
            .await;
    }
    let lease = member.client.lease_grant(grant(9, 100)).await.unwrap();
    let mut stream = member.client.snapshot().await.unwrap();
    let mut parts = Vec::new();
    while let Some(part) = stream.next().await.unwrap() {
        assert_eq!((part.header, part.version.as_str()), (None, "3.7.0"));
        assert!(part.blob.len() <= 32 * 1024);
        parts.push(part);
    }
    let digest = parts.pop().unwrap();
    assert_eq!((digest.remaining_bytes, digest.blob.len()), (0, 32));
    let total: usize = parts.iter().map(|part| part.blob.len()).sum();
    let mut sent = 0;
    for part in &parts {
        sent += part.blob.len();
        assert_eq!(part.remaining_bytes, (total - sent) as u64);
    }
    let image: Vec<u8> = parts.iter().flat_map(|part| part.blob.clone()).collect();
    assert_eq!(digest.blob, Sha256::digest(&image)[..]);

    let directory = RealDir::new(member.directory.path());
    let file = directory.open("backup.db", OpenMode::CreateNew).unwrap();
    file.write_all_at(&image, 0).unwrap();
    let backup = boltfile::Reader::open(file).unwrap();
    let names: Vec<Bytes> = backup
        .buckets()
        .unwrap()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(
        names,
        [
            "alarm",
            "auth",
            "authRoles",
            "authUsers",
            "cluster",
            "key",
            "lease",
            "members",
            "members_removed",
            "meta"
        ]
    );
    let count = |name: &str| {
        backup
            .bucket(name.as_bytes())
            .unwrap()
            .unwrap()
            .items()
            .count()
    };
    assert_eq!((count("key"), count("lease"), count("members")), (50, 1, 1));
    let leases = backup.bucket(b"lease").unwrap().unwrap();
    assert!(leases.get(&lease.id.to_be_bytes()).unwrap().is_some());
    let meta = backup.bucket(b"meta").unwrap().unwrap();
    assert_eq!(meta.get(b"storageVersion").unwrap().unwrap(), "3.7.0");
    assert_eq!(meta.get(b"consistent_index").unwrap().unwrap().len(), 8);
    let left: Vec<String> = directory.list("member/tmp").unwrap();
    assert!(left.is_empty(), "{left:?}");
}

/// What is not built says so by name, and what needs no users answers without them.
#[tokio::test]
async fn unbuilt() {
    let member = Member::start().await;
    let client = &member.client;
    let downgrade = DowngradeRequest {
        action: 9,
        version: String::new(),
    };
    assert!(
        client
            .downgrade(downgrade)
            .await
            .unwrap_err()
            .is(Error::UnknownMethod)
    );
    let status = client.auth_status(AuthStatusRequest {}).await.unwrap();
    assert_eq!((status.enabled, status.auth_revision), (false, 1));
    let _ = AuthenticateRequest::default();
}

fn add(url: &str, is_learner: bool) -> MemberAddRequest {
    MemberAddRequest {
        peer_ur_ls: vec![url.to_owned()],
        is_learner,
    }
}

/// What a member decides about the membership while it is alone.
#[tokio::test]
async fn members() {
    let member = Member::start().await;
    let client = &member.client;
    for bad in ["", "127.0.0.1:1", "http://127.0.0.1"] {
        let error = client.member_add(add(bad, false)).await.unwrap_err();
        assert!(error.is(Error::MemberBadURLs), "{error}");
    }
    let own = client.member_list(MemberListRequest::default()).await;
    let own = own.unwrap().members[0].clone();
    let taken = client.member_add(add(&own.peer_ur_ls[0], true)).await;
    assert!(taken.unwrap_err().is(Error::PeerURLExist));
    let remove = |id| client.member_remove(MemberRemoveRequest { id });
    assert!(
        remove(own.id)
            .await
            .unwrap_err()
            .is(Error::MemberNotEnoughStarted)
    );
    assert!(remove(5).await.unwrap_err().is(Error::MemberNotFound));
    let promote = |id| client.member_promote(MemberPromoteRequest { id });
    assert!(
        promote(own.id)
            .await
            .unwrap_err()
            .is(Error::MemberNotLearner)
    );
    assert!(promote(5).await.unwrap_err().is(Error::MemberNotFound));

    let added = client
        .member_add(add("http://127.0.0.1:1", true))
        .await
        .unwrap();
    let learner = added.member.unwrap();
    assert_eq!((learner.name.as_str(), learner.is_learner), ("", true));
    assert_eq!(
        (added.members.len(), added.header.unwrap().revision),
        (2, 0)
    );
    let second = client.member_add(add("http://127.0.0.1:2", true)).await;
    assert!(second.unwrap_err().is(Error::TooManyLearners));
    assert!(
        promote(learner.id)
            .await
            .unwrap_err()
            .is(Error::LearnerNotReady)
    );

    let update = |id, urls: &[&str]| {
        let peer_ur_ls = urls.iter().map(ToString::to_string).collect();
        client.member_update(MemberUpdateRequest { id, peer_ur_ls })
    };
    assert!(
        update(learner.id, &[])
            .await
            .unwrap_err()
            .is(Error::MemberBadURLs)
    );
    assert!(
        update(5, &["http://h:1"])
            .await
            .unwrap_err()
            .is(Error::MemberNotFound)
    );
    let updated = update(learner.id, &["http://h:2", "http://h:1"])
        .await
        .unwrap();
    let urls = |id, members: &[proto::etcdserverpb::Member]| {
        let member = members.iter().find(|member| member.id == id).cloned();
        member.unwrap().peer_ur_ls
    };
    assert_eq!(
        urls(learner.id, &updated.members),
        ["http://h:1", "http://h:2"]
    );

    assert_eq!(remove(learner.id).await.unwrap().members, [own]);
    assert!(
        remove(learner.id)
            .await
            .unwrap_err()
            .is(Error::MemberNotFound)
    );
    member.put("k", "still alone").await;
}

/// A downgrade that cannot be ended, or that anything can begin, is a trap.
#[tokio::test]
async fn downgrades() {
    let member = Member::start().await;
    let downgrade = |action: DowngradeAction, version: &str| {
        let version = version.to_owned();
        let action = action.into();
        member
            .client
            .downgrade(DowngradeRequest { action, version })
    };
    use DowngradeAction::{Cancel, Enable, Validate};
    assert_eq!(downgrade(Validate, "3.6").await.unwrap().version, "3.7");
    let refused = downgrade(Validate, "3.5.0").await.unwrap_err();
    assert!(
        refused.is(Error::InvalidDowngradeTargetVersion),
        "{refused}"
    );
    let refused = downgrade(Enable, "six").await.unwrap_err();
    assert!(refused.is(Error::WrongDowngradeVersionFormat), "{refused}");
    downgrade(Enable, "3.6.0").await.unwrap();
    let info = async || {
        let status = member.client.status(StatusRequest {}).await.unwrap();
        let info = status.downgrade_info.unwrap();
        (info.enabled, info.target_version)
    };
    assert_eq!(info().await, (true, "3.6.0".to_owned()));
    let refused = downgrade(Enable, "3.6.0").await.unwrap_err();
    assert!(refused.is(Error::DowngradeInProcess), "{refused}");
    for _ in 0..2 {
        downgrade(Cancel, "").await.unwrap();
        assert_eq!(info().await, (false, String::new()));
    }
}
