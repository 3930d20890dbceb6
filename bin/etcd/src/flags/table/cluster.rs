//! How members find each other.

use super::{FileKey, Flag, Group, Kind};

pub(super) const FLAGS: &[Flag] = &[
    flag(
        "initial-advertise-peer-urls",
        Kind::Urls,
        "http://localhost:2380",
        "Peer URLs of this member, as the others are told them.",
    ),
    flag(
        "advertise-client-urls",
        Kind::Urls,
        "http://localhost:2379",
        "Client URLs of this member, as clients are told them.",
    ),
    flag(
        "initial-cluster",
        Kind::Text,
        "default=http://localhost:2380",
        "Names and peer URLs of the first members: name=url,name=url.",
    ),
    flag(
        "initial-cluster-state",
        Kind::Choice(&["new", "existing"]),
        "new",
        "Whether the cluster is founded or joined: new or existing.",
    ),
    flag(
        "initial-cluster-token",
        Kind::Text,
        "etcd-cluster",
        "What tells clusters apart whose URLs are the same.",
    ),
    flag(
        "strict-reconfig-check",
        Kind::Bool,
        "true",
        "Whether changes of the membership that would lose the quorum are refused.",
    ),
    flag(
        "pre-vote",
        Kind::Bool,
        "true",
        "Whether an election is asked for before it is held.",
    ),
    flag(
        "discovery-endpoints",
        Kind::Set,
        "",
        "Endpoints of a discovery service.",
    )
    .file(FileKey::At("discovery-config.client.endpoints")),
    flag(
        "discovery-token",
        Kind::Text,
        "",
        "Token of this cluster at the discovery service.",
    )
    .file(FileKey::At("discovery-config.token")),
    client(
        "discovery-dial-timeout",
        Kind::Duration,
        "2s",
        "discovery-config.client.dial-timeout",
        "Longest wait for a connection to the discovery service.",
    ),
    client(
        "discovery-request-timeout",
        Kind::Duration,
        "5s",
        "discovery-config.client.request-timeout",
        "Longest wait for an answer of the discovery service.",
    ),
    client(
        "discovery-keepalive-time",
        Kind::Duration,
        "2s",
        "discovery-config.client.keepalive-time",
        "Silence after which the discovery service is pinged.",
    ),
    client(
        "discovery-keepalive-timeout",
        Kind::Duration,
        "6s",
        "discovery-config.client.keepalive-timeout",
        "Silence after a ping that ends the connection to the discovery service.",
    ),
    client(
        "discovery-insecure-transport",
        Kind::Bool,
        "true",
        "discovery-config.client.secure.insecure-transport",
        "Whether the discovery service is reached without TLS.",
    ),
    client(
        "discovery-insecure-skip-tls-verify",
        Kind::Bool,
        "false",
        "discovery-config.client.secure.insecure-skip-tls-verify",
        "Whether the certificate of the discovery service is not checked.",
    ),
    client(
        "discovery-cert",
        Kind::Text,
        "",
        "discovery-config.client.secure.cert",
        "Certificate that this member shows the discovery service.",
    ),
    client(
        "discovery-key",
        Kind::Text,
        "",
        "discovery-config.client.secure.key",
        "Key of that certificate.",
    ),
    client(
        "discovery-cacert",
        Kind::Text,
        "",
        "discovery-config.client.secure.cacert",
        "Authorities that may sign the discovery service's certificate.",
    ),
    client(
        "discovery-user",
        Kind::Text,
        "",
        "discovery-config.client.auth.username",
        "User at the discovery service.",
    ),
    client(
        "discovery-password",
        Kind::Text,
        "",
        "discovery-config.client.auth.password",
        "Password of that user.",
    ),
    flag(
        "discovery-fallback",
        Kind::Choice(&["exit", "proxy"]),
        "exit",
        "What a failed discovery leads to; only exit is left.",
    )
    .file(FileKey::None),
    flag(
        "discovery-srv",
        Kind::Text,
        "",
        "Domain whose SRV records name the first members.",
    ),
    flag(
        "discovery-srv-name",
        Kind::Text,
        "",
        "Suffix of the service name of those records.",
    ),
    flag(
        "downgrade-check-time",
        Kind::Duration,
        "5s",
        "Time between two looks at a cluster that is being downgraded.",
    ),
    flag(
        "v2-deprecation",
        Kind::Choices(&[
            "write-only",
            "write-only-skip-check",
            "write-only-drop-data",
            "gone",
        ]),
        "",
        "Phase of the end of the v2 API; only write-only is left.",
    )
    .without_effect("there is no v2 API"),
];

const fn flag(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Flag {
    Flag::new(name, kind, default, help).group(Group::Clustering)
}

/// A setting of the client of the discovery service.
const fn client(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    key: &'static str,
    help: &'static str,
) -> Flag {
    flag(name, kind, default, help).file(FileKey::At(key))
}
