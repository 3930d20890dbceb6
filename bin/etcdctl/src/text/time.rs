//! Moments for log lines: UTC, to the microsecond.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The current moment as RFC 3339.
pub(crate) fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    rfc3339(since.unwrap_or_default())
}

fn rfc3339(since_epoch: Duration) -> String {
    let seconds = since_epoch.as_secs();
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let micros = since_epoch.subsec_micros();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

/// The Gregorian date of a day since 1970-01-01, counted in years that begin in March, so that
/// the leap day is the last one.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let leaps = day_of_era / 1460;
    let year_of_era = (day_of_era - leaps + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Log lines of several programs are merged by this text.
    #[test]
    fn dates_are_right_around_leap_days() {
        let at = |seconds| rfc3339(Duration::new(seconds, 9_370_000));
        assert_eq!(at(0), "1970-01-01T00:00:00.009370Z");
        assert_eq!(at(951_782_399), "2000-02-28T23:59:59.009370Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00.009370Z");
        assert_eq!(at(1_795_257_599), "2026-11-21T10:39:59.009370Z");
    }
}
