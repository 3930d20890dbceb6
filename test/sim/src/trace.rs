//! What happened: always as a digest, on demand as text.
//!
//! Two runs of a seed must have the same digest. Text is costly, so a seed that failed is run again
//! with it.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The digest of a run and, if wanted, its last lines.
#[derive(Debug)]
pub(crate) struct Trace {
    hasher: DefaultHasher,
    events: u64,
    lines_max: usize,
    lines: VecDeque<String>,
}

impl Trace {
    /// A trace that keeps so many lines of text.
    pub(crate) fn new(lines_max: usize) -> Self {
        Self {
            // With fixed keys: the same on every machine.
            hasher: DefaultHasher::new(),
            events: 0,
            lines_max,
            lines: VecDeque::new(),
        }
    }

    /// Something that takes part in the digest.
    pub(crate) fn digest(&mut self, what: impl Hash) {
        self.events += 1;
        what.hash(&mut self.hasher);
    }

    /// A line of text, made only when text is wanted.
    pub(crate) fn line(&mut self, now: u64, text: impl FnOnce() -> String) {
        if self.lines_max == 0 {
            return;
        }
        if self.lines.len() >= self.lines_max {
            self.lines.pop_front();
        }
        let (seconds, micros) = (now / 1_000_000, now % 1_000_000);
        self.lines
            .push_back(format!("{seconds:>3}.{micros:06} {}", text()));
    }

    /// Whether lines are kept.
    pub(crate) fn wants_text(&self) -> bool {
        self.lines_max > 0
    }

    /// The digest of everything so far.
    pub(crate) fn finish(&self) -> u64 {
        self.hasher.finish()
    }

    /// How much took part in the digest.
    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    /// The last lines.
    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines.into()
    }
}
