//! Compaction, checks and warnings.

use super::{Effect, Flag, Group, Kind};

pub(super) const FLAGS: &[Flag] = &[
    Flag::new(
        "auto-compaction-mode",
        Kind::Text,
        "periodic",
        "What --auto-compaction-retention counts: periodic or revision.",
    ),
    Flag::new(
        "auto-compaction-retention",
        Kind::Text,
        "0",
        "History that is kept: hours or a duration, or a number of revisions; 0 for all.",
    ),
    Flag::new(
        "compaction-batch-limit",
        Kind::Int,
        "0",
        "Keys that a step of a compaction looks at; 0 for 1000.",
    ),
    Flag::new(
        "compaction-sleep-interval",
        Kind::Duration,
        "0",
        "Pause between two steps of a compaction; 0 for 10ms.",
    ),
    Flag::new(
        "corrupt-check-time",
        Kind::Duration,
        "0s",
        "Time between two comparisons of the members' data; 0 for never.",
    ),
    Flag::new(
        "compact-hash-check-time",
        Kind::Duration,
        "1m",
        "Time between two comparisons of the members' compactions.",
    ),
    Flag::new(
        "watch-progress-notify-interval",
        Kind::Duration,
        "0",
        "Time between two progress notices to watchers that ask for them; 0 for 10m.",
    ),
    Flag::new(
        "warning-apply-duration",
        Kind::Duration,
        "100ms",
        "Time of applying from which a warning is logged.",
    ),
    Flag::new(
        "warning-unary-request-duration",
        Kind::Duration,
        "300ms",
        "Time of a call from which a warning is logged; 0 for 300ms.",
    ),
    Flag {
        group: Group::Features,
        effect: Effect::Built,
        ..Flag::new(
            "feature-gates",
            Kind::Gates,
            "",
            "Parts that are switched: Name=true,Name=false.",
        )
    },
];
