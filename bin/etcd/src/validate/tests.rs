//! Settings that do not go together.

use super::*;
use crate::flags::settings::Source;
use crate::flags::table;

fn check(line: &str) -> Result<(), String> {
    let mut settings = Settings::default();
    for word in line.split(' ').filter(|word| !word.is_empty()) {
        let (name, value) = word.split_once('=').unwrap();
        let flag = table::find(name).unwrap();
        settings.parse(flag, value, Source::Flag).unwrap();
    }
    validate(&settings, &Logger::silent()).map_err(|error| error.to_string())
}

/// What etcd refuses must not run here with another meaning.
#[test]
fn refusals() {
    for (line, error) in [
        (
            "listen-peer-urls=http://example.com:2380",
            "expected IP in URL for binding (http://example.com:2380)",
        ),
        (
            "listen-metrics-urls=http://:1",
            "expected IP in URL for binding (http://:1)",
        ),
        (
            "initial-advertise-peer-urls=http://:2380",
            "--initial-advertise-peer-urls \"http://:2380\" must be \"host:port\" (unexpected empty host (http://:2380))",
        ),
        (
            "advertise-client-urls=http://:2379",
            "--advertise-client-urls \"http://:2379\" must be in the format \"host:port\", \"unix:/path/to/socket\" or \"unixs:/path/to/socket\" (unexpected empty host (http://:2379))",
        ),
        (
            "initial-cluster=a=http://a:1 discovery-srv=example.com",
            "multiple discovery or bootstrap flags are set. Choose one of \"initial-cluster\", \"discovery-endpoints\" or \"discovery-srv\"",
        ),
        (
            "discovery-token=t",
            "both --discovery-token and --discovery-endpoints must be set",
        ),
        (
            "discovery-token=t discovery-endpoints=a,,b",
            "--discovery-endpoints must not contain empty endpoints",
        ),
        (
            "discovery-fallback=proxy",
            "v2 proxy is deprecated, and --discovery-fallback can't be configured as \"proxy\"",
        ),
        (
            "enable-distributed-tracing=true distributed-tracing-sampling-rate=-1",
            "distributed tracing configurition is not valid: (tracing sampling rate must be positive)",
        ),
        (
            "enable-distributed-tracing=true distributed-tracing-sampling-rate=1000001",
            "distributed tracing configurition is not valid: (tracing sampling rate must be less than 1000000)",
        ),
        (
            "usage-metrics=user,key",
            "--usage-metrics: \"key\": it counts by client, user and prefix",
        ),
        (
            "heartbeat-interval=0",
            "--heartbeat-interval must be >0 (set to 0ms)",
        ),
        (
            "election-timeout=0",
            "--election-timeout must be >0 (set to 0ms)",
        ),
        (
            "heartbeat-interval=300",
            "--election-timeout[1000ms] should be at least as 5 times as --heartbeat-interval[300ms]",
        ),
        (
            "election-timeout=60000",
            "--election-timeout[60000ms] is too long, and should be set less than 50000ms",
        ),
        (
            "listen-client-urls=http://127.0.0.1:1",
            "--advertise-client-urls is required when --listen-client-urls is set explicitly",
        ),
        ("auto-compaction-mode=", "undefined auto-compaction-mode"),
        (
            "auto-compaction-mode=foo",
            "unknown auto-compaction-mode \"foo\"",
        ),
        (
            "compact-hash-check-time=0s",
            "--compact-hash-check-time must be >0 (set to 0s)",
        ),
        (
            "feature-gates=LeaseCheckpoint=false,LeaseCheckpointPersist=true",
            "enabling feature gate LeaseCheckpointPersist requires enabling feature gate LeaseCheckpoint",
        ),
        (
            "tls-min-version=TLS1.0",
            "unexpected TLS version \"TLS1.0\" (must be one of: TLS1.2, TLS1.3)",
        ),
        (
            "tls-min-version=TLS1.3 tls-max-version=TLS1.2",
            "min version (TLS1.3) is greater than max version (TLS1.2)",
        ),
        ("cipher-suites=FOO", "unexpected TLS cipher suite \"FOO\""),
        (
            "tls-min-version=TLS1.3 cipher-suites=TLS_AES_128_GCM_SHA256",
            "cipher suites cannot be configured when only TLS1.3 is enabled",
        ),
        (
            "max-learners=-1",
            "membership: too many learner members in cluster",
        ),
    ] {
        assert_eq!(check(line).unwrap_err(), error, "{line}");
    }
    assert_eq!(check(""), Ok(()));
}
