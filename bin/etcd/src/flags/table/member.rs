//! The member, its storage, its listeners and its limits.

use super::{Effect, FileKey, Flag, Group, Kind};

const NO_BBOLT: &str = "the store is no bbolt file";

pub(super) const FLAGS: &[Flag] = &[
    Flag::new(
        "name",
        Kind::Text,
        "default",
        "Name of this member, by which --initial-cluster knows it.",
    ),
    Flag::new(
        "data-dir",
        Kind::Text,
        "",
        "Directory of all data; <name>.etcd if it is empty.",
    ),
    Flag::new(
        "wal-dir",
        Kind::Text,
        "",
        "Directory of the write-ahead log, if it is to be elsewhere than in the data directory.",
    ),
    Flag::new(
        "snapshot-count",
        Kind::Uint64,
        "10000",
        "Applied entries between two marks of the log from which a restart begins.",
    ),
    Flag::new(
        "snapshot-catchup-entries",
        Kind::Uint64,
        "5000",
        "Entries of the log that are kept for members that lag.",
    ),
    Flag::new(
        "heartbeat-interval",
        Kind::Uint,
        "100",
        "Milliseconds between two heartbeats of the leader.",
    ),
    Flag::new(
        "election-timeout",
        Kind::Uint,
        "1000",
        "Milliseconds without a leader before an election.",
    ),
    Flag::new(
        "initial-election-tick-advance",
        Kind::Bool,
        "true",
        "Whether the first election after a start comes early.",
    ),
    Flag::new(
        "listen-peer-urls",
        Kind::Urls,
        "http://localhost:2380",
        "URLs on which other members are listened to.",
    ),
    Flag::new(
        "listen-client-urls",
        Kind::Urls,
        "http://localhost:2379",
        "URLs on which clients are listened to.",
    ),
    Flag::new(
        "listen-client-http-urls",
        Kind::UrlsOrNone,
        "",
        "URLs for HTTP requests of clients alone; --listen-client-urls then serve gRPC alone.",
    ),
    Flag::new(
        "max-snapshots",
        Kind::Uint,
        "5",
        "Snapshot files that are kept; 0 for all. Deprecated.",
    )
    .without_effect("there are no snapshot files"),
    Flag::new(
        "max-wals",
        Kind::Uint,
        "5",
        "Files of the write-ahead log that are kept; 0 for all.",
    ),
    Flag::new(
        "quota-backend-bytes",
        Kind::Int64,
        "0",
        "Bytes of storage at which an alarm is raised; 0 for 2 GiB, negative for no limit.",
    ),
    Flag::new(
        "backend-bbolt-freelist-type",
        Kind::Text,
        "",
        "How bbolt keeps its free pages.",
    )
    .without_effect(NO_BBOLT),
    Flag::new(
        "backend-batch-interval",
        Kind::Duration,
        "0",
        "Longest time before applied changes are written to the store; 0 for 100ms.",
    ),
    Flag::new(
        "backend-batch-limit",
        Kind::Int,
        "0",
        "Applied changes that are written to the store at the latest; 0 for 10000.",
    ),
    Flag::new(
        "max-txn-ops",
        Kind::Uint,
        "128",
        "Most operations of one list of a transaction.",
    ),
    Flag::new(
        "max-request-bytes",
        Kind::Uint,
        "1572864",
        "Largest request, in bytes.",
    ),
    Flag::new(
        "max-concurrent-streams",
        Kind::Uint32,
        "4294967295",
        "Most calls that a client may have open on one connection.",
    ),
    Flag::new(
        "grpc-keepalive-min-time",
        Kind::Duration,
        "5s",
        "Shortest time between two pings of a client; who pings more often is sent away.",
    ),
    Flag::new(
        "grpc-keepalive-interval",
        Kind::Duration,
        "2h",
        "Silence after which a client is pinged; 0 for never.",
    ),
    Flag::new(
        "grpc-keepalive-timeout",
        Kind::Duration,
        "20s",
        "Silence after a ping that ends the connection; 0 for never.",
    ),
    Flag::new(
        "socket-reuse-port",
        Kind::Bool,
        "false",
        "Whether other processes may listen on the same ports.",
    )
    .file(FileKey::At("socket-options.reuse-port")),
    Flag::new(
        "socket-reuse-address",
        Kind::Bool,
        "false",
        "Whether ports may be bound that still have old connections; they always may.",
    )
    .file(FileKey::At("socket-options.reuse-address")),
    Flag::new(
        "raft-read-timeout",
        Kind::Duration,
        "5s",
        "Silence of a peer connection before it is closed.",
    )
    .file(FileKey::None),
    Flag::new(
        "raft-write-timeout",
        Kind::Duration,
        "5s",
        "Longest write to a peer connection before it is closed.",
    )
    .file(FileKey::None),
    Flag::new(
        "memory-mlock",
        Kind::Bool,
        "false",
        "Whether the mapped database is kept in memory.",
    )
    .without_effect("no file is mapped into memory"),
    Flag::new(
        "max-learners",
        Kind::Int,
        "1",
        "Most learners of the cluster.",
    ),
    Flag::new(
        "bootstrap-defrag-threshold-megabytes",
        Kind::Uint,
        "0",
        "Megabytes to gain from which a start defragments the database; 0 for never.",
    )
    .without_effect("space is given back while the member runs"),
    Flag {
        group: Group::Unsafe,
        effect: Effect::Built,
        ..Flag::new(
            "unsafe-no-fsync",
            Kind::Bool,
            "false",
            "Whether nothing is synced to disk; a crash then loses or damages data.",
        )
    },
    Flag::new(
        "force-new-cluster",
        Kind::Bool,
        "false",
        "Whether all other members are dropped from the stored cluster.",
    )
    .group(Group::Unsafe),
    Flag::new(
        "config-file",
        Kind::Text,
        "",
        "A configuration file; all other flags and environment variables are then ignored.",
    )
    .file(FileKey::None),
    Flag::new(
        "version",
        Kind::Bool,
        "false",
        "Prints the version and ends.",
    )
    .file(FileKey::None),
];
