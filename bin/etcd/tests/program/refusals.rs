//! Exit codes and words for what is wrong.

use super::run::{program, run, run_line};

/// Scripts tell errors of syntax from others by the exit code.
#[test]
fn syntax() {
    for (line, error) in [
        ("-bogus", "flag provided but not defined: -bogus"),
        ("--proxy on", "flag provided but not defined: -proxy"),
        (
            "--experimental-foo=1",
            "flag provided but not defined: -experimental-foo",
        ),
        ("--name", "flag needs an argument: -name"),
        (
            "--snapshot-count abc",
            "invalid value \"abc\" for flag -snapshot-count: parse error",
        ),
        (
            "--version --pre-vote=maybe",
            "invalid boolean value \"maybe\" for -pre-vote: parse error",
        ),
    ] {
        let ended = run_line(line);
        assert_eq!(ended.status, Some(2), "{line}");
        assert!(ended.stdout.is_empty());
        let mut lines = ended.stderr.lines();
        assert_eq!(lines.next(), Some(error));
        assert_eq!(lines.next(), Some("Usage:"));
    }
}

#[test]
fn meaning() {
    for (line, error) in [
        ("extra-arg", "\"extra-arg\" is not a valid flag"),
        (
            "--listen-client-urls http://127.0.0.1:0",
            "--advertise-client-urls is required when --listen-client-urls is set explicitly",
        ),
        (
            "--heartbeat-interval 300",
            "--election-timeout[1000ms] should be at least as 5 times as --heartbeat-interval[300ms]",
        ),
        ("--cipher-suites FOO", "unexpected TLS cipher suite \"FOO\""),
        (
            "--config-file /nowhere/f.yml",
            "open /nowhere/f.yml: no such file or directory",
        ),
        ("--logger capnslog", "--logger=capnslog is removed in v3.5"),
    ] {
        let ended = run_line(line);
        assert_eq!(ended.status, Some(1), "{line}");
        let refused = ended.line("failed to verify flags");
        assert_eq!(refused["error"], error);
        assert_eq!(refused["level"], "warn");
        assert_eq!(
            ended.line("Running: ")["args"][1],
            line.split(' ').next().unwrap()
        );
    }
    let unset = run_line("--listen-client-urls http://127.0.0.1:0");
    assert_eq!(
        unset.line("advertise client URLs are not set")["level"],
        "warn"
    );
}

#[test]
fn variables() {
    let ended = run(program().env("ETCD_SNAPSHOT_COUNT", "abc"));
    assert_eq!(ended.status, Some(1));
    let error = "invalid value \"abc\" for ETCD_SNAPSHOT_COUNT: parse error";
    assert_eq!(ended.line("failed to verify flags")["error"], error);

    let ended = run(program().env("ETCD_NAME", "a").args(["--name", "a"]));
    assert_eq!(ended.status, Some(1));
    let message = "conflicting environment variable is shadowed by corresponding command-line flag (either unset environment variable or disable flag))";
    let line = ended.line(message);
    assert_eq!(
        (&line["level"], &line["environment-variable"]),
        (&"fatal".into(), &"ETCD_NAME".into())
    );

    let ended = run(program()
        .env("ETCD_ELECTION_TIMEOUT", "0")
        .env("ETCD_FOO", "1")
        .env("ETCD_VERSION", "2"));
    assert_eq!(ended.status, Some(1));
    let used = ended.line("recognized and used environment variable");
    assert_eq!(
        (&used["variable-name"], &used["variable-value"]),
        (&"ETCD_ELECTION_TIMEOUT".into(), &"0".into())
    );
    let unknown = ended.line("unrecognized environment variable");
    assert_eq!(unknown["environment-variable"], "ETCD_FOO=1");
    assert_eq!(
        ended.line("cannot set special environment variable")["key"],
        "ETCD_VERSION"
    );
}

#[test]
fn files() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f.yml");
    let with = |text: &str| {
        std::fs::write(&path, text).unwrap();
        // What else is said does not count, not even when it conflicts.
        run(program()
            .arg("--config-file")
            .arg(&path)
            .args(["--name", "a"])
            .env("ETCD_NAME", "b"))
    };
    let ended = with("heartbeat-interval: \"100\"\n");
    assert_eq!(ended.status, Some(1));
    let error = "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal string into Go struct field configYAML.Config.heartbeat-interval of type uint (line 1, key heartbeat-interval)";
    assert_eq!(ended.line("failed to verify flags")["error"], error);

    let ended = with("listen-peer-urls: foo\n");
    assert_eq!(ended.status, Some(1));
    let error = "unexpected error setting up listen-peer-urls: URL scheme must be http, https, unix, or unixs: foo (line 1, key listen-peer-urls)\n";
    assert_eq!(ended.stderr, error);

    let ended = with("election-timeout: 60000\n");
    assert_eq!(ended.status, Some(1));
    let error = "--election-timeout[60000ms] is too long, and should be set less than 50000ms";
    assert_eq!(ended.line("failed to verify flags")["error"], error);

    let ended = with("data-dir: /proc/nowhere\n");
    assert_eq!(ended.status, Some(1));
    let loaded = "loaded server configuration, other configuration command line flags and environment variables will be ignored if provided";
    assert_eq!(ended.line(loaded)["path"], path.display().to_string());
}

/// What makes etcd panic ends with status 2.
#[test]
fn others() {
    let ended = run_line("--log-level foo");
    assert_eq!(
        (ended.status, ended.stderr.as_str()),
        (Some(2), "panic: unrecognized level: \"foo\"\n")
    );
}

