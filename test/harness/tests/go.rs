//! etcd's own Go code against members of ours: its client for everything that a client can ask, and its
//! server code for everything that a member writes.

/// Runs the Go tests of a package that begin with a prefix.
fn go(package: &str, prefix: &str) {
    harness::go::test(package, prefix, env!("CARGO_TARGET_TMPDIR")).expect(prefix);
}

#[test]
fn keys_and_values() {
    go("client", "KV");
}

#[test]
fn transactions() {
    go("client", "Txn");
}

/// Watches resume over a crash of the member, too.
#[test]
fn watches() {
    go("client", "Watch");
}

#[test]
fn leases() {
    go("client", "Lease");
}

/// Mutexes, elections, sessions and transactional memory.
#[test]
fn concurrency() {
    go("client", "Concurrency");
}

/// Naming, mirror, namespaces, leasing and ordering.
#[test]
fn recipes() {
    go("client", "Recipes");
}

/// Users, rights, tokens that are renewed, watches that outlive them, and leases.
#[test]
fn authentication() {
    go("client", "Auth");
}

/// The same over TLS: certificates that are users, simple and signed tokens that end.
#[test]
fn authentication_over_tls() {
    go("client", "Secured");
}

/// Status, members, hashes, space, alarms, snapshots and health.
#[test]
fn maintenance() {
    go("client", "Maintenance");
}

/// What older clients and sockets of a file system name in the place of a host.
#[test]
fn strange_hosts() {
    go("client", "Hosts");
}

/// What a kube-apiserver asks for.
#[test]
fn kubernetes() {
    go("client", "Kube");
}

/// The judge of recorded histories, which `tests/faults` relies on, notices what is wrong.
#[test]
fn planted_violations_are_noticed() {
    go("history", "Planted");
}

/// bbolt, etcd's tools and a real member accept a snapshot.
#[test]
fn snapshots_are_etcds() {
    go("server", "Snapshot");
}

/// The data directory of a real etcd, however that ended, becomes one of ours.
#[test]
fn directories_are_taken_over() {
    go("server", "Takeover");
}

/// A data directory of ours becomes one that a real etcd starts from, and ours again.
#[test]
fn directories_are_handed_back() {
    go("server", "Back");
}

/// Snapshots of both kinds, restored by both tools, start both kinds of member.
#[test]
fn snapshots_are_restored() {
    go("server", "Restore");
}

/// Directories of etcd 3.5 and 3.6 are taken over, and their snapshots go back to them; a cluster of ours
/// is downgraded to 3.6.
#[test]
fn older_versions() {
    let scratch = env!("CARGO_TARGET_TMPDIR");
    let programs = [("ETCD35_PROGRAM", "etcd35"), ("ETCD36_PROGRAM", "etcd36")]
        .map(|(variable, name)| (variable, harness::go::old(name, scratch).expect(name)));
    harness::go::test_with("server", "Old", scratch, &programs).expect("Old");
}

/// etcd's own reader reads the log.
#[test]
fn the_log_is_etcds() {
    go("server", "Log");
}

/// Thousands of random requests are answered as a real etcd answers them.
#[test]
fn answers_are_etcds() {
    go("server", "Same");
}

/// Each member of an etcd cluster is replaced by ours and back, under load that is checked.
#[test]
fn clusters_are_mixed() {
    go("server", "Mixed");
}

/// A test that begins like none of the above would never run.
#[test]
fn no_go_test_is_forgotten() {
    let callers = [include_str!("go.rs"), include_str!("observe/main.rs")].concat();
    for package in ["client", "history", "server"] {
        let call = format!("(\"{package}\", \"");
        let begins = |call: &str| call.split_once('"').expect("a prefix").0.to_owned();
        let prefixes: Vec<String> = callers.split(&call).skip(1).map(begins).collect();
        for test in harness::go::tests(package).expect(package) {
            let is_run = prefixes.iter().any(|prefix| test.starts_with(prefix));
            assert!(is_run, "nobody runs Test{test} of {package}");
        }
    }
}
