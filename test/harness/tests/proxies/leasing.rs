//! Proxies that own keys: what each of them answers without a member, and what it gives up.

use std::time::Duration;

use anyhow::{Result, ensure};
use client::Client;
use harness::Member;
use proto::etcdserverpb::{
    Compare, DeleteRangeRequest, RangeResponse, RequestOp, TxnRequest, compare, request_op,
};
use proto::limits::MAX_TXN_OPS;

use crate::front::{Front, get};
use crate::{block_on, put, read};

const OWNERS: &str = "own/";
const FLAGS: [&str; 2] = [
    "--experimental-leasing-prefix=own/",
    "--advertise-client-url=",
];

/// A member, two proxies in front of it with the same prefix, and a client of each.
struct Scene {
    _dir: tempfile::TempDir,
    member: Client,
    one: Client,
    other: Client,
    fronts: [Front; 2],
    _member: Member,
}

impl Scene {
    async fn start(flags: &[&str]) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let member = Member::start(dir.path(), &[])?;
        let endpoints = [member.endpoint()];
        let flags: Vec<&str> = FLAGS.iter().chain(flags).copied().collect();
        let front = || Front::start(dir.path(), "grpc-proxy", &endpoints, &flags);
        let fronts = [front()?, front()?];
        let direct = Client::connect(client::Config {
            endpoints: endpoints.to_vec(),
            ..client::Config::default()
        });
        Ok(Self {
            member: direct.await?.within(Duration::from_secs(120)),
            one: fronts[0].client(None).await?,
            other: fronts[1].client(None).await?,
            fronts,
            _dir: dir,
            _member: member,
        })
    }

    /// Reads through the first proxy until the key is its own.
    async fn own(&self, key: &str) -> Result<()> {
        let owner = format!("{OWNERS}{key}");
        for _ in 0..600 {
            self.one.range(read(key, false)).await?;
            if !self.member.range(read(&owner, false)).await?.kvs.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        anyhow::bail!("{key} is never owned")
    }
}

fn value(answer: &RangeResponse) -> String {
    let value = answer.kvs.first().map(|pair| pair.value.clone());
    String::from_utf8_lossy(&value.unwrap_or_default()).into_owned()
}

async fn told(client: &Client, key: &str) -> Result<String> {
    Ok(value(&client.range(read(key, false)).await?))
}

fn delete(key: &str, end: &str) -> DeleteRangeRequest {
    DeleteRangeRequest {
        key: key.to_owned().into(),
        range_end: end.to_owned().into(),
        ..DeleteRangeRequest::default()
    }
}

/// An owner answers by itself: that shows when somebody writes past the proxies. A write through any
/// proxy is seen by all of them at once.
#[test]
fn owned_keys_are_answered_by_the_proxy() -> Result<()> {
    block_on(async {
        let scene = Scene::start(&[]).await?;
        scene.one.put(put("k", "first")).await?;
        scene.own("k").await?;
        ensure!(told(&scene.one, "k").await? == "first");
        scene.member.put(put("k", "behind")).await?;
        ensure!(told(&scene.one, "k").await? == "first");
        // Who does not own it asks a member.
        ensure!(told(&scene.other, "k").await? == "behind");
        // Its own writes keep what it owns.
        scene.one.put(put("k", "second")).await?;
        ensure!(told(&scene.one, "k").await? == "second");
        ensure!(told(&scene.other, "k").await? == "second");
        let owner = scene.member.range(read("own/k", false)).await?;
        ensure!(owner.kvs.len() == 1 && owner.kvs[0].lease != 0, "{owner:?}");
        // Another one's write takes it away first.
        scene.other.put(put("k", "third")).await?;
        ensure!(told(&scene.one, "k").await? == "third");
        let owner = scene.member.range(read("own/k", false)).await?;
        ensure!(owner.kvs.is_empty(), "{owner:?}");
        // After a rest it may be owned again.
        scene.own("k").await?;
        let gone = scene.other.delete_range(delete("k", "")).await?;
        ensure!(gone.deleted == 1, "{gone:?}");
        ensure!(scene.one.range(read("k", false)).await?.kvs.is_empty());
        // A key that is not there can be owned as well.
        scene.own("absent").await?;
        scene.other.put(put("absent", "here")).await?;
        ensure!(told(&scene.one, "absent").await? == "here");
        Ok(())
    })
}

fn operation(request: request_op::Request) -> RequestOp {
    RequestOp {
        request: Some(request),
    }
}

fn is_version(key: &str, version: i64) -> Compare {
    Compare {
        target: compare::CompareTarget::Version.into(),
        result: compare::CompareResult::Equal.into(),
        key: key.to_owned().into(),
        target_union: Some(compare::TargetUnion::Version(version)),
        ..Compare::default()
    }
}

