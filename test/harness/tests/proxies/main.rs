//! `etcd gateway` and `etcd grpc-proxy` as processes: etcd's own Go client through each, and what a
//! proxy shares between callers, and what it must not.

mod front;
mod leasing;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use certificates::{Authority, Wish};
use client::{ClientError, Watch};
use front::{Front, get, metric};
use harness::{Cluster, Member, Stop, ctl};
use proto::error::Error;
use proto::etcdserverpb::{
    LeaseGrantRequest, LeaseTimeToLiveRequest, MemberListRequest, PutRequest, RangeRequest,
    WatchCreateRequest,
};

/// Runs the Go tests of the client that begin with a prefix, through a proxy.
fn go_through(front: &str, prefixes: &[&str]) {
    for prefix in prefixes {
        let scratch = env!("CARGO_TARGET_TMPDIR");
        let variables = [("ETCD_FRONT", front.into())];
        harness::go::test_with("client", prefix, scratch, &variables).expect(prefix);
    }
}

const ALL: &[&str] = &[
    "KV",
    "Txn",
    "Watch",
    "Lease",
    "Concurrency",
    "Recipes",
    "Auth",
    "Maintenance",
    "Kube",
];

#[test]
fn go_clients_through_the_gateway() {
    go_through("gateway", ALL);
}

#[test]
fn go_clients_through_the_proxy() {
    go_through("grpc-proxy --advertise-client-url=", ALL);
}

/// Everything that is written respects owners, and what is read comes from them.
#[test]
fn go_clients_through_a_leasing_proxy() {
    let leasing = "grpc-proxy --advertise-client-url= --experimental-leasing-prefix=own/";
    go_through(leasing, &["Concurrency", "Recipes"]);
}

#[test]
fn go_clients_within_a_namespace() {
    let within = "grpc-proxy --advertise-client-url= --namespace=tenant/";
    go_through(within, &["KV", "Txn", "Watch", "Lease", "Concurrency"]);
}

/// The clients' own tasks go on while `work` waits for processes.
fn block_on(work: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?
        .block_on(work)
}

fn put(key: &str, value: &str) -> PutRequest {
    PutRequest {
        key: key.to_owned().into(),
        value: value.to_owned().into(),
        ..PutRequest::default()
    }
}

fn read(key: &str, serializable: bool) -> RangeRequest {
    RangeRequest {
        key: key.to_owned().into(),
        serializable,
        ..RangeRequest::default()
    }
}

fn watch(key: &str, start_revision: i64) -> WatchCreateRequest {
    WatchCreateRequest {
        key: key.to_owned().into(),
        start_revision,
        ..WatchCreateRequest::default()
    }
}

/// The values of the next events.
async fn values(watch: &mut Watch, count: usize) -> Result<Vec<String>> {
    let mut values = Vec::new();
    while values.len() < count {
        let limit = Duration::from_secs(60);
        let answer = tokio::time::timeout(limit, watch.next()).await?;
        let answer = answer.ok_or_else(|| anyhow::anyhow!("the watch has ended"))??;
        ensure!(!answer.canceled, "cancelled: {}", answer.cancel_reason);
        for event in answer.events {
            let pair = event.kv.unwrap_or_default();
            values.push(String::from_utf8_lossy(&pair.value).into_owned());
        }
    }
    Ok(values)
}

