//! `etcd`, beside etcd's own: its flags, what it refuses, and the lines that scripts wait for.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use harness::{Member, Stop, ctl, free_port, go, program};
use serde_json::Value;

use crate::outcome::{Outcome, run};
use crate::{SCRATCH, words};

/// A whole and right configuration of one member; `CLIENT` and `PEER` are free ports.
const WHOLE: &str = "--listen-client-urls=http://127.0.0.1:CLIENT \
                     --advertise-client-urls=http://127.0.0.1:CLIENT \
                     --listen-peer-urls=http://127.0.0.1:PEER \
                     --initial-advertise-peer-urls=http://127.0.0.1:PEER \
                     --initial-cluster=default=http://127.0.0.1:PEER";

/// Mistakes. Leading words with `=` are variables of the environment; `WHOLE` is [`WHOLE`], `TAKEN` a port
/// that is in use.
const MISTAKES: &[&str] = &[
    // Words.
    "--bogus",
    "--name",
    "--snapshot-count abc",
    "--pre-vote=maybe",
    "--heartbeat-interval 5s",
    "--grpc-keepalive-interval 5",
    "--max-concurrent-streams 4294967296",
    "--listen-client-urls foo",
    "--listen-client-urls http://127.0.0.1",
    "--initial-cluster-state foo",
    "--discovery-fallback foo",
    "--feature-gates Foo=true",
    "--feature-gates InitialCorruptCheck=maybe",
    "--v2-deprecation foo",
    "--cors foo",
    "--discovery foo",
    "--proxy on",
    "--experimental-initial-corrupt-check",
    "--version --bogus",
    "extra",
    // Values that do not go together.
    "--discovery-fallback proxy",
    "--feature-gates LeaseCheckpoint=false,LeaseCheckpointPersist=true",
    "--logger foo",
    "--logger capnslog",
    "--log-format foo",
    "--log-outputs default,stdout",
    "--enable-log-rotation",
    "--listen-client-urls http://example.com:2379 --advertise-client-urls http://a:1",
    "--listen-client-urls http://127.0.0.1:CLIENT",
    "--initial-advertise-peer-urls http://:2380",
    "--listen-client-urls http://127.0.0.1:1 --listen-client-http-urls http://127.0.0.1:1 \
     --advertise-client-urls http://127.0.0.1:1 --listen-peer-urls http://127.0.0.1:PEER",
    "--election-timeout 100 --heartbeat-interval 100",
    "--election-timeout 60000",
    "--election-timeout 0",
    "--heartbeat-interval 0",
    "--auto-compaction-mode foo",
    "--compact-hash-check-time 0",
    "--distributed-tracing-sampling-rate -1 --enable-distributed-tracing",
    "WHOLE --discovery-token x",
    "--discovery-endpoints http://127.0.0.1:1",
    "WHOLE --discovery-endpoints http://127.0.0.1:1",
    // What is found wrong when the member starts.
    "WHOLE --initial-cluster n1=http://127.0.0.1:PEER",
    "WHOLE --initial-cluster default=http://127.0.0.1:1",
    "WHOLE --initial-cluster default",
    "WHOLE --initial-cluster default=foo",
    "WHOLE --initial-cluster default=http://127.0.0.1:PEER,b=http://127.0.0.1:PEER",
    "WHOLE --initial-cluster-state existing",
    "WHOLE --max-learners -1",
    "WHOLE --auto-compaction-retention xyz",
    "WHOLE --auth-token foo",
    "WHOLE --tls-min-version TLS1.0",
    "WHOLE --tls-min-version TLS1.3 --tls-max-version TLS1.2",
    "WHOLE --cipher-suites FOO",
    "WHOLE --listen-client-urls http://127.0.0.1:TAKEN",
    "WHOLE --listen-peer-urls http://127.0.0.1:TAKEN",
    // Files.
    "--config-file none.yml",
    "--config-file folder",
    "--config-file values.yml",
    "--config-file unknown.yml --name x",
    // The environment.
    "ETCD_NAME=x --name y",
    "ETCD_SNAPSHOT_COUNT=abc",
    "ETCD_PRE_VOTE=maybe",
    "ETCD_LISTEN_CLIENT_URLS=foo",
    "ETCD_INITIAL_CLUSTER_STATE=foo",
    "ETCD_FEATURE_GATES=Foo=true",
    "ETCD_CONFIG_FILE=none.yml ETCD_NAME=x",
    "ETCD_BOGUS=1 ETCD_VERSION=3 ETCD_NAME=default --election-timeout 0",
];

