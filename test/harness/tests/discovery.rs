//! Members that find each other: on a list that another cluster keeps, and by the domain name
//! system, served by dnsmasq.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Result, ensure};
use certificates::{Authority, Wish};
use harness::{Cluster, Member, ctl, free_port, program, tool};

/// The variable that names the name server.
const NAMESERVER: &str = "MAGNETITE_NAMESERVER";
const DOMAIN: &str = "cluster.test";

/// A member that is not started, with these flags and without a cluster that is written down.
fn prepare(dir: &Path, name: &str, flags: &[String]) -> Member {
    let dir = dir.join(name);
    std::fs::create_dir_all(&dir).unwrap();
    let mut member = Member::prepare(&dir.join("data"), &dir).unwrap();
    let own = [format!("--name={name}"), "--initial-cluster=".to_owned()];
    member.set_flags(own.into_iter().chain(flags.iter().cloned()));
    member
}

/// How a member that cannot start says so.
fn refusal(member: &mut Member) -> String {
    member.spawn().unwrap();
    member.await_ready().unwrap_err().to_string()
}

/// Starts members together; what one of them is told, another one tells.
fn found(members: &mut [Member]) -> Result<()> {
    for member in &mut *members {
        member.spawn()?;
    }
    for member in &mut *members {
        member.await_ready()?;
    }
    let (first, last) = (&members[0], &members[members.len() - 1]);
    ctl::run(&[first.endpoint()], &["put", "k", "v"])?;
    let told = ctl::run(&[last.endpoint()], &["get", "k"])?;
    ensure!(told == "k\nv\n", "{told}");
    let list = ctl::run(&[last.endpoint()], &["member", "list"])?;
    ensure!(list.lines().count() == members.len(), "{list}");
    Ok(())
}

/// The flags for a list of the service.
fn listed(service: &str, token: &str) -> Vec<String> {
    vec![
        format!("--discovery-token={token}"),
        format!("--discovery-endpoints={service}"),
    ]
}

/// Three members that only know of the service become a cluster; who comes late, or has a token that
/// nobody knows, is told.
#[test]
fn members_meet_on_a_list() {
    let dir = tempfile::tempdir().unwrap();
    let service = Member::start(dir.path(), &[]).unwrap();
    let at = [service.endpoint()];
    let size = "/_etcd/registry/new/_config/size";
    ctl::run(&at, &["put", size, "3"]).unwrap();
    let flags = listed(&service.endpoint(), "new");
    let mut members: Vec<Member> = (0..3)
        .map(|number| prepare(dir.path(), &format!("m{number}"), &flags))
        .collect();
    found(&mut members).unwrap();

    let prefix = "/_etcd/registry/new/members/";
    let list = ctl::run(&at, &["get", "--prefix", prefix]).unwrap();
    for member in &members {
        let entry = format!("={}\n", member.peer_endpoint());
        assert!(list.contains(&entry), "{list}");
    }
    let late = refusal(&mut prepare(dir.path(), "late", &flags));
    assert!(late.contains("discovery: cluster is full"), "{late}");
    assert!(late.contains("do not reuse discovery token"), "{late}");
    let flags = listed(&service.endpoint(), "unknown");
    let lost = refusal(&mut prepare(dir.path(), "lost", &flags));
    assert!(lost.contains("discovery: size key not found"), "{lost}");
    ctl::run(&at, &["put", "/_etcd/registry/odd/_config/size", "many"]).unwrap();
    let flags = listed(&service.endpoint(), "odd");
    let odd = refusal(&mut prepare(dir.path(), "odd", &flags));
    assert!(odd.contains("discovery: size key is bad"), "{odd}");

    // A member that is there needs the list no more.
    drop(service);
    members[1].stop(harness::Stop::Terminate).unwrap();
    members[1].restart().unwrap();
    assert!(
        members[1]
            .has_logged("discovery token is ignored since cluster already initialized")
            .unwrap()
    );
}

/// A service that cannot be reached yet is waited for, and the log says so.
#[test]
fn a_service_that_is_late_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut service = prepare(dir.path(), "service", &[]);
    let endpoint = service.endpoint();
    service.set_flags(std::iter::empty());
    let mut member = prepare(dir.path(), "m", &listed(&endpoint, "t"));
    member.spawn().unwrap();
    ctl::eventually("the complaint", || {
        let has_complained = member.has_logged("retry connecting to discovery service")?;
        ensure!(has_complained, "{}", member.log_end());
        Ok(())
    })
    .unwrap();
    service.restart().unwrap();
    let size = "/_etcd/registry/t/_config/size";
    // The member may ask before the size is there; then it ends, and is started again.
    ctl::run(&[endpoint], &["put", size, "1"]).unwrap();
    if member.await_ready().is_err() {
        member.restart().unwrap();
    }
    ctl::run(&[member.endpoint()], &["put", "k", "v"]).unwrap();
}

