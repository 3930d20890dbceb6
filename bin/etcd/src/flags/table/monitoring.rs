//! Metrics, profiles and traces.

use super::{Flag, Group, Kind};

pub(super) const FLAGS: &[Flag] = &[
    flag(
        "metrics",
        Kind::Text,
        "basic",
        "How much is measured: basic, or extensive with the times of calls.",
    ),
    flag(
        "listen-metrics-urls",
        Kind::UrlsOrNone,
        "",
        "URLs on which metrics and health are served besides.",
    ),
    flag(
        "usage-metrics",
        Kind::Set,
        "",
        "What requests, bytes and time are counted by: client, user, prefix.",
    ),
    flag(
        "usage-metrics-prefixes",
        Kind::Set,
        "",
        "Prefixes that --usage-metrics=prefix tells apart; without them, the first two parts of a key.",
    ),
    flag(
        "enable-pprof",
        Kind::Bool,
        "false",
        "Whether profiles of CPU time and memory are served under /debug/pprof/.",
    ),
    flag(
        "enable-grpc-gateway",
        Kind::Bool,
        "true",
        "Whether the API is served as JSON under /v3/.",
    ),
    trace(
        "enable-distributed-tracing",
        Kind::Bool,
        "false",
        "Whether traces of calls are sent.",
    ),
    trace(
        "distributed-tracing-address",
        Kind::Text,
        "localhost:4317",
        "Where traces are sent: host and port of a collector (OTLP over gRPC, without TLS).",
    ),
    trace(
        "distributed-tracing-service-name",
        Kind::Text,
        "etcd",
        "Name of the service in traces; the same for all members.",
    ),
    trace(
        "distributed-tracing-instance-id",
        Kind::Text,
        "",
        "Name of the member in traces.",
    ),
    trace(
        "distributed-tracing-sampling-rate",
        Kind::Int,
        "0",
        "Of a million calls without a trace of their own, how many are traced.",
    ),
];

const fn flag(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Flag {
    Flag::new(name, kind, default, help).group(Group::Monitoring)
}

const fn trace(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Flag {
    flag(name, kind, default, help).group(Group::Tracing)
}
