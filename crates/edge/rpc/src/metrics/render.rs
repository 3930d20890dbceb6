//! The counters of all threads as Prometheus' text format.

use std::{
    collections::BTreeMap,
    fmt::{Arguments, Write as _},
    sync::{Arc, PoisonError},
};

use proto::{Method, error::Code};

use super::{CallMetrics, MethodCounters, handling::BOUNDS};

/// Services whose series appear at their first call; all others are there from the start.
const LATE_SERVICES: [&str; 2] = ["v3electionpb.Election", "v3lockpb.Lock"];

/// A method that is shown: its place in the table and its labels.
type Shown = (usize, String);

pub(super) fn render(
    methods: &[Method],
    extensive: bool,
    threads: &[Arc<CallMetrics>],
    out: &mut String,
) {
    plain(
        out,
        "etcd_network_client_grpc_received_bytes_total",
        "The total number of bytes received from grpc clients.",
        threads
            .iter()
            .map(|thread| thread.received_bytes.get())
            .sum(),
    );
    plain(
        out,
        "etcd_network_client_grpc_sent_bytes_total",
        "The total number of bytes sent to grpc clients.",
        threads.iter().map(|thread| thread.sent_bytes.get()).sum(),
    );
    versions(out, threads);
    let shown: Vec<Shown> = methods
        .iter()
        .enumerate()
        .filter(|(at, method)| {
            !LATE_SERVICES.contains(&method.service)
                || sum(threads, *at, |counters| counters.started.get()) > 0
        })
        .map(|(at, method)| (at, labels(method)))
        .collect();
    handled(out, threads, &shown);
    if extensive {
        handling(out, threads, &shown);
    }
    per_method(
        out,
        "grpc_server_msg_received_total",
        "Total number of RPC stream messages received on the server.",
        &shown,
        |at| sum(threads, at, |counters| counters.received.get()),
    );
    per_method(
        out,
        "grpc_server_msg_sent_total",
        "Total number of gRPC stream messages sent by the server.",
        &shown,
        |at| sum(threads, at, |counters| counters.sent.get()),
    );
    per_method(
        out,
        "grpc_server_started_total",
        "Total number of RPCs started on the server.",
        &shown,
        |at| sum(threads, at, |counters| counters.started.get()),
    );
}

fn sum(threads: &[Arc<CallMetrics>], at: usize, of: impl Fn(&MethodCounters) -> u64) -> u64 {
    threads.iter().map(|thread| of(&thread.methods[at])).sum()
}

fn plain(out: &mut String, name: &str, help: &str, count: u64) {
    family(out, name, help);
    line(out, format_args!("{name} {count}"));
}

fn per_method(
    out: &mut String,
    name: &str,
    help: &str,
    shown: &[Shown],
    count: impl Fn(usize) -> u64,
) {
    family(out, name, help);
    for (at, labels) in shown {
        line(out, format_args!("{name}{{{labels}}} {}", count(*at)));
    }
}

fn handled(out: &mut String, threads: &[Arc<CallMetrics>], shown: &[Shown]) {
    const NAME: &str = "grpc_server_handled_total";
    family(
        out,
        NAME,
        "Total number of RPCs completed on the server, regardless of success or failure.",
    );
    for (at, labels) in shown {
        for (place, code) in Code::ALL.iter().enumerate() {
            let count = sum(threads, *at, |counters| counters.handled[place].get());
            let code = code.name();
            line(
                out,
                format_args!("{NAME}{{grpc_code=\"{code}\",{labels}}} {count}"),
            );
        }
    }
}

fn handling(out: &mut String, threads: &[Arc<CallMetrics>], shown: &[Shown]) {
    const NAME: &str = "grpc_server_handling_seconds";
    let help = "Histogram of response latency (seconds) of gRPC that had been application-level \
                handled by the server.";
    line(
        out,
        format_args!("# HELP {NAME} {help}\n# TYPE {NAME} histogram"),
    );
    let bounds = || BOUNDS.iter().map(|(_, bound)| *bound).chain(["+Inf"]);
    for (at, labels) in shown {
        let mut below = 0;
        for (place, bound) in bounds().enumerate() {
            below += sum(threads, *at, |c| c.handling.counts[place].get());
            let bound = format_args!("{NAME}_bucket{{{labels},le=\"{bound}\"}} {below}");
            line(out, bound);
        }
        let seconds = sum(threads, *at, |c| c.handling.nanos.get()) as f64 / 1e9;
        line(out, format_args!("{NAME}_sum{{{labels}}} {seconds}"));
        line(out, format_args!("{NAME}_count{{{labels}}} {below}"));
    }
}

fn versions(out: &mut String, threads: &[Arc<CallMetrics>]) {
    const NAME: &str = "etcd_server_client_requests_total";
    let mut totals = BTreeMap::new();
    for thread in threads {
        let versions = thread
            .versions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for known in &*versions {
            *totals
                .entry((known.version.to_string(), known.streaming))
                .or_insert(0) += known.requests;
        }
    }
    if totals.is_empty() {
        return;
    }
    family(
        out,
        NAME,
        "The total number of client requests per client version.",
    );
    for ((version, streaming), count) in totals {
        let version = escaped(&version);
        let kind = if streaming { "stream" } else { "unary" };
        line(
            out,
            format_args!("{NAME}{{client_api_version=\"{version}\",type=\"{kind}\"}} {count}"),
        );
    }
}

fn family(out: &mut String, name: &str, help: &str) {
    line(out, format_args!("# HELP {name} {help}"));
    line(out, format_args!("# TYPE {name} counter"));
}

fn line(out: &mut String, text: Arguments<'_>) {
    // Writing into a String cannot fail.
    let _ = writeln!(out, "{text}");
}

fn labels(method: &Method) -> String {
    let kind = match (method.client_streaming, method.server_streaming) {
        (false, false) => "unary",
        (false, true) => "server_stream",
        (true, false) => "client_stream",
        (true, true) => "bidi_stream",
    };
    let Method { service, name, .. } = method;
    format!("grpc_method=\"{name}\",grpc_service=\"{service}\",grpc_type=\"{kind}\"")
}

/// A label value as the text format wants it.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
