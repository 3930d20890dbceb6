//! The flags of `etcd grpc-proxy start`.

use super::super::flags::{Flag, Kind};

const fn flag(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Flag {
    Flag {
        name,
        kind,
        default,
        help,
    }
}

pub(super) const FLAGS: &[Flag] = &[
    flag(
        "listen-addr",
        Kind::Text,
        "127.0.0.1:23790",
        "Where clients are listened to.",
    ),
    flag(
        "advertise-client-url",
        Kind::Text,
        "127.0.0.1:23790",
        "Where others find this proxy; empty for nowhere.",
    ),
    flag(
        "endpoints",
        Kind::List,
        "127.0.0.1:2379",
        "Members that answer.",
    ),
    flag(
        "endpoints-auto-sync-interval",
        Kind::Duration,
        "0s",
        "Pause between two looks at the list of members; none without one.",
    ),
    flag(
        "discovery-srv",
        Kind::Text,
        "",
        "Domain whose SRV records name the endpoints.",
    ),
    flag(
        "discovery-srv-name",
        Kind::Text,
        "",
        "Suffix of the service's name in SRV records.",
    ),
    flag(
        "insecure-discovery",
        Kind::Bool,
        "false",
        "Take endpoints without TLS from SRV records.",
    ),
    flag(
        "metrics-addr",
        Kind::Text,
        "",
        "URL on which metrics and health are served besides.",
    ),
    flag(
        "dial-keepalive-time",
        Kind::Duration,
        "0s",
        "Silence of a member after which it is probed; zero for never.",
    ),
    flag(
        "dial-keepalive-timeout",
        Kind::Duration,
        "20s",
        "Silence after a probe that ends the connection to a member.",
    ),
    flag(
        "permit-without-stream",
        Kind::Bool,
        "false",
        "Probe members also while no call is open.",
    ),
    flag(
        "resolver-prefix",
        Kind::Text,
        "",
        "Prefix of the keys under which proxies are registered.",
    ),
    flag(
        "resolver-ttl",
        Kind::Int,
        "0",
        "Seconds after which a proxy that is gone is no longer registered.",
    ),
    flag(
        "namespace",
        Kind::Text,
        "",
        "Prefix that is put before all keys.",
    ),
    flag(
        "enable-pprof",
        Kind::Bool,
        "false",
        "Serve profiles over HTTP.",
    ),
    flag(
        "data-dir",
        Kind::Text,
        "default.proxy",
        "Where certificates of the proxy's own are kept.",
    ),
    flag(
        "max-send-bytes",
        Kind::Int,
        "1572864",
        "Largest message that is sent to members, in bytes.",
    ),
    flag(
        "max-recv-bytes",
        Kind::Int,
        "2147483647",
        "Largest message that is taken from members, in bytes.",
    ),
    flag(
        "grpc-keepalive-min-time",
        Kind::Duration,
        "5s",
        "Shortest pause between two pings of a client.",
    ),
    flag(
        "grpc-keepalive-interval",
        Kind::Duration,
        "2h0m0s",
        "Silence of a client after which it is pinged; zero for never.",
    ),
    flag(
        "grpc-keepalive-timeout",
        Kind::Duration,
        "20s",
        "Silence after a ping that ends the connection to a client.",
    ),
    flag(
        "cert",
        Kind::Text,
        "",
        "Certificate that members are shown; its common name must be empty.",
    ),
    flag("key", Kind::Text, "", "Key of that certificate."),
    flag(
        "cacert",
        Kind::Text,
        "",
        "Authorities of the members' certificates.",
    ),
    flag(
        "insecure-skip-tls-verify",
        Kind::Bool,
        "false",
        "Believe members whatever they show.",
    ),
    flag(
        "cert-file",
        Kind::Text,
        "",
        "Certificate that clients are shown.",
    ),
    flag("key-file", Kind::Text, "", "Key of that certificate."),
    flag(
        "trusted-ca-file",
        Kind::Text,
        "",
        "Authorities of the clients' certificates.",
    ),
    flag(
        "listen-cipher-suites",
        Kind::List,
        "",
        "Cipher suites of TLS that are spoken with clients.",
    ),
    flag(
        "auto-tls",
        Kind::Bool,
        "false",
        "Make a certificate to show to clients.",
    ),
    flag(
        "client-crl-file",
        Kind::Text,
        "",
        "List of certificates of clients that are revoked.",
    ),
    flag(
        "self-signed-cert-validity",
        Kind::Uint,
        "1",
        "Years for which a certificate of the proxy's own is valid.",
    ),
    flag(
        "tls-min-version",
        Kind::Text,
        "TLS1.2",
        "Oldest version of TLS that is spoken.",
    ),
    flag(
        "tls-max-version",
        Kind::Text,
        "",
        "Newest version of TLS that is spoken.",
    ),
    flag(
        "experimental-serializable-ordering",
        Kind::Bool,
        "false",
        "Never answer from a member that is behind an earlier answer.",
    ),
    flag(
        "experimental-leasing-prefix",
        Kind::Text,
        "",
        "Prefix of the keys by which proxies share leases on keys.",
    ),
    flag(
        "experimental-enable-grpc-logging",
        Kind::Bool,
        "false",
        "Log every call.",
    ),
    flag("debug", Kind::Bool, "false", "Log details."),
    flag(
        "max-concurrent-streams",
        Kind::Uint32,
        "4294967295",
        "Calls that a connection may have open.",
    ),
];