/// A service with TLS and users tells its list only to those who may read it.
#[test]
fn a_service_may_ask_who_comes() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new("service").unwrap();
    let ca = authority.write(&dir.path().join("ca.pem")).unwrap();
    let issued = authority.issue(&Wish::default()).unwrap();
    let files = issued.write(dir.path(), "server").unwrap();
    let service = Member::start(
        dir.path(),
        &[
            &format!("--cert-file={}", files.cert.display()),
            &format!("--key-file={}", files.key.display()),
            "--bcrypt-cost=4",
        ],
    )
    .unwrap();
    let ca = ca.display();
    let at = [service.endpoint()];
    let run = |line: &[&str]| {
        let mut words = vec![format!("--cacert={ca}")];
        words.extend(line.iter().map(ToString::to_string));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        ctl::run(&at, &words).unwrap()
    };
    run(&["put", "/_etcd/registry/t/_config/size", "1"]);
    run(&["user", "add", "root:secret"]);
    run(&["user", "grant-role", "root", "root"]);
    run(&["auth", "enable"]);
    let flags = |password: &str| {
        let mut flags = listed(&service.endpoint(), "t");
        flags.push(format!("--discovery-cacert={ca}"));
        flags.push("--discovery-insecure-transport=false".to_owned());
        flags.push("--discovery-dial-timeout=30s".to_owned());
        flags.push("--discovery-user=root".to_owned());
        flags.push(format!("--discovery-password={password}"));
        flags
    };
    let refused = refusal(&mut prepare(dir.path(), "stranger", &flags("wrong")));
    assert!(refused.contains("authentication failed"), "{refused}");
    assert!(!refused.contains("wrong"), "{refused}");
    found(&mut [prepare(dir.path(), "m", &flags("secret"))]).unwrap();
}

/// A name server of this test's own; killed when dropped.
struct NameServer {
    child: Child,
    address: String,
}

impl NameServer {
    /// Serves records `service → port`, all of them at `localhost`.
    fn start(records: &[(String, u16)]) -> Result<Self> {
        if !tool::is_there("dnsmasq") {
            tool::install("dnsmasq-base")?;
        }
        let port = free_port()?;
        let mut command = Command::new("dnsmasq");
        command
            .args([
                "--keep-in-foreground",
                "--no-resolv",
                "--no-hosts",
                "--conf-file=",
            ])
            .args(["--user=root", "--bind-interfaces", "--pid-file="])
            .args(["--listen-address=127.0.0.1", &format!("--port={port}")])
            .arg(format!("--local=/{DOMAIN}/"));
        for (service, port) in records {
            command.arg(format!(
                "--srv-host=_{service}._tcp.{DOMAIN},localhost,{port}"
            ));
        }
        let child = command.stderr(Stdio::null()).spawn()?;
        let server = Self {
            child,
            address: format!("127.0.0.1:{port}"),
        };
        server.await_ready()?;
        Ok(server)
    }

