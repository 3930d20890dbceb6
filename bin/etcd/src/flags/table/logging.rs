//! Log lines and the audit log.

use super::{Flag, Group, Kind};

pub(super) const FLAGS: &[Flag] = &[
    flag(
        "logger",
        Kind::Text,
        "zap",
        "Notation of log lines; only zap is left.",
    ),
    flag(
        "log-outputs",
        Kind::Set,
        "default",
        "Where log lines go: default, stderr, stdout, systemd/journal, or files.",
    ),
    flag(
        "log-level",
        Kind::Text,
        "info",
        "Least level that is logged: debug, info, warn, error, dpanic, panic or fatal.",
    ),
    flag(
        "log-format",
        Kind::Text,
        "json",
        "Look of log lines: json or console.",
    ),
    flag(
        "enable-log-rotation",
        Kind::Bool,
        "false",
        "Whether a log file is replaced when it is large.",
    ),
    flag(
        "log-rotation-config-json",
        Kind::Text,
        r#"{"maxsize": 100, "maxage": 0, "maxbackups": 0, "localtime": false, "compress": false}"#,
        "When log files are replaced: megabytes, days and number of old files, local time, compression.",
    ),
    flag(
        "audit-log-path",
        Kind::Text,
        "",
        "File for one line of JSON a request, without values; - for standard output.",
    ),
    flag(
        "audit-log-maxsize",
        Kind::Uint,
        "100",
        "Megabytes at which the audit log is replaced by a fresh file.",
    ),
    flag(
        "audit-log-maxbackup",
        Kind::Uint,
        "0",
        "Old files of the audit log that are kept; 0 for all.",
    ),
    flag(
        "audit-log-maxage",
        Kind::Uint,
        "0",
        "Days for which old files of the audit log are kept; 0 for ever.",
    ),
    flag(
        "audit-policy-file",
        Kind::Text,
        "",
        "Rules (YAML) by user, RPC and prefix that say what the audit log records; without it, all.",
    ),
];

const fn flag(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Flag {
    Flag::new(name, kind, default, help).group(Group::Logging)
}
