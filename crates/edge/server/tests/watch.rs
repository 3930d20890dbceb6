//! Watching a member over a socket: live, past, slow, quiet, and how it ends.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod support;

use std::time::Duration;

use client::{Watch, Watcher};
use proto::etcdserverpb::{CompactionRequest, ResponseHeader, WatchCreateRequest, WatchResponse};

use support::Member;

/// How long an answer may take that must come.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long is waited for an answer that must not come.
const QUIET: Duration = Duration::from_millis(100);

/// A watch of the keys that begin with `k`.
fn from(start_revision: i64) -> WatchCreateRequest {
    WatchCreateRequest {
        key: "k".into(),
        range_end: "l".into(),
        start_revision,
        ..WatchCreateRequest::default()
    }
}

async fn put(member: &Member, key: &str, value: &str) -> i64 {
    member.put(key, value).await.header.unwrap().revision
}

async fn next(watch: &mut Watch) -> WatchResponse {
    let next = tokio::time::timeout(PATIENCE, watch.next()).await;
    next.expect("an answer")
        .expect("the stream goes on")
        .unwrap()
}

/// Waits until every watch of the stream is there; the header that says so.
async fn settled(watcher: &Watcher, watch: &mut Watch) -> ResponseHeader {
    watcher.request_progress().await;
    let progress = next(watch).await;
    assert_eq!(progress.events.len(), 0);
    progress.header.unwrap()
}

/// Reads events up to a revision and checks that each revision comes once.
async fn read_to(watch: &mut Watch, mut revision: i64, last: i64) {
    while revision <= last {
        for event in next(watch).await.events {
            assert_eq!(event.kv.unwrap().mod_revision, revision);
            revision += 1;
        }
    }
}

/// The whole path: socket, machine, hub, history, and back.
#[tokio::test]
async fn live_and_past() {
    let member = Member::start().await;
    let watcher = member.client.watcher(true);
    let mut live = watcher.watch(from(0)).await;
    let header = settled(&watcher, &mut live).await;
    assert_ne!(
        (header.cluster_id, header.member_id, header.raft_term),
        (0, 0, 0)
    );
    let first = put(&member, "k1", "1").await;
    assert_eq!(first, header.revision + 1);
    put(&member, "other", "2").await;
    let last = put(&member, "k2", "3").await;
    for (key, revision) in [("k1", first), ("k2", last)] {
        let response = next(&mut live).await;
        assert_eq!(response.header.unwrap().revision, revision);
        assert_eq!(response.events[0].kv.as_ref().unwrap().key, key);
    }
    let mut past = watcher.watch(from(first)).await;
    let response = next(&mut past).await;
    assert_eq!(response.header.unwrap().revision, last);
    assert_eq!(response.events.len(), 2);
    assert_eq!(settled(&watcher, &mut past).await.revision, last);
}

/// A client that stops reading must not hold up the writers, nor lose anything when it goes on.
#[tokio::test]
async fn slow_reader() {
    let member = Member::start().await;
    let watcher = member.client.watcher(false);
    let mut slow = watcher.watch(from(0)).await;
    let start = settled(&watcher, &mut slow).await.revision + 1;
    // More than the windows of HTTP/2 and the mailbox hold together.
    let value = "x".repeat(20_000);
    let mut last = 0;
    for _ in 0..1500 {
        last = put(&member, "k", &value).await;
    }
    let other = member.client.watcher(false);
    let mut quick = other.watch(from(0)).await;
    settled(&other, &mut quick).await;
    put(&member, "k", "").await;
    assert_eq!(next(&mut quick).await.events.len(), 1);
    read_to(&mut slow, start, last + 1).await;
    put(&member, "k", "").await;
    assert_eq!(next(&mut slow).await.events.len(), 1);
}

/// Compaction ends a watch that starts before it, and says where it could start; a watch that
/// cannot be is refused in the stream.
#[tokio::test]
async fn compacted_start() {
    let member = Member::start().await;
    let mut last = 0;
    for _ in 0..10 {
        last = put(&member, "k", "").await;
    }
    let compaction = CompactionRequest {
        revision: last - 1,
        physical: false,
    };
    member.client.compact(compaction).await.unwrap();
    let watcher = member.client.watcher(false);
    let mut watch = watcher.watch(from(2)).await;
    let end = next(&mut watch).await;
    assert!(end.canceled && !end.created);
    assert_eq!(
        (end.compact_revision, end.header.unwrap().revision),
        (last - 1, 0)
    );
    assert_eq!(end.cancel_reason, "");
    let mut refused = watcher.watch(from(-1)).await;
    let answer = next(&mut refused).await;
    assert!(answer.canceled && answer.created);
    assert_eq!(answer.watch_id, -1);
    let reason = "etcdserver: mvcc: required revision has been compacted";
    assert_eq!(answer.cancel_reason, reason);
}

/// Many watches far behind on one stream all get the whole history once.
#[tokio::test]
async fn many_behind() {
    let member = Member::start().await;
    for _ in 0..1000 {
        put(&member, "k", "x").await;
    }
    let watcher = member.client.watcher(false);
    let mut watches = Vec::new();
    for _ in 0..100 {
        watches.push(watcher.watch(from(2)).await);
    }
    let last = put(&member, "k", "x").await;
    for watch in &mut watches {
        read_to(watch, 2, last).await;
    }
    let silence = tokio::time::timeout(QUIET, watches[0].next()).await;
    assert!(silence.is_err(), "nothing twice: {silence:?}");
}

/// A quiet watch that asked for it is told how far it is.
#[tokio::test]
async fn progress_notify() {
    let member = Member::with(|config| {
        config.engine.limits.watch_progress_interval = Duration::from_millis(100);
    })
    .await;
    let watcher = member.client.watcher(false);
    let request = WatchCreateRequest {
        progress_notify: true,
        ..from(0)
    };
    let mut watch = watcher.watch(request).await;
    let first = next(&mut watch).await;
    assert_eq!((first.watch_id, first.events.len()), (0, 0));
    let last = put(&member, "other", "").await;
    while next(&mut watch).await.header.unwrap().revision < last {}
}
