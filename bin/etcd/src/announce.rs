//! The lines that a member says once it runs, and those who wait for it look for.

use notation::size;
use rpc::{ListenAddress, PortKind};
use server::Server;

use crate::flags::settings::Settings;
use crate::handover;
use crate::logging::Logger;
use crate::logging::field::fields;

/// The name of the quota in messages.
const QUOTA: &str = "v3-applier";
/// A larger store is possible, but seldom meant.
const QUOTA_BYTES_RECOMMENDED: i64 = 8 << 30;

/// Who the member is, what it allows, and where it listens.
pub(crate) fn who_it_is(settings: &Settings, server: &Server, log: &Logger) {
    let member = server.engine().member_id().to_string();
    let cluster = server.engine().cluster_id().to_string();
    match server.is_new() {
        true => log.info(
            "starting local member",
            fields!["local-member-id" => member.as_str(), "cluster-id" => cluster],
        ),
        false => log.info(
            "restarting local member",
            fields![
                "cluster-id" => cluster,
                "local-member-id" => member.as_str(),
                "commit-index" => server.engine().status().committed().0,
            ],
        ),
    }
    if settings.text("auth-token") == "simple" {
        log.warn("simple token is not cryptographically signed", &[]);
    }
    quota(settings, log);
    starting(server, &member, log);
    // With the ports that the system chose.
    let clients = server.client_urls();
    let clients: Vec<String> = clients
        .iter()
        .map(|(address, _)| address.to_string())
        .collect();
    let fields = fields![
        "local-member-id" => member,
        "initial-advertise-peer-urls" => settings.url_texts("initial-advertise-peer-urls"),
        "listen-peer-urls" => settings.url_texts("listen-peer-urls"),
        "advertise-client-urls" => settings.url_texts("advertise-client-urls"),
        "listen-client-urls" => clients,
        "listen-metrics-urls" => settings.url_texts("listen-metrics-urls"),
    ];
    log.info("now serving peer/client/metrics", fields);
    for url in settings.urls("listen-peer-urls") {
        log.info(
            "serving peer traffic",
            fields!["address" => url.host_port()],
        );
    }
    for url in settings.urls("listen-metrics-urls") {
        log.info("serving metrics", fields!["address" => url.host_port()]);
    }
}

/// Which versions meet.
fn starting(server: &Server, member: &str, log: &Logger) {
    let own = proto::limits::SERVER_VERSION;
    let known = server.engine().membership().version();
    let message = "starting etcd server";
    match known.filter(|_| !server.is_new()) {
        None => log.info(
            message,
            fields![
                "local-member-id" => member,
                "local-server-version" => own,
                "cluster-version" => "to_be_decided",
            ],
        ),
        Some(version) => log.info(
            message,
            fields![
                "local-member-id" => member,
                "local-server-version" => own,
                "cluster-id" => server.engine().cluster_id().to_string(),
                "cluster-version" => version.in_brief(),
            ],
        ),
    }
}

/// How much the store may hold.
fn quota(settings: &Settings, log: &Logger) {
    let given = settings.int("quota-backend-bytes");
    let Some(bytes) = handover::quota(settings) else {
        let fields = fields!["quota-name" => QUOTA, "quota-size-bytes" => given];
        log.info("disabled backend quota", fields);
        return;
    };
    let shown = |bytes: i64| size::human(bytes.unsigned_abs());
    if bytes > QUOTA_BYTES_RECOMMENDED {
        let fields = fields![
            "quota-name" => QUOTA,
            "quota-size-bytes" => bytes,
            "quota-size" => shown(bytes),
            "quota-maximum-size-bytes" => QUOTA_BYTES_RECOMMENDED,
            "quota-maximum-size" => shown(QUOTA_BYTES_RECOMMENDED),
        ];
        log.warn("quota exceeds the maximum value", fields);
    }
    let message = match given {
        0 => "enabled backend quota with default value",
        _ => "enabled backend quota",
    };
    let fields = fields![
        "quota-name" => QUOTA,
        "quota-size-bytes" => bytes,
        "quota-size" => shown(bytes),
    ];
    log.info(message, fields);
}

/// Clients are served there.
pub(crate) fn ready(address: &ListenAddress, kind: PortKind, log: &Logger) {
    log.info("ready to serve client requests", &[]);
    let traffic = match kind {
        PortKind::GrpcOnly => "grpc",
        PortKind::HttpOnly => "http",
        _ => "grpc+http",
    };
    let fields = fields!["traffic" => traffic, "address" => bound(address)];
    let message = match address.is_secured() {
        true => "serving client traffic securely",
        false => "serving client traffic insecurely; this is strongly discouraged!",
    };
    log.info(message, fields);
}

/// The address that is bound, without its scheme.
pub(crate) fn bound(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Unix { path, .. } => path.display().to_string(),
        ListenAddress::Tcp { host, port, .. } if host.contains(':') => format!("[{host}]:{port}"),
        ListenAddress::Tcp { host, port, .. } if host == "localhost" => format!("127.0.0.1:{port}"),
        ListenAddress::Tcp { host, port, .. } => format!("{host}:{port}"),
    }
}