/// Looks again and again until it holds, while clients go on with their work.
async fn eventually(what: &str, mut holds: impl FnMut() -> Result<()>) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match holds() {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() > deadline => {
                return Err(error.context(format!("never came true: {what}")));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

const WATCHERS: &str = "etcd_debugging_mvcc_watcher_total";

/// Many watchers of a key cost the member one; a slow or late one gets everything all the same, and
/// all go on where they were when the member was away.
#[test]
fn watchers_share_a_stream() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut member = Member::start(dir.path(), &[])?;
    let proxy = Front::start(dir.path(), "grpc-proxy", &[member.endpoint()], &[])?;
    block_on(async {
        let mut watches = Vec::new();
        let mut streams = Vec::new();
        for _ in 0..20 {
            let client = proxy.client(None).await?;
            let stream = client.watcher(false);
            watches.push(stream.watch(watch("k", 0)).await);
            streams.push((client, stream));
        }
        let shared = || {
            metric(
                proxy.address(),
                "/proxy/metrics",
                "etcd_grpc_proxy_watchers_coalescing_total",
            )
        };
        eventually("all have joined", || {
            let shared = shared()?;
            ensure!(shared >= 19.0, "{shared}");
            Ok(())
        })
        .await?;
        let upstream = metric(&member.endpoint(), "/metrics", WATCHERS)?;
        ensure!(upstream == 1.0, "{upstream} watchers at the member");
        let client = &streams[0].0;
        for number in 0..3 {
            client.put(put("k", &number.to_string())).await?;
        }
        for watch in &mut watches {
            ensure!(values(watch, 3).await? == ["0", "1", "2"]);
        }
        // From the past: alone first, then with the others.
        let mut late = streams[0].1.watch(watch("k", 1)).await;
        ensure!(values(&mut late, 3).await? == ["0", "1", "2"]);
        watches.push(late);
        eventually("the late one has joined", || {
            let upstream = metric(&member.endpoint(), "/metrics", WATCHERS)?;
            ensure!(upstream == 1.0, "{upstream} watchers at the member");
            Ok(())
        })
        .await?;

        member.stop(Stop::Kill)?;
        member.restart()?;
        let direct = direct(&member).await?;
        for number in 3..6 {
            direct.put(put("k", &number.to_string())).await?;
        }
        for watch in &mut watches {
            ensure!(values(watch, 3).await? == ["3", "4", "5"]);
        }
        Ok(())
    })
}

async fn direct(member: &Member) -> Result<client::Client> {
    let client = client::Client::connect(client::Config {
        endpoints: vec![member.endpoint()],
        ..client::Config::default()
    });
    Ok(client.await?.within(Duration::from_secs(60)))
}

/// What one caller may see is not shown to another, neither from the cache nor by a shared watch.
#[test]
fn callers_keep_their_rights() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let member = Member::start(dir.path(), &["--bcrypt-cost=4"])?;
    let proxy = Front::start(dir.path(), "grpc-proxy", &[member.endpoint()], &[])?;
    let endpoints = [proxy.endpoint()];
    let run = |line: &str| ctl::run(&endpoints, &line.split(' ').collect::<Vec<_>>());
    run("put secret x")?;
    run("get --consistency=s secret")?;
    for user in ["root", "alice", "bob"] {
        run(&format!("user add {user}:password"))?;
    }
    run("role add reader")?;
    run("role grant-permission reader read secret")?;
    run("user grant-role alice reader")?;
    run("user grant-role root root")?;
    run("auth enable")?;
    block_on(async {
        let (alice, bob) = (
            proxy.client(Some("alice")).await?,
            proxy.client(Some("bob")).await?,
        );
        let nobody = proxy.client(None).await?;
        let root = proxy.client(Some("root")).await?;
        for serializable in [true, false] {
            ensure!(alice.range(read("secret", serializable)).await?.count == 1);
            let refused = bob.range(read("secret", serializable)).await;
            ensure!(refused.is_err_and(|error| error.is(Error::PermissionDenied)));
            let refused = nobody.range(read("secret", serializable)).await;
            ensure!(
                refused.is_err_and(|error| error.is(Error::UserEmpty)),
                "from the cache"
            );
        }
        let next = alice.range(read("secret", false)).await?.header;
        let next = next.unwrap_or_default().revision + 1;
        let mut seen = alice.watcher(false).watch(watch("secret", next)).await;
        let mut denied = bob.watcher(false).watch(watch("secret", 0)).await;
        let answer = tokio::time::timeout(Duration::from_secs(60), denied.next()).await?;
        let answer = answer.ok_or_else(|| anyhow::anyhow!("no answer"))??;
        ensure!(answer.canceled && answer.cancel_reason.contains("permission denied"));
        root.put(put("secret", "y")).await?;
        ensure!(values(&mut seen, 1).await? == ["y"]);
        // A watch that was opened before does not let the next one in after rights are gone.
        run_as_root(&endpoints, "user revoke-role alice reader")?;
        let mut late = alice.watcher(false).watch(watch("secret", 0)).await;
        let answer = tokio::time::timeout(Duration::from_secs(60), late.next()).await?;
        ensure!(answer.is_some_and(|answer| answer.is_ok_and(|answer| answer.canceled)));
        Ok(())
    })
}