/// The sub-commands have flags, words and an exit code of their own.
#[test]
fn subcommands() {
    for line in [
        "gateway",
        "gateway start --help",
        "grpc-proxy x",
        "grpc-proxy start -h",
    ] {
        let ended = run_line(line);
        assert_eq!(
            (ended.status, ended.stderr.as_str()),
            (Some(0), ""),
            "{line}"
        );
        assert!(ended.stdout.contains("Usage:\n  etcd "), "{line}");
    }
    let ended = run_line("gateway start --bogus");
    assert_eq!(ended.status, Some(1));
    assert!(
        ended
            .stderr
            .starts_with("Error: unknown flag: --bogus\nUsage:\n")
    );
    assert!(ended.stderr.ends_with("\n\nunknown flag: --bogus"));
    for (line, said) in [
        (
            "--listen-addr foo",
            "failed to validate listen address: foo",
        ),
        ("--endpoints foo", "error parsing endpoint \"foo\""),
        (
            "--endpoints http://localhost:23790",
            "SRV or endpoint (localhost:23790->127.0.0.1:23790) should not resolve to the gateway listen addr (127.0.0.1:23790)",
        ),
        ("--endpoints=", "no endpoints found"),
    ] {
        let ended = run_line(&format!("gateway start {line}"));
        assert_eq!((ended.status, ended.stdout.trim_end()), (Some(1), said));
    }
    for (line, said) in [
        ("--resolver-prefix p", "invalid resolver-ttl 0"),
        ("--resolver-ttl 5", "invalid resolver-prefix \"\""),
        (
            "--tls-min-version TLS1.1",
            "tls-min-version is invalid: unexpected TLS version \"TLS1.1\" (must be one of: TLS1.2, TLS1.3)",
        ),
        (
            "--auto-tls --self-signed-cert-validity 0",
            "selfSignedCertValidity is invalid,it should be greater than 0",
        ),
        (
            "--cert-file x",
            "KeyFile and CertFile must both be present[key: , cert: x]",
        ),
    ] {
        let ended = run_line(&format!("grpc-proxy start {line}"));
        assert_eq!((ended.status, ended.stderr.trim_end()), (Some(1), said));
    }
}

#[test]
fn starts_that_fail() {
    let dir = tempfile::tempdir().unwrap();
    let start = |line: &str| {
        let data_dir = dir.path().join("data");
        let ports = ["--listen-peer-urls", "http://127.0.0.1:0"];
        run(program()
            .args(ports)
            .arg("--data-dir")
            .arg(&data_dir)
            .args(line.split(' ')))
    };
    for (line, error) in [
        (
            "--initial-cluster a=http://127.0.0.1:2380",
            "couldn't find local name \"default\" in the initial cluster configuration",
        ),
        (
            "--initial-cluster-state existing",
            "cannot fetch cluster info from peer urls: could not retrieve cluster information from the given URLs",
        ),
        (
            "--auto-compaction-retention xyz",
            "error parsing CompactionRetention: time: invalid duration \"xyz\"",
        ),
        (
            "--listen-metrics-urls https://127.0.0.1:0",
            "client TLS key/cert (--cert-file, --key-file) must be provided for metrics secure url",
        ),
        (
            "--cert-file a.pem --listen-client-urls https://127.0.0.1:0 --advertise-client-urls https://127.0.0.1:0",
            "KeyFile and CertFile must both be present[key: , cert: a.pem]",
        ),
        (
            "--cert-file a.pem --key-file /nowhere/a.key --listen-client-urls https://127.0.0.1:0 --advertise-client-urls https://127.0.0.1:0",
            "open a.pem: no such file or directory",
        ),
        (
            "--peer-cert-file a --peer-key-file b --peer-client-key-file c",
            "ClientKeyFile and ClientCertFile must both be present or both absent: key: c, cert: ]",
        ),
        (
            "--peer-cert-file a --peer-key-file b --peer-cert-allowed-cn n --peer-cert-allowed-hostname h",
            "AllowedCNs and AllowedHostnames are mutually exclusive (cns=[n], hostnames=[h])",
        ),
        (
            "--peer-auto-tls --self-signed-cert-validity 0",
            "selfSignedCertValidity is invalid,it should be greater than 0",
        ),
    ] {
        let ended = start(line);
        assert_eq!(ended.status, Some(1), "{line}");
        let line = ended.line("discovery failed");
        assert_eq!(
            (&line["level"], &line["error"]),
            (&"fatal".into(), &error.into())
        );
    }
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let ended = run(program().arg("--data-dir").arg(&file));
    assert_eq!(ended.status, Some(1));
    let error = ended.line("failed to list data directory")["error"].to_string();
    assert!(error.contains("/file: not a directory"), "{error}");

    std::fs::create_dir(dir.path().join("data/proxy")).unwrap();
    let ended = start("--name a");
    assert_eq!(ended.status, Some(2));
    assert!(
        ended
            .stderr
            .ends_with("panic: v2 http proxy has already been deprecated in 3.6\n")
    );
}

/// A member that cannot accept anybody must not call itself ready.
#[test]
fn too_few_descriptors() {
    let script = format!("ulimit -n 100; exec {}", env!("CARGO_BIN_EXE_etcd"));
    let dir = tempfile::tempdir().unwrap();
    let ended = run(std::process::Command::new("/bin/sh")
        .args(["-c", &script])
        .current_dir(dir.path()));
    assert_eq!(ended.status, Some(1));
    let line = ended.line("file descriptor limit of etcd process is too low; please set higher");
    assert_eq!(line["level"], "fatal");
}