    /// Answers are given over streams, too: when one can be opened, the server is there.
    fn await_ready(&self) -> Result<()> {
        ctl::eventually("the name server", || {
            std::net::TcpStream::connect(&self.address)?;
            Ok(())
        })
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn etcdctl(server: &NameServer, line: &[&str]) -> Output {
    let mut command = Command::new(program("etcdctl").unwrap());
    command
        .arg(format!("--discovery-srv={DOMAIN}"))
        .args(line)
        .env_clear()
        .env(NAMESERVER, &server.address);
    command.output().unwrap()
}

/// A proxy that only knows the domain; killed when dropped.
struct Front(Child, String);

impl Front {
    fn start(server: &NameServer, command: &str, flags: &[&str]) -> Self {
        let address = format!("127.0.0.1:{}", free_port().unwrap());
        let child = Command::new(program("etcd").unwrap())
            .args([command, "start", "--listen-addr", &address])
            .arg(format!("--discovery-srv={DOMAIN}"))
            .args(["--discovery-srv-name=blue", "--insecure-discovery"])
            .args(flags)
            .env_clear()
            .env(NAMESERVER, &server.address)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.unwrap(), format!("http://{address}"))
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Proxies find the members; without records, or without any that they trust, they do not start.
#[test]
fn proxies_find_records() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(dir.path(), 3, &[]).unwrap();
    let records: Vec<(String, u16)> = cluster
        .endpoints()
        .iter()
        .map(|endpoint| endpoint.rsplit(':').next().unwrap().parse().unwrap())
        .map(|port| ("etcd-client-blue".to_owned(), port))
        .collect();
    let server = NameServer::start(&records).unwrap();
    for (command, flags) in [
        ("gateway", &["--retry-delay=1s"][..]),
        ("grpc-proxy", &["--advertise-client-url="][..]),
    ] {
        let front = Front::start(&server, command, flags);
        let at = [front.1.clone()];
        ctl::eventually("an answer", || ctl::run(&at, &["put", "k", command])).unwrap();
        let told = ctl::run(&at, &["get", "k", "--print-value-only"]).unwrap();
        assert_eq!(told.trim(), command);
        let health = ctl::run(&at, &["endpoint", "health"]).unwrap();
        assert!(health.contains("is healthy"), "{health}");
        let list = ctl::run(&at, &["member", "list"]).unwrap();
        assert_eq!(list.lines().count(), 3, "{list}");
    }
    // Whoever can answer for a name could be anybody, but for TLS.
    for (command, flags) in [
        ("gateway", "--discovery-srv-name=blue"),
        ("grpc-proxy", "--discovery-srv-name=blue"),
        ("gateway", "--discovery-srv-name=green"),
        ("grpc-proxy", "--discovery-srv-name=green"),
    ] {
        let ended = Command::new(program("etcd").unwrap())
            .args([command, "start", "--listen-addr=127.0.0.1:0", flags])
            .arg(format!("--discovery-srv={DOMAIN}"))
            .env_clear()
            .env(NAMESERVER, &server.address)
            .output()
            .unwrap();
        assert_eq!(ended.status.code(), Some(1), "{command} {flags}: {ended:?}");
    }
}

/// Members and clients that only know a domain find the cluster.
#[test]
fn members_and_clients_find_records() {
    let dir = tempfile::tempdir().unwrap();
    let flags = [
        format!("--discovery-srv={DOMAIN}"),
        "--discovery-srv-name=blue".to_owned(),
    ];
    let mut members: Vec<Member> = (0..3)
        .map(|number| prepare(dir.path(), &format!("m{number}"), &flags))
        .collect();
    let peers = members.iter().map(Member::peer_port);
    let clients = members.iter().map(Member::port);
    let mut records: Vec<(String, u16)> = peers
        .map(|port| ("etcd-server-blue".to_owned(), port))
        .collect();
    records.extend(clients.map(|port| ("etcd-client-blue".to_owned(), port)));
    let server = NameServer::start(&records).unwrap();
    for member in &mut members {
        member.set_variable(NAMESERVER, &server.address);
    }
    found(&mut members).unwrap();

    let blue = "--discovery-srv-name=blue";
    let told = etcdctl(&server, &[blue, "get", "k"]);
    assert_eq!(told.stdout, b"k\nv\n", "{told:?}");
    let health = etcdctl(&server, &[blue, "endpoint", "health"]);
    let text = String::from_utf8_lossy(&health.stdout).into_owned();
    assert_eq!(text.matches("is healthy").count(), 3, "{health:?}");
    // Who insists on TLS gets none of them.
    let insists = [
        blue,
        "--insecure-discovery=false",
        "--command-timeout=1s",
        "get",
        "k",
    ];
    let refused = etcdctl(&server, &insists);
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(
        text.matches("ignoring discovered insecure endpoint")
            .count(),
        3
    );
    assert!(!refused.status.success());
    // Another name has no records.
    let absent = etcdctl(&server, &["get", "k"]);
    let text = String::from_utf8_lossy(&absent.stderr).into_owned();
    assert!(
        text.contains("dns lookup errors: lookup _etcd-client-ssl._tcp.cluster.test on"),
        "{text}"
    );
    assert!(text.contains("no such host"), "{text}");
    assert_eq!(absent.status.code(), Some(1));

    let mut stranger = prepare(dir.path(), "stranger", &flags);
    stranger.set_variable(NAMESERVER, &server.address);
    let refused = refusal(&mut stranger);
    let expected = "cannot find local etcd member \\\"stranger\\\" in SRV records";
    assert!(refused.contains(expected), "{refused}");
    let mut lost = prepare(dir.path(), "lost", &[format!("--discovery-srv={DOMAIN}")]);
    lost.set_variable(NAMESERVER, &server.address);
    let refused = refusal(&mut lost);
    let expected = "error querying DNS SRV records for _etcd-server-ssl";
    assert!(refused.contains(expected), "{refused}");
}