/// Flags for which etcd's help names what is meant when they are not set; ours names what they hold.
const MEANT: [&str; 6] = [
    "data-dir",
    "max-concurrent-streams",
    "backend-bbolt-freelist-type",
    "v2-deprecation",
    "compaction-batch-limit",
    "watch-progress-notify-interval",
];

/// Flags that etcd's help names and etcd does not know.
const GONE: [&str; 2] = ["discovery", "discovery-proxy"];

/// Every flag of etcd is one of ours, with the same default.
#[test]
fn help_names_the_same_flags() {
    let help = |program: PathBuf| {
        let mut command = Command::new(program);
        command.arg("--help");
        let outcome = run(command, "");
        assert_eq!(outcome.code, Some(0), "{outcome}");
        flags(&outcome.stdout)
    };
    let (ours, theirs) = (help(program("etcd").unwrap()), help(published()));
    assert!(theirs.len() > 100, "{theirs:?}");
    for (flag, want) in &theirs {
        if GONE.contains(&flag.as_str()) {
            continue;
        }
        let got = ours.get(flag).unwrap_or_else(|| panic!("no --{flag}"));
        let is_meant = want.is_empty() || MEANT.contains(&flag.as_str());
        assert!(is_meant || got == want, "--{flag} {got:?} {want:?}");
    }
}

/// Flags with their defaults, without quotes.
fn flags(help: &str) -> BTreeMap<String, String> {
    let flags = help.lines().filter_map(|line| line.strip_prefix("  --"));
    let pairs = flags.map(|flag| flag.split_once(' ').unwrap_or((flag, "")));
    pairs
        .map(|(name, default)| (name.to_owned(), default.trim_matches('\'').to_owned()))
        .collect()
}

