//! Log lines.

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
];

const fn flag(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Flag {
    Flag::new(name, kind, default, help).group(Group::Logging)
}
