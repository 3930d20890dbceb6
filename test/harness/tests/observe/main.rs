//! What operators see of a running program: the audit log, traces, profiles, metrics, warnings.

mod audit;
mod client;
mod dashboard;
mod profiles;
mod usage;
mod warnings;

/// A collector with OpenTelemetry's own messages, in Go.
#[test]
fn traces() {
    harness::go::test("client", "Traces", env!("CARGO_TARGET_TMPDIR")).expect("Traces");
}