fn run_as_root(endpoints: &[String], line: &str) -> Result<String> {
    let mut words = vec!["--user=root:password"];
    words.extend(line.split(' '));
    ctl::run(endpoints, &words)
}

/// A write through the proxy is seen by the next read through it, whatever is cached.
#[test]
fn the_cache_knows_its_own_writes() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let member = Member::start(dir.path(), &[])?;
    let proxy = Front::start(dir.path(), "grpc-proxy", &[member.endpoint()], &[])?;
    block_on(async {
        let client = proxy.client(None).await?;
        for number in 0..50 {
            let value = number.to_string();
            client.put(put("k", &value)).await?;
            for _ in 0..2 {
                let found = client.range(read("k", true)).await?;
                ensure!(found.kvs[0].value == value.as_bytes());
            }
        }
        let hits = metric(
            proxy.address(),
            "/proxy/metrics",
            "etcd_grpc_proxy_cache_hits_total",
        )?;
        ensure!(hits >= 40.0, "{hits} hits");
        Ok(())
    })
}

/// Renewals go on over the loss of the member, and end with the callers.
#[test]
fn leases_live_while_somebody_renews_them() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut member = Member::start(dir.path(), &[])?;
    let proxy = Front::start(
        dir.path(),
        "grpc-proxy",
        &[member.endpoint()],
        &["--namespace=n/"],
    )?;
    block_on(async {
        let client = proxy.client(None).await?;
        let lease = client
            .lease_grant(LeaseGrantRequest { ttl: 2, id: 0 })
            .await?
            .id;
        let request = PutRequest {
            lease,
            ..put("leased", "x")
        };
        let stored = client.put(request).await?.header.unwrap_or_default();
        let ask = LeaseTimeToLiveRequest {
            id: lease,
            keys: true,
        };
        let keys = client.lease_time_to_live(ask).await?.keys;
        ensure!(keys == ["leased"], "{keys:?}");
        let (mut one, mut two) = (client.keep_alive(lease), client.keep_alive(lease));
        ensure!(one.next().await.is_some() && two.next().await.is_some());
        member.stop(Stop::Kill)?;
        member.restart()?;
        for _ in 0..5 {
            ensure!(one.next().await.is_some() && two.next().await.is_some());
        }
        drop((one, two));
        let limit = Duration::from_secs(60);
        let mut gone = client
            .watcher(false)
            .watch(watch("leased", stored.revision + 1))
            .await;
        let answer = tokio::time::timeout(limit, gone.next()).await?;
        ensure!(answer.is_some_and(|answer| answer.is_ok_and(|it| it.events[0].r#type == 1)));
        Ok(())
    })
}

/// The list of members is that of the proxies, and the plain endpoints are there.
#[test]
fn proxies_find_each_other() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let member = Member::start(dir.path(), &[])?;
    let flags = |url: &str| {
        [
            "--resolver-prefix=/proxies".to_owned(),
            "--resolver-ttl=60".to_owned(),
            format!("--advertise-client-url={url}"),
        ]
    };
    let mut fronts = Vec::new();
    for url in ["10.0.0.1:1", "10.0.0.2:1"] {
        let flags = flags(url);
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        fronts.push(Front::start(
            dir.path(),
            "grpc-proxy",
            &[member.endpoint()],
            &flags,
        )?);
    }
    let alone = Front::start(dir.path(), "grpc-proxy", &[member.endpoint()], &[])?;
    block_on(async {
        let client = fronts[0].client(None).await?;
        let mut urls = Vec::new();
        while urls.len() < 2 {
            let list = client
                .member_list(MemberListRequest { linearizable: true })
                .await?;
            urls = list
                .members
                .into_iter()
                .flat_map(|member| member.client_ur_ls)
                .collect();
        }
        ensure!(urls == ["10.0.0.1:1", "10.0.0.2:1"], "{urls:?}");
        let list = alone.client(None).await?;
        let list = list
            .member_list(MemberListRequest { linearizable: true })
            .await?;
        ensure!(list.members.len() == 1 && list.members[0].id == 0);
        ensure!(list.members[0].client_ur_ls == ["127.0.0.1:23790"]);
        Ok(())
    })?;
    for path in ["/health", "/proxy/health"] {
        ensure!(get(alone.address(), path)? == r#"{"health":"true","reason":""}"#);
    }
    ensure!(get(alone.address(), "/metrics")?.contains("etcd_server_has_leader"));
    ensure!(get(alone.address(), "/version").is_err());
    Ok(())
}

/// Who asks for a leader hears that there is none; who does not waits for the next one.
#[test]
fn the_loss_of_the_leader_is_told() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut cluster = Cluster::start(dir.path(), 3, &[])?;
    let proxy = Front::start(dir.path(), "grpc-proxy", &cluster.endpoints(), &[])?;
    block_on(async {
        let client = proxy.client(None).await?;
        // From the beginning: nobody knows when exactly they are created.
        let mut strict = client.watcher(true).watch(watch("k", 1)).await;
        let mut patient = client.watcher(false).watch(watch("k", 1)).await;
        client.put(put("k", "0")).await?;
        ensure!(values(&mut strict, 1).await? == ["0"]);
        ensure!(values(&mut patient, 1).await? == ["0"]);
        cluster[0].stop(Stop::Kill)?;
        cluster[1].stop(Stop::Kill)?;
        let told = tokio::time::timeout(Duration::from_secs(60), strict.next()).await?;
        let told = told.ok_or_else(|| anyhow::anyhow!("no word"))?;
        ensure!(told.is_err_and(|error: ClientError| error.is(Error::NoLeader)));
        cluster[0].spawn()?;
        cluster[1].restart()?;
        cluster[0].await_ready()?;
        client.put(put("k", "1")).await?;
        ensure!(values(&mut patient, 1).await? == ["1"]);
        Ok(())
    })
}

/// TLS towards callers and towards members; a certificate that would make every caller the same user
/// is refused.
#[test]
fn tls_on_both_sides() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let issue = |name: &'static str, common_name| -> Result<(String, String, String)> {
        let wish = Wish {
            common_name,
            ..Wish::default()
        };
        let authority = Authority::new(name).map_err(|error| anyhow::anyhow!("{error}"))?;
        let issued = authority
            .issue(&wish)
            .map_err(|error| anyhow::anyhow!("{error}"))?;
        let files = issued
            .write(dir.path(), name)
            .map_err(|error| anyhow::anyhow!("{error}"))?;
        let ca = authority.write(&dir.path().join(format!("{name}-ca.pem")));
        let ca = ca.map_err(|error| anyhow::anyhow!("{error}"))?;
        let text = |path: std::path::PathBuf| path.display().to_string();
        Ok((text(files.cert), text(files.key), text(ca)))
    };
    let (cert, key, ca) = issue("inside", "")?;
    let member = Member::start(
        dir.path(),
        &[
            &format!("--cert-file={cert}"),
            &format!("--key-file={key}"),
            &format!("--trusted-ca-file={ca}"),
            "--client-cert-auth",
        ],
    )?;
    let (front_cert, front_key, front_ca) = issue("outside", "")?;
    let flags = [
        format!("--cert={cert}"),
        format!("--key={key}"),
        format!("--cacert={ca}"),
        format!("--cert-file={front_cert}"),
        format!("--key-file={front_key}"),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let proxy = Front::start(dir.path(), "grpc-proxy", &[member.endpoint()], &flags)?;
    block_on(async {
        let client = client::Client::connect(client::Config {
            endpoints: vec![format!("https://{}", proxy.address())],
            tls: tls::ClientFiles {
                trusted_ca: Some(front_ca.into()),
                ..tls::ClientFiles::default()
            },
            ..client::Config::default()
        });
        let client = client.await?.within(Duration::from_secs(60));
        client.put(put("k", "x")).await?;
        ensure!(client.range(read("k", false)).await?.count == 1);
        Ok(())
    })?;
    let (cert, key, _) = issue("named", "root")?;
    let output = std::process::Command::new(harness::program("etcd")?)
        .args(["grpc-proxy", "start", "--cert", &cert, "--key", &key])
        .output()?;
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    let refusal = format!("cert has non empty Common Name (root): {cert}");
    ensure!(
        !output.status.success() && complaint.trim() == refusal,
        "{complaint}"
    );
    Ok(())
}
