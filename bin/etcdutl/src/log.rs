//! Log lines on standard error, in the columns that etcdutl has: time, level, place, message,
//! details; and how far long work is, if somebody watches.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

/// How often a terminal is told how far the work is.
const REPORT_EVERY: Duration = Duration::from_millis(200);

/// Says that something was done; `place` names the part of the program.
pub(crate) fn info(place: &str, message: &str, details: &[(&str, Value)]) {
    line("info", place, message, details);
}

/// Says that something is not as it should be.
pub(crate) fn warn(place: &str, message: &str, details: &[(&str, Value)]) {
    line("warn", place, message, details);
}

fn line(level: &str, place: &str, message: &str, details: &[(&str, Value)]) {
    let details: Map<String, Value> = details
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    let details = match details.is_empty() {
        true => String::new(),
        false => format!("\t{}", Value::Object(details)),
    };
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let time = rfc3339(since.unwrap_or_default().as_secs());
    eprintln!("{time}\t{level}\t{place}\t{message}{details}");
}

fn rfc3339(seconds: u64) -> String {
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
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
    let month = (march_month + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

/// How far a piece of work is, on one line of a terminal; in a pipe nothing is said.
pub(crate) struct Meter {
    what: &'static str,
    shown: Option<Instant>,
    is_watched: bool,
}

impl Meter {
    /// Nothing is shown before the first step.
    pub(crate) fn new(what: &'static str) -> Self {
        Self {
            what,
            shown: None,
            is_watched: std::io::stderr().is_terminal(),
        }
    }

    /// So much of the whole is done.
    pub(crate) fn step(&mut self, done: u64, total: u64) {
        let is_due = self.shown.is_none_or(|at| at.elapsed() >= REPORT_EVERY);
        if self.is_watched && is_due {
            self.shown = Some(Instant::now());
            let percent = done.min(total) * 100 / total.max(1);
            eprint!("\r{}: {percent} %", self.what);
            // A terminal that is gone is no reason to stop.
            let _ = std::io::stderr().flush();
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if self.shown.is_some() {
            eprint!("\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines are sorted by their time.
    #[test]
    fn moments() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_827_696), "2000-02-29T12:34:56Z");
        assert_eq!(rfc3339(1_735_689_599), "2024-12-31T23:59:59Z");
    }
}
