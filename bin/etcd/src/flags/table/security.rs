//! Certificates, access, users and tokens.

use super::{FileKey, Flag, Group, Kind};

pub(super) const FLAGS: &[Flag] = &[
    tls(
        "cert-file",
        Kind::Text,
        "client-transport-security.cert-file",
        "Certificate that clients are shown.",
    ),
    tls(
        "key-file",
        Kind::Text,
        "client-transport-security.key-file",
        "Key of that certificate.",
    ),
    tls(
        "client-cert-file",
        Kind::Text,
        "client-transport-security.client-cert-file",
        "Certificate that this member shows as a client.",
    ),
    tls(
        "client-key-file",
        Kind::Text,
        "client-transport-security.client-key-file",
        "Key of that certificate.",
    ),
    tls_switch(
        "client-cert-auth",
        "client-transport-security.client-cert-auth",
        "Whether clients must show a certificate.",
    ),
    tls(
        "client-crl-file",
        Kind::Text,
        "",
        "Certificates of clients that are revoked.",
    )
    .file(FileKey::None),
    tls(
        "client-cert-allowed-hostname",
        Kind::List,
        "client-transport-security.allowed-hostname",
        "Names of which a client's certificate must hold one.",
    ),
    tls(
        "trusted-ca-file",
        Kind::Text,
        "client-transport-security.trusted-ca-file",
        "Authorities that may sign clients' certificates.",
    ),
    tls_switch(
        "auto-tls",
        "client-transport-security.auto-tls",
        "Whether clients are shown a certificate made by this member.",
    ),
    tls(
        "peer-cert-file",
        Kind::Text,
        "peer-transport-security.cert-file",
        "Certificate that other members are shown.",
    ),
    tls(
        "peer-key-file",
        Kind::Text,
        "peer-transport-security.key-file",
        "Key of that certificate.",
    ),
    tls(
        "peer-client-cert-file",
        Kind::Text,
        "peer-transport-security.client-cert-file",
        "Certificate that this member shows when it connects to others.",
    ),
    tls(
        "peer-client-key-file",
        Kind::Text,
        "peer-transport-security.client-key-file",
        "Key of that certificate.",
    ),
    tls_switch(
        "peer-client-cert-auth",
        "peer-transport-security.client-cert-auth",
        "Whether other members must show a certificate.",
    ),
    tls(
        "peer-trusted-ca-file",
        Kind::Text,
        "peer-transport-security.trusted-ca-file",
        "Authorities that may sign other members' certificates.",
    ),
    tls_switch(
        "peer-auto-tls",
        "peer-transport-security.auto-tls",
        "Whether other members are shown a certificate made by this member.",
    ),
    tls(
        "peer-crl-file",
        Kind::Text,
        "",
        "Certificates of members that are revoked.",
    )
    .file(FileKey::None),
    tls(
        "peer-cert-allowed-cn",
        Kind::List,
        "peer-transport-security.allowed-cn",
        "Common names of which a member's certificate must have one.",
    ),
    tls(
        "peer-cert-allowed-hostname",
        Kind::List,
        "peer-transport-security.allowed-hostname",
        "Names of which a member's certificate must hold one.",
    ),
    tls_switch(
        "peer-skip-client-san-verification",
        "peer-transport-security.skip-client-san-verification",
        "Whether the addresses in members' certificates are not checked.",
    ),
    flag(
        "self-signed-cert-validity",
        Kind::Uint,
        "1",
        "Years for which certificates made by this member are valid.",
    ),
    flag(
        "cipher-suites",
        Kind::List,
        "",
        "Cipher suites of TLS; empty for a good choice.",
    ),
    flag(
        "tls-min-version",
        Kind::Text,
        "TLS1.2",
        "Oldest version of TLS: TLS1.2 or TLS1.3.",
    ),
    flag(
        "tls-max-version",
        Kind::Text,
        "",
        "Newest version of TLS; empty for the newest.",
    ),
    flag(
        "cors",
        Kind::Origins,
        "*",
        "Origins from which web pages may send requests.",
    ),
    flag(
        "host-whitelist",
        Kind::Set,
        "*",
        "Host names that requests without TLS may name.",
    ),
    flag(
        "auth-token",
        Kind::Text,
        "simple",
        "How tokens of users are made: simple or jwt,<options>.",
    )
    .group(Group::Auth),
    flag(
        "bcrypt-cost",
        Kind::Uint,
        "10",
        "Cost of storing a password, from 4 to 31.",
    )
    .group(Group::Auth),
    flag(
        "auth-token-ttl",
        Kind::Uint,
        "300",
        "Seconds for which a simple token is valid.",
    )
    .group(Group::Auth),
];

const fn flag(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Flag {
    Flag::new(name, kind, default, help).group(Group::Security)
}

/// A setting of TLS; its default is empty.
const fn tls(name: &'static str, kind: Kind, key: &'static str, help: &'static str) -> Flag {
    flag(name, kind, "", help).file(FileKey::At(key))
}

/// A truth value of TLS; its default is false.
const fn tls_switch(name: &'static str, key: &'static str, help: &'static str) -> Flag {
    flag(name, Kind::Bool, "false", help).file(FileKey::At(key))
}
