//! Log lines on standard error, in the columns that etcdutl has: time, level, place, message,
//! details; and how far long work is, if somebody watches.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;

/// How often a terminal is told how far the work is.
const REPORT_EVERY: Duration = Duration::from_millis(200);

/// Says that something was done; `place` names the part of the program.
pub(crate) fn info(place: &str, message: &str, details: &[(&str, Value)]) {
    line("info", place, message, details);
}

/// Says that something went wrong.
pub(crate) fn error(place: &str, message: &str, details: &[(&str, Value)]) {
    line("error", place, message, details);
}

fn line(level: &str, place: &str, message: &str, details: &[(&str, Value)]) {
    let details: Vec<String> = details
        .iter()
        .map(|(name, value)| format!("\"{name}\": {value}"))
        .collect();
    let details = match details.is_empty() {
        true => String::new(),
        false => format!("\t{{{}}}", details.join(", ")),
    };
    let now = Timestamp::now();
    eprintln!("{now:.0}\t{level}\t{place}\t{message}{details}");
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
