//! `etcd grpc-proxy start`: the API, served from members.

mod secure;
mod table;

use std::process::ExitCode;
use std::time::Duration;

use proxy::grpc::{Config, GrpcProxy, ProxyError, Resolver};
use rpc::{AccessControl, BindError, Keepalive, ListenAddress, Timing};

use super::endpoints::{self, Found};
use super::{Command, positive};
use crate::failure::{self, GoIo};
use crate::life::{FAILED, complain};
use crate::logging::field::fields;
use crate::logging::{self, Level, Logger};
use crate::{descriptors, notify};
use command::{Arguments, Run};

/// Largest message that is taken from a caller, as Go's gRPC library has it.
const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// How long an attempt to reach a member may take.
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) const COMMAND: Command = Command {
    name: "grpc-proxy",
    about: "grpc-proxy related command",
    children: &[Command {
        name: "start",
        about: "start the grpc proxy",
        flags: table::FLAGS,
        run: Run::Do(run),
        ..Command::EMPTY
    }],
    ..Command::EMPTY
};

fn run(values: &Arguments) -> ExitCode {
    let log = Logger::to_stderr(match values.bool("debug") {
        true => Level::Debug,
        false => Level::Info,
    });
    logging::layer::install(&log);
    let config = match check(values).and_then(|()| config(values, &log)) {
        Ok(config) => config,
        Err(refusal) => {
            complain(&refusal);
            return FAILED.into();
        }
    };
    let listen = values.str("listen-addr");
    log.info(
        "listening for gRPC proxy client requests",
        fields!["address" => listen],
    );
    let proxy = match GrpcProxy::start(config) {
        Ok(proxy) => proxy,
        Err(ProxyError::Bind(BindError { address, source })) => {
            complain(&format!("listen tcp {address}: bind: {}", GoIo(&source)));
            return FAILED.into();
        }
        Err(error) => {
            complain(&failure::chain(&error));
            return FAILED.into();
        }
    };
    log.info("started gRPC proxy", fields!["address" => listen]);
    notify::ready(&log);
    proxy.run();
    log.fatal("the proxy has ended", &[]);
    FAILED.into()
}

/// Refuses what does not go together.
fn check(values: &Arguments) -> Result<(), String> {
    let (prefix, ttl) = (values.str("resolver-prefix"), values.int("resolver-ttl"));
    if !prefix.is_empty() && ttl < 1 {
        return Err(format!("invalid resolver-ttl {ttl}"));
    }
    if prefix.is_empty() && ttl > 0 {
        return Err(format!("invalid resolver-prefix {prefix:?}"));
    }
    if !prefix.is_empty() && values.str("advertise-client-url").is_empty() {
        return Err("invalid advertise-client-url \"\"".to_owned());
    }
    Ok(())
}

/// What the flags ask for, or what is wrong with them.
fn config(values: &Arguments, log: &Logger) -> Result<Config, String> {
    let secure = secure::secure(values, log)?;
    let listen = listen_address(values.str("listen-addr"))?;
    let metrics = match values.str("metrics-addr") {
        "" => None,
        url => {
            let address: ListenAddress = url.parse().map_err(|_| cannot_parse(url))?;
            let security = secure.listener(address.is_secured())?;
            Some((address, security))
        }
    };
    let endpoints = match endpoints::found(values, log)? {
        Found::Given(endpoints) => endpoints,
        Found::Discovered(targets) => targets.into_iter().map(|target| target.url).collect(),
    };
    let has_tls = secure.has_pair();
    let listen = (listen.secured(has_tls), secure.listener(has_tls)?);
    let prefix = values.str("resolver-prefix");
    Ok(Config {
        rpc: rpc_config(values)?,
        listen,
        metrics,
        client: client::Config {
            endpoints,
            dial_timeout: DIAL_TIMEOUT,
            keepalive_time: values.duration("dial-keepalive-time"),
            keepalive_timeout: values.duration("dial-keepalive-timeout"),
            keepalive_without_calls: values.bool("permit-without-stream"),
            send_bytes_max: bytes(values, "max-send-bytes"),
            receive_bytes_max: bytes(values, "max-recv-bytes"),
            credentials: client::Credentials::None,
            tls_by_default: secure.towards_members(),
            tls: secure.members,
        },
        sync_interval: positive(values, "endpoints-auto-sync-interval"),
        namespace: values.str("namespace").to_owned(),
        advertised: values.str("advertise-client-url").to_owned(),
        resolver: (!prefix.is_empty()).then(|| Resolver {
            prefix: prefix.trim_end_matches('/').to_owned(),
            ttl: values.int("resolver-ttl"),
        }),
        host_name: rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned(),
        leasing_prefix: values.str("experimental-leasing-prefix").to_owned(),
        has_profiles: values.bool("enable-pprof"),
        ordered: values.bool("experimental-serializable-ordering"),
        logs_calls: values.bool("experimental-enable-grpc-logging"),
    })
}

fn rpc_config(values: &Arguments) -> Result<rpc::Config, String> {
    let (interval, timeout) = (
        positive(values, "grpc-keepalive-interval"),
        positive(values, "grpc-keepalive-timeout"),
    );
    let connections_max = descriptors::connections_max().map_err(|error| error.to_string())?;
    Ok(rpc::Config {
        threads: std::thread::available_parallelism().map_or(1, Into::into),
        connections_max,
        message_bytes_max: MESSAGE_BYTES_MAX.max(bytes(values, "max-send-bytes")),
        max_concurrent_streams: u32::try_from(values.uint("max-concurrent-streams"))
            .unwrap_or(u32::MAX),
        keepalive: interval
            .zip(timeout)
            .map(|(interval, timeout)| Keepalive { interval, timeout }),
        ping_interval_min: values.duration("grpc-keepalive-min-time"),
        // It has no members of its own.
        peer_write_timeout: DIAL_TIMEOUT,
        access: AccessControl::default(),
        timing: Timing::default(),
    })
}

/// A limit in bytes; what is no size is no limit.
fn bytes(values: &Arguments, name: &str) -> usize {
    let limit = usize::try_from(values.int(name));
    limit.ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX)
}

/// A place to listen, written as `host:port`.
fn listen_address(text: &str) -> Result<ListenAddress, String> {
    let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
    let (host, port) = bare.rsplit_once(':').ok_or_else(|| cannot_parse(text))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Ok(ListenAddress::Tcp {
        host: match host {
            "" => "0.0.0.0".to_owned(),
            host => host.to_owned(),
        },
        port: port.parse().map_err(|_| cannot_parse(text))?,
        tls: false,
    })
}

fn cannot_parse(text: &str) -> String {
    format!("cannot parse {text:?}")
}
