//! `etcd gateway start`: connections of clients, forwarded to members as they are.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use proxy::forward::{self, Config, Endpoint, ForwardError, Forwarder};

use super::endpoints::{self, Found};
use super::{Command, positive};
use crate::failure::{self, GoIo};
use crate::life::{FAILED, complain, print};
use crate::logging::field::fields;
use crate::logging::{self, Logger};
use crate::{descriptors, notify};
use command::{Arguments, Flag, Kind, Run};

/// What zero stands for.
const RETRY_DELAY: Duration = Duration::from_secs(5 * 60);

pub(super) const COMMAND: Command = Command {
    name: "gateway",
    about: "gateway related command",
    children: &[Command {
        name: "start",
        about: "start the gateway",
        flags: FLAGS,
        run: Run::Do(run),
        ..Command::EMPTY
    }],
    ..Command::EMPTY
};

const FLAGS: &[Flag] = &[
    Flag::of(
        "listen-addr",
        Kind::Text,
        "127.0.0.1:23790",
        "Where clients are listened to.",
    ),
    Flag::of(
        "discovery-srv",
        Kind::Text,
        "",
        "Domain whose SRV records name the endpoints.",
    ),
    Flag::of(
        "discovery-srv-name",
        Kind::Text,
        "",
        "Suffix of the service's name in SRV records.",
    ),
    Flag::of(
        "insecure-discovery",
        Kind::Bool,
        "false",
        "Take endpoints from SRV records without verifying them by TLS.",
    ),
    Flag::of(
        "trusted-ca-file",
        Kind::Text,
        "",
        "Authorities that endpoints must be able to show a certificate of; given ones, too.",
    ),
    Flag::of(
        "endpoints",
        Kind::List,
        "127.0.0.1:2379",
        "Members to forward to.",
    ),
    Flag::of(
        "retry-delay",
        Kind::Duration,
        "1m0s",
        "Pause before an endpoint that failed is tried again.",
    ),
];

fn run(values: &Arguments) -> ExitCode {
    let log = Logger::default();
    logging::layer::install(&log);
    let config = match config(values, &log) {
        Ok(config) => config,
        Err(text) => {
            print(&format!("{text}\n"));
            return FAILED.into();
        }
    };
    let endpoints: Vec<String> = config.endpoints.iter().map(ToString::to_string).collect();
    let forwarder = match Forwarder::bind(config) {
        Ok(forwarder) => forwarder,
        Err(ForwardError::Listen { address, source }) => {
            complain(&format!("listen tcp {address}: bind: {}", GoIo(&source)));
            return FAILED.into();
        }
        Err(error) => {
            print(&format!("{}\n", failure::chain(&error)));
            return FAILED.into();
        }
    };
    log.info(
        "ready to proxy client requests",
        fields!["endpoints" => endpoints],
    );
    notify::ready(&log);
    match forwarder.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log.fatal(
                "the gateway has ended",
                fields!["error" => GoIo(&error).to_string()],
            );
            FAILED.into()
        }
    }
}

/// What the flags ask for, or what is wrong with them.
fn config(values: &Arguments, log: &Logger) -> Result<Config, String> {
    let listen = values.str("listen-addr").to_owned();
    let said = |error: ForwardError| failure::chain(&error);
    let (listen, addresses) = forward::listen_address(&listen).map_err(said)?;
    let trusted_ca = match values.str("trusted-ca-file") {
        "" => None,
        path => Some(PathBuf::from(path)),
    };
    let (endpoints, verifier) = match endpoints::found(values, log)? {
        Found::Given(given) => {
            let prove = trusted_ca.is_some();
            let parsed = given.iter().map(|text| Endpoint::parse(text, prove));
            let parsed = parsed.collect::<Result<Vec<_>, _>>();
            (parsed, trusted_ca.map(Some))
        }
        Found::Discovered(found) => {
            let prove = !values.bool("insecure-discovery");
            let ranked = found
                .iter()
                .map(|found| Endpoint::ranked(&found.url, prove, found.priority, found.weight));
            // Without a file, the authorities that the system trusts.
            (ranked.collect(), prove.then_some(trusted_ca))
        }
    };
    let endpoints = endpoints.map_err(said)?;
    let verifier = verifier.map(forward::verifier).transpose().map_err(said)?;
    forward::check_no_loop(&listen, &addresses, &endpoints).map_err(said)?;
    let connections_max = descriptors::connections_max().map_err(|error| error.to_string())?;
    let endpoints = forward::verified(endpoints, verifier.as_ref(), |endpoint, error| {
        let fields = fields![
            "endpoint" => endpoint.to_string(),
            "error" => failure::chain(error),
        ];
        log.warn(
            "endpoint is not served: its certificate was not accepted",
            fields,
        );
    });
    if endpoints.is_empty() {
        return Err("no endpoints found".to_owned());
    }
    Ok(Config {
        listen: addresses,
        endpoints,
        retry_delay: positive(values, "retry-delay").unwrap_or(RETRY_DELAY),
        // Every connection takes two descriptors.
        connections_max: connections_max / 2,
        verifier,
    })
}
