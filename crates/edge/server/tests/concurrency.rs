//! The Lock and Election services over real sockets.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod support;

use std::time::Duration;

use bytes::Bytes;
use client::{Client, ClientError};
use proto::error::Code;
use proto::etcdserverpb::{LeaseGrantRequest, LeaseRevokeRequest};
use proto::v3electionpb::{
    CampaignRequest, LeaderKey, LeaderRequest, ProclaimRequest, ResignRequest,
};
use proto::v3lockpb::{LockRequest, LockResponse, UnlockRequest};
use support::{Member, get, prefix};
use tokio::task::JoinHandle;

/// How often a test looks whether a key has come or gone.
const PAUSE: Duration = Duration::from_millis(5);

async fn lease(member: &Member, id: i64) -> i64 {
    let request = LeaseGrantRequest { ttl: 600, id };
    member.client.lease_grant(request).await.unwrap().id
}

fn lock(client: &Client, name: &str, lease: i64) -> JoinHandle<Result<LockResponse, ClientError>> {
    let (client, name) = (client.clone(), name.to_owned().into());
    tokio::spawn(async move { client.lock(LockRequest { name, lease }).await })
}

async fn unlock(member: &Member, key: &Bytes) {
    let key = key.clone();
    member.client.unlock(UnlockRequest { key }).await.unwrap();
}

/// Waits until so many keys are in the queue.
async fn queue_of(member: &Member, name: &str, len: usize) {
    let (from, to) = (format!("{name}/"), format!("{name}0"));
    while member.range(prefix(&from, &to)).await.kvs.len() != len {
        tokio::time::sleep(PAUSE).await;
    }
}

fn assert_unknown<T: std::fmt::Debug>(result: Result<T, ClientError>, text: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.to_string().rsplit(" desc = ").next(), Some(text));
    if let ClientError::Status { code, .. } = error {
        assert_eq!(code, Code::Unknown);
    }
}

/// A lock goes to those who wait in the order of their keys, and its key is that of Go's package.
#[tokio::test]
async fn locks_are_fair() {
    let member = Member::start().await;
    let mut waiting = Vec::new();
    for number in 1..=4_i64 {
        let lease = lease(&member, 0xa0 + number).await;
        waiting.push(lock(&member.client, "l", lease));
        queue_of(&member, "l", waiting.len()).await;
    }
    for (number, holder) in (1..).zip(waiting) {
        let held = holder.await.unwrap().unwrap();
        assert_eq!(held.key, format!("l/a{number}"));
        assert!(held.header.unwrap().revision > 1);
        // The same lease gets it again at once.
        let again = lock(&member.client, "l", 0xa0 + number).await.unwrap();
        assert_eq!(again.unwrap().key, held.key);
        unlock(&member, &held.key).await;
    }
    unlock(&member, &Bytes::from("l/none")).await;
}

/// Whoever goes away while waiting does not hold up those behind.
#[tokio::test]
async fn who_goes_away_leaves_the_queue() {
    let member = Member::start().await;
    let (first, second, third) = (
        lease(&member, 1).await,
        lease(&member, 2).await,
        lease(&member, 3).await,
    );
    let held = lock(&member.client, "l", first).await.unwrap().unwrap();
    let gone = lock(&member.client, "l", second);
    queue_of(&member, "l", 2).await;
    let last = lock(&member.client, "l", third);
    queue_of(&member, "l", 3).await;
    gone.abort();
    queue_of(&member, "l", 2).await;
    unlock(&member, &held.key).await;
    assert_eq!(last.await.unwrap().unwrap().key, "l/3");

    let hurried = member.client.within(Duration::from_millis(300));
    let late = lock(&hurried, "l", first).await.unwrap();
    assert_eq!(late.unwrap_err().code(), Code::DeadlineExceeded);
    queue_of(&member, "l", 1).await;
}

#[tokio::test]
async fn refused_locks() {
    let member = Member::start().await;
    let unknown = lock(&member.client, "l", 77).await.unwrap();
    assert_unknown(unknown, "etcdserver: requested lease not found");
    let empty = UnlockRequest { key: Bytes::new() };
    let empty = member.client.unlock(empty).await;
    assert_unknown(empty, "etcdserver: key is not provided");

    // A lease of the server's own.
    let held = lock(&member.client, "l", 0).await.unwrap().unwrap();
    assert!(
        member
            .range(get(std::str::from_utf8(&held.key).unwrap()))
            .await
            .kvs[0]
            .lease
            > 0
    );

    let short = lease(&member, 9).await;
    let expired = lock(&member.client, "l", short);
    queue_of(&member, "l", 2).await;
    let revoke = LeaseRevokeRequest { id: short };
    member.client.lease_revoke(revoke).await.unwrap();
    unlock(&member, &held.key).await;
    assert_unknown(expired.await.unwrap(), "mutex: session is expired");
}

fn campaign(
    client: &Client,
    lease: i64,
    value: &str,
) -> JoinHandle<Result<LeaderKey, ClientError>> {
    let (client, value) = (client.clone(), value.to_owned().into());
    let name = Bytes::from("e");
    tokio::spawn(async move {
        let request = CampaignRequest { name, lease, value };
        let won = client.campaign(request).await?;
        Ok(won.leader.unwrap())
    })
}

async fn proclaim(
    member: &Member,
    leader: Option<LeaderKey>,
    value: &str,
) -> Result<(), ClientError> {
    let value = value.to_owned().into();
    let request = ProclaimRequest { leader, value };
    member.client.proclaim(request).await.map(drop)
}

/// Leaders follow each other, and an observer hears of each and of each value.
#[tokio::test]
async fn elections() {
    let member = Member::start().await;
    let client = &member.client;
    let name = LeaderRequest { name: "e".into() };
    assert_unknown(client.leader(name.clone()).await, "election: no leader");
    let mut observer = client.observe(name.clone()).await.unwrap();
    let one = lease(&member, 1).await;
    let first = campaign(client, one, "one").await.unwrap().unwrap();
    assert_eq!(
        (&first.name[..], &first.key[..], first.lease),
        (&b"e"[..], &b"e/1"[..], 1)
    );
    let mut next = async || observer.next().await.unwrap().unwrap().kv.unwrap();
    assert_eq!(next().await.value, "one");

    let two = lease(&member, 2).await;
    let second = campaign(client, two, "two");
    queue_of(&member, "e", 2).await;
    proclaim(&member, Some(first.clone()), "one again")
        .await
        .unwrap();
    assert_eq!(next().await.value, "one again");
    // Standing again with another value changes it.
    let again = campaign(client, one, "once more").await.unwrap().unwrap();
    assert_eq!(again, first);
    assert_eq!(next().await.value, "once more");
    let leader = client.leader(name.clone()).await.unwrap().kv.unwrap();
    assert_eq!(
        (&leader.value[..], leader.create_revision),
        (&b"once more"[..], first.rev)
    );

    let resign = |leader| client.resign(ResignRequest { leader });
    resign(Some(first.clone())).await.unwrap();
    let second = second.await.unwrap().unwrap();
    assert_eq!(next().await.value, "two");
    resign(Some(first.clone())).await.unwrap();
    assert_unknown(
        proclaim(&member, Some(first), "x").await,
        "election: not leader",
    );
    let missing = "\"leader\" field must be provided";
    assert_unknown(proclaim(&member, None, "x").await, missing);
    assert_unknown(resign(None).await, missing);

    let third = campaign(client, one, "three");
    queue_of(&member, "e", 2).await;
    third.abort();
    queue_of(&member, "e", 1).await;
    assert_eq!(second.key, "e/2");
}
