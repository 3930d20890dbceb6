//! What history is kept: `--auto-compaction-mode` and `--auto-compaction-retention`.

use std::time::Duration;

use server::engine::CompactionPolicy;

use crate::flags::settings::Settings;
use notation::duration::{DurationError, GoDuration};

const HOUR: u64 = 3600;

/// The retention is neither a number nor a duration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("error parsing CompactionRetention: {0}")]
pub(crate) struct RetentionError(#[from] DurationError);

/// The retention as a duration; of revisions, as nanoseconds.
pub(crate) fn retention(settings: &Settings) -> Result<GoDuration, RetentionError> {
    let text = settings.text("auto-compaction-retention");
    let by_revision = settings.text("auto-compaction-mode") == "revision";
    match text.parse::<i64>() {
        Ok(number) if number >= 0 && by_revision => Ok(GoDuration(number)),
        Ok(number) if number >= 0 => {
            let seconds = u64::try_from(number)
                .unwrap_or_default()
                .saturating_mul(HOUR);
            Ok(GoDuration::from_millis(seconds.saturating_mul(1000)))
        }
        _ => Ok(GoDuration::parse(text)?),
    }
}

/// The policy; none if all history is kept.
pub(crate) fn policy(settings: &Settings) -> Result<Option<CompactionPolicy>, RetentionError> {
    let retention = retention(settings)?;
    let by_revision = settings.text("auto-compaction-mode") == "revision";
    let policy = |kept: Duration| match by_revision {
        true => CompactionPolicy::Revisions(retention.0),
        false => CompactionPolicy::Period(kept),
    };
    Ok(retention.positive().map(policy))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::settings::Source;
    use crate::flags::value::Value;

    fn with(mode: &str, retention: &str) -> Result<Option<CompactionPolicy>, String> {
        let mut settings = Settings::default();
        for (name, text) in [
            ("auto-compaction-mode", mode),
            ("auto-compaction-retention", retention),
        ] {
            settings.set(name, Value::Text(text.to_owned()), Source::Flag);
        }
        policy(&settings).map_err(|error| error.to_string())
    }

    /// An hour taken for a revision would throw all history away.
    #[test]
    fn retentions() {
        let period = |seconds| Ok(Some(CompactionPolicy::Period(Duration::from_secs(seconds))));
        assert_eq!(with("periodic", "0"), Ok(None));
        assert_eq!(with("periodic", "2"), period(7200));
        assert_eq!(with("periodic", "5m"), period(300));
        assert_eq!(
            with("revision", "1000"),
            Ok(Some(CompactionPolicy::Revisions(1000)))
        );
        assert_eq!(
            with("periodic", "xyz").unwrap_err(),
            "error parsing CompactionRetention: time: invalid duration \"xyz\""
        );
        assert!(with("periodic", "-1").is_err());
    }
}