/// Ranges and transactions take every key that they change.
#[test]
fn wide_writes_take_what_they_touch() -> Result<()> {
    block_on(async {
        let scene = Scene::start(&["--namespace=tenant/"]).await?;
        for key in ["a", "b", "c"] {
            scene.one.put(put(key, "old")).await?;
        }
        let inside = |key: &str| format!("tenant/{OWNERS}{key}");
        for key in ["a", "b"] {
            scene.one.range(read(key, false)).await?;
            let owner = scene.member.range(read(&inside(key), false)).await?;
            ensure!(owner.kvs.len() == 1, "{key}: {owner:?}");
        }
        let request = TxnRequest {
            compare: vec![is_version("a", 1)],
            success: vec![
                operation(request_op::Request::RequestPut(put("a", "new"))),
                operation(request_op::Request::RequestDeleteRange(delete("b", "c"))),
                operation(request_op::Request::RequestRange(read("c", false))),
            ],
            failure: Vec::new(),
        };
        let done = scene.other.txn(request).await?;
        ensure!(done.succeeded && done.responses.len() == 3, "{done:?}");
        ensure!(told(&scene.one, "a").await? == "new");
        ensure!(told(&scene.one, "b").await?.is_empty());
        let all = scene.other.delete_range(delete("\0", "\0")).await?;
        ensure!(all.deleted >= 2, "{all:?}");
        ensure!(told(&scene.one, "a").await?.is_empty());
        // What is refused is refused in the same words.
        let refused = scene.one.put(put("", "v")).await;
        let refused = refused.err().map(|error| error.to_string());
        ensure!(
            refused.as_deref() == Some("etcdserver: key is not provided"),
            "{refused:?}"
        );
        Ok(())
    })
}

/// As many operations as members take, on as many keys: an owner is asked, and the comparisons count.
#[test]
fn full_transactions_are_taken() -> Result<()> {
    block_on(async {
        let scene = Scene::start(&[]).await?;
        scene.one.put(put("k7", "old")).await?;
        let puts = (0..MAX_TXN_OPS).map(|at| put(&format!("k{at}"), "new"));
        let all: Vec<RequestOp> = puts
            .map(|put| operation(request_op::Request::RequestPut(put)))
            .collect();
        for (versions, is_told) in [([1, 1], "old"), ([1, 0], "new")] {
            scene.own("k7").await?;
            let request = TxnRequest {
                compare: vec![is_version("k7", versions[0]), is_version("k8", versions[1])],
                success: all.clone(),
                failure: vec![operation(request_op::Request::RequestRange(read(
                    "k7", false,
                )))],
            };
            let done = scene.other.txn(request).await?;
            let answers = if done.succeeded { MAX_TXN_OPS } else { 1 };
            ensure!(done.succeeded == (is_told == "new"), "{done:?}");
            ensure!(done.responses.len() == answers, "{done:?}");
            ensure!(told(&scene.one, "k7").await? == is_told);
        }
        // One key of its own, and reads.
        scene.own("k7").await?;
        let reads = operation(request_op::Request::RequestRange(read("k8", false)));
        let mut own = vec![reads; MAX_TXN_OPS - 1];
        own.push(operation(request_op::Request::RequestPut(put("k7", "own"))));
        for (version, is_told) in [(1, "new"), (2, "own")] {
            let request = TxnRequest {
                compare: vec![is_version("k7", version)],
                success: own.clone(),
                failure: Vec::new(),
            };
            let done = scene.one.txn(request).await?;
            ensure!(done.succeeded == (is_told == "own"), "{done:?}");
            ensure!(told(&scene.one, "k7").await? == is_told);
            let owner = scene.member.range(read("own/k7", false)).await?;
            ensure!(owner.kvs.len() == 1, "{owner:?}");
        }
        // More than members take is refused in their words.
        let request = TxnRequest {
            success: [&all[..], &own[..1]].concat(),
            ..TxnRequest::default()
        };
        let refused = scene.other.txn(request).await;
        let refused = refused.err().map(|error| error.to_string());
        ensure!(
            refused.as_deref() == Some("etcdserver: too many operations in txn request"),
            "{refused:?}"
        );
        Ok(())
    })
}

/// Writers through several proxies and readers through all of them: nobody is told a value that is
/// older than one that was told before.
#[test]
fn nothing_old_is_told() -> Result<()> {
    const ROUNDS: usize = 150;
    block_on(async {
        let scene = Scene::start(&[]).await?;
        scene.one.put(put("n", "0")).await?;
        for round in 1..=ROUNDS {
            // Most writes are the owner's, so that there is something to be stale.
            if round % 50 == 1 {
                scene.own("n").await?;
            }
            let writer = match round % 50 {
                0 => &scene.other,
                _ => &scene.one,
            };
            writer.put(put("n", &round.to_string())).await?;
            for reader in [&scene.one, &scene.other, &scene.one] {
                let found = told(reader, "n").await?;
                ensure!(found == round.to_string(), "{found} in round {round}");
            }
        }
        Ok(())
    })
}

/// Profiles are served when they are asked for.
#[test]
fn profiles_of_a_proxy() -> Result<()> {
    block_on(async {
        let scene = Scene::start(&["--enable-pprof"]).await?;
        let address = scene.fronts[0].address();
        ensure!(get(address, "/debug/pprof/")?.contains("profile?seconds="));
        ensure!(get(address, "/debug/pprof/cmdline")?.contains("--enable-pprof"));
        let dir = tempfile::tempdir()?;
        let endpoints = [scene.fronts[1].endpoint()];
        let plain = Front::start(dir.path(), "grpc-proxy", &endpoints, &[])?;
        ensure!(get(plain.address(), "/debug/pprof/").is_err());
        Ok(())
    })
}
