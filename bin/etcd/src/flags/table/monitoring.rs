//! Metrics, profiles and traces.

use super::{Flag, Group, Kind};

const TRACING: &str = "distributed tracing is not built yet";
const NO_TRACING: &str = "it matters to distributed tracing only, which is refused";

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
        "enable-pprof",
        Kind::Bool,
        "false",
        "Whether Go profiles are served under /debug/pprof/.",
    )
    .without_effect("there is no Go runtime to profile"),
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
    )
    .refused(TRACING),
    trace(
        "distributed-tracing-address",
        Kind::Text,
        "localhost:4317",
        "Where traces are sent.",
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
        "Traces that are sent of a million.",
    ),
];

const fn flag(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Flag {
    Flag::new(name, kind, default, help).group(Group::Monitoring)
}

const fn trace(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Flag {
    flag(name, kind, default, help)
        .group(Group::Tracing)
        .without_effect(NO_TRACING)
}