/// What is refused is refused by both, with the same words and exit code.
#[test]
fn etcd_refuses_what_the_published_one_refuses() {
    let (ours, theirs) = (program("etcd").unwrap(), published());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let ports = [
        ("CLIENT", free_port().unwrap()),
        ("PEER", free_port().unwrap()),
        ("TAKEN", taken.local_addr().unwrap().port()),
    ];
    let mut differences = Vec::new();
    for line in MISTAKES {
        let mut full = line.replace("WHOLE", WHOLE);
        for (name, port) in ports {
            full = full.replace(name, &port.to_string());
        }
        let (got, want) = (refusal(&ours, &full), refusal(&theirs, &full));
        if got != want {
            differences.push(format!("etcd {line}\nours: {got:#?}\ntheirs: {want:#?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
    println!("{} mistakes of etcd are the same", MISTAKES.len());
}

/// Exit code, and what was said of the mistake: the last reason of the log, or the first plain line; and
/// what was said of the environment.
fn refusal(program: &Path, line: &str) -> (Option<i32>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("values.yml", "election-timeout: 0\n");
    write("unknown.yml", "bogus: 1\nelection-timeout: 0\n");
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    let mut command = Command::new(program);
    command.env_clear().current_dir(folder.path());
    let words = words(line);
    let is_variable = |word: &&String| word.starts_with("ETCD_");
    for variable in words.iter().take_while(is_variable) {
        let (name, value) = variable.split_once('=').unwrap();
        command.env(name, value);
    }
    command.args(words.iter().skip_while(is_variable));
    let Outcome { code, stderr, .. } = run(command, "");
    let complaint = stderr.lines().rev().find_map(complaint);
    let plain = stderr.lines().find(|line| !line.starts_with('{'));
    let environment = stderr.lines().filter_map(about_environment);
    let said = environment.chain(complaint.or(plain.map(str::to_owned)));
    (code, said.collect())
}

/// What a line of the log names as the reason.
fn complaint(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    Some(line["error"].as_str()?.to_owned())
}

/// A line of the log about variables of the environment.
fn about_environment(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    let message = line["msg"].as_str()?;
    let names = ["environment-variable", "variable-name", "variable-value"];
    let named: Vec<&Value> = names.iter().map(|name| &line[*name]).collect();
    let is_about = message.contains("environment variable");
    is_about.then(|| format!("{} {message} {named:?}", line["level"]))
}

/// Lines that scripts, dashboards and tests wait for, as they stand in a member's life; the same message,
/// level and fields come from both.
const LIFE: &[&str] = &[
    "Running: ",
    "Running http and grpc server on single port. This is not recommended for production.",
    "Initialize and start etcd server",
    "configuring peer listeners",
    "configuring client listeners",
    "starting an etcd server",
    "starting local member",
    "simple token is not cryptographically signed",
    "enabled backend quota with default value",
    "now serving peer/client/metrics",
    "serving peer traffic",
    "added member",
    "raft.node: ID elected leader ID at term N",
    "ID became leader at term N",
    "setting up initial cluster version using v3 API",
    "set initial cluster version",
    "enabled capabilities for version",
    "cluster version is updated",
    "published local member to cluster through raft",
    "ready to serve client requests",
    "serving client traffic insecurely; this is strongly discouraged!",
    "notifying init daemon",
    "successfully notified init daemon",
    "sending database snapshot to client",
    "successfully sent database snapshot to client",
    "received signal; shutting down",
    "closing etcd server",
    "skipped leadership transfer for single voting member cluster",
    "stopped serving peer traffic",
    "closed etcd server",
    "server has already been initialized",
    "restarting local member",
    "starting etcd server",
    "added remote peer",
    "peer became active",
    "promote member",
    "leadership transfer starting",
    "leadership transfer finished",
    "updated member",
    "removed member",
    "removed remote peer",
];

/// The lines of a member's life are the same.
#[test]
fn etcd_logs_what_the_published_one_logs() {
    let (got, want) = (life(None), life(Some(published())));
    let mut differences = Vec::new();
    for message in LIFE {
        let missing = BTreeSet::new();
        let got = got.get(*message).unwrap_or(&missing);
        let want = want.get(*message).unwrap_or(&missing);
        if want.is_empty() || !want.is_subset(got) {
            differences.push(format!("{message}\nours: {got:?}\ntheirs: {want:?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

/// Levels and names of fields, by message.
type Told = BTreeMap<String, BTreeSet<String>>;

/// What two members log while one starts, stops, starts again, and takes another one in, hands leadership
/// to it, and removes it.
fn life(program: Option<PathBuf>) -> Told {
    let folder = tempfile::tempdir().unwrap();
    let mut told = Told::new();
    let (first, second) = (folder.path().join("1"), folder.path().join("2"));
    let mut one = member(&first, program.clone());
    let own = format!("n1={}", one.peer_endpoint());
    one.set_flags(["--name=n1".to_owned(), format!("--initial-cluster={own}")]);
    one.restart().unwrap();
    let endpoints = [one.endpoint()];
    let run = |line: &str| {
        ctl::run(
            &endpoints,
            &words(line).iter().map(String::as_str).collect::<Vec<_>>(),
        )
    };
    let insist = |line: &str| ctl::eventually(line, || run(line)).unwrap();
    insist("put a b");
    let snapshot = folder.path().join("snapshot.db");
    insist(&format!("snapshot save {}", snapshot.display()));
    one.stop(Stop::Terminate).unwrap();
    collect(&first, &mut told);
    one.restart().unwrap();
    let mut two = member(&second, program);
    let peer = two.peer_endpoint();
    insist(&format!("member add n2 --learner --peer-urls={peer}"));
    two.set_flags([
        "--name=n2".to_owned(),
        format!("--initial-cluster={own},n2={peer}"),
        "--initial-cluster-state=existing".to_owned(),
    ]);
    two.restart().unwrap();
    let list = insist("member list");
    let id = list.lines().find(|line| line.contains(", n2, ")).unwrap();
    let id = id.split(',').next().unwrap();
    insist(&format!("member promote {id}"));
    insist(&format!("move-leader {id}"));
    insist(&format!(
        "member update {id} --peer-urls={peer},http://127.0.0.1:1"
    ));
    insist(&format!("member remove {id}"));
    two.wait(Duration::from_secs(60)).unwrap();
    one.stop(Stop::Terminate).unwrap();
    collect(&first, &mut told);
    collect(&second, &mut told);
    told
}

fn member(folder: &Path, program: Option<PathBuf>) -> Member {
    std::fs::create_dir(folder).unwrap();
    let mut member = Member::prepare(&folder.join("data"), folder).unwrap();
    member.set_program(program);
    member
}

/// Adds what a member has logged since its last start.
fn collect(folder: &Path, told: &mut Told) {
    let log = std::fs::read_to_string(folder.join("etcd.log")).unwrap();
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    for line in lines {
        let (Some(message), Some(line)) = (line["msg"].as_str(), line.as_object()) else {
            continue;
        };
        let is_own = |name: &&String| {
            !["level", "ts", "caller", "msg", "stacktrace"].contains(&name.as_str())
        };
        let names: Vec<&str> = line.keys().filter(is_own).map(String::as_str).collect();
        let entry = told.entry(impersonal(message)).or_default();
        entry.insert(format!("{} {}", line["level"], names.join(" ")));
    }
}

/// A message with `ID` for ids, and `N` for the term.
fn impersonal(message: &str) -> String {
    let is_id = |word: &str| word.len() > 8 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let words = message.split(' ').map(|word| match word {
        word if is_id(word) => "ID",
        word if is_number(word) => "N",
        word => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

fn published() -> PathBuf {
    go::published("server", SCRATCH).unwrap()
}
