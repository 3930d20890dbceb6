//! What the crates below log through `tracing` becomes lines of the logger.

use std::error::Error;
use std::fmt;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

use super::line::{Caller, Line, Members};
use super::{Level, Logger};

/// Libraries whose details nobody asks for, whatever the level.
const QUIET: [&str; 8] = [
    "h2",
    "hyper",
    "hyper_util",
    "mio",
    "tokio",
    "tokio_util",
    "tonic",
    "tower",
];

/// Leads events to a logger.
struct Lines(Logger);

/// Makes the logger the one of all threads; the first call counts.
pub(crate) fn install(logger: &Logger) {
    let subscriber = tracing_subscriber::registry().with(Lines(logger.clone()));
    // A second logger of one process exists in tests only.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

impl Lines {
    fn filter(&self) -> LevelFilter {
        match self.0.level() {
            Level::Debug => LevelFilter::DEBUG,
            Level::Info => LevelFilter::INFO,
            Level::Warn => LevelFilter::WARN,
            Level::Error => LevelFilter::ERROR,
            Level::Dpanic | Level::Panic | Level::Fatal => LevelFilter::OFF,
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let from = metadata.target().split("::").next().unwrap_or_default();
        let details = *metadata.level() > tracing::Level::WARN;
        metadata.is_event()
            && *metadata.level() <= self.filter()
            && !(details && QUIET.contains(&from))
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.filter())
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut parts = Parts {
            message: String::new(),
            logger: None,
            members: self.0.members(),
        };
        event.record(&mut parts);
        self.0.write(&Line {
            level: Level::from(*metadata.level()),
            logger: parts.logger.as_deref(),
            caller: Caller {
                module: metadata.target(),
                file: metadata.file().unwrap_or_default(),
                line: metadata.line().unwrap_or_default(),
            },
            message: &parts.message,
            members: &parts.members,
        });
    }
}

/// The parts of a line that an event names.
struct Parts {
    message: String,
    logger: Option<String>,
    members: Members,
}

impl Visit for Parts {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            "logger" => self.logger = Some(value.to_owned()),
            name => self.members.push_text(name, value),
        }
    }

    /// A list of texts looks as in JSON, and becomes one there.
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        match text.starts_with('[') && serde_json::from_str::<Vec<String>>(&text).is_ok() {
            true => self.members.push_literal(field.name(), text),
            false => self.record_str(field, &text),
        }
    }

    /// An error and what it came from.
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.record_str(field, &crate::failure::chain(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.members.push_literal(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.members.push_literal(field.name(), value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.members.push_literal(field.name(), value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.members.push_literal(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.members.push_literal(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        match value.is_finite() {
            true => self.members.push_literal(field.name(), value),
            // JSON has no number for it.
            false => self.members.push_text(field.name(), &value.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Output;
    use super::super::line::Format;
    use super::*;

    /// Runs `log` with a logger that writes to a file; gives the lines as JSON.
    fn lines(level: Level, log: impl FnOnce()) -> Vec<serde_json::Value> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let logger = Logger::new(level, Format::Json, vec![Output::file(&path).unwrap()]);
        let subscriber = tracing_subscriber::registry().with(Lines(logger));
        tracing::subscriber::with_default(subscriber, log);
        let text = std::fs::read_to_string(&path).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// What the engine logs must be found under the names that dashboards use.
    #[test]
    fn fields_keep_their_names_and_kinds() {
        let lines = lines(Level::Info, || {
            let error = std::io::Error::other("disk");
            let error: &(dyn Error + 'static) = &error;
            let urls = ["http://a:1"];
            tracing::info!("local-member-id" = %"8e9e05c52164694d", count = 3_u64, ?urls, "became {}", "leader");
            tracing::warn!(logger = "raft", error, took = ?std::time::Duration::from_millis(100), on = true, "slow");
            tracing::debug!("not seen");
            let _span = tracing::info_span!("not seen").entered();
        });
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["msg"], "became leader");
        assert_eq!(lines[0]["local-member-id"], "8e9e05c52164694d");
        assert_eq!(lines[0]["count"], 3);
        assert_eq!(lines[0]["urls"], serde_json::json!(["http://a:1"]));
        let caller = lines[0]["caller"].as_str().unwrap();
        assert!(caller.starts_with("logging/layer.rs:"), "{caller}");
        assert_eq!(lines[1]["logger"], "raft");
        assert_eq!(lines[1]["error"], "disk");
        assert_eq!(lines[1]["took"], "100ms");
        assert_eq!(lines[1]["on"], true);
    }

    #[test]
    fn libraries_are_quiet() {
        let lines = lines(Level::Debug, || {
            tracing::debug!(target: "h2::codec", "frame");
            tracing::warn!(target: "h2::codec", "flood");
            tracing::debug!("seen");
        });
        assert_eq!(lines.len(), 2);
    }
}
