//! `etcd grpc-proxy start`: the API, served from other members.

mod table;

use std::process::ExitCode;

use super::Command;
use super::flags::Values;
use crate::life::{FAILED, complain};

pub(super) const COMMAND: Command = Command {
    name: "grpc-proxy",
    summary: "grpc-proxy related command",
    start: "start the grpc proxy",
    flags: table::FLAGS,
    run,
};

fn run(values: &Values) -> ExitCode {
    complain(&match check(values) {
        Err(refusal) => refusal,
        Ok(()) => "etcd grpc-proxy is not built yet".to_owned(),
    });
    FAILED.into()
}

/// Refuses what does not go together.
fn check(values: &Values) -> Result<(), String> {
    let (prefix, ttl) = (values.text("resolver-prefix"), values.int("resolver-ttl"));
    if !prefix.is_empty() && ttl < 1 {
        return Err(format!("invalid resolver-ttl {ttl}"));
    }
    if prefix.is_empty() && ttl > 0 {
        return Err(format!("invalid resolver-prefix {prefix:?}"));
    }
    if values.is_on("auto-tls") && values.uint("self-signed-cert-validity") == 0 {
        return Err("selfSignedCertValidity is invalid,it should be greater than 0".to_owned());
    }
    Ok(())
}
