//! When groups of entries were written and applied, so that a traced request can be told its way.
//!
//! One note a group, and none unless traces are on. What is long past is forgotten.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use types::Index;

/// Groups that are remembered: more than wait at any time.
const GROUPS_MAX: usize = 4096;

/// When something was done with a group of entries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage {
    /// The last entry of the group.
    last: Index,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
}

/// The stages of recent groups.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    is_on: AtomicBool,
    written: Mutex<VecDeque<Stage>>,
    applied: Mutex<VecDeque<Stage>>,
}

impl Timeline {
    /// Notes are taken from now on.
    pub(crate) fn switch_on(&self) {
        self.is_on.store(true, Ordering::Relaxed);
    }

    /// The log holds everything up to `last`.
    pub(crate) fn written(&self, last: Option<Index>, began: Instant) {
        if let Some(last) = last {
            self.note(&self.written, last, began);
        }
    }

    /// Everything up to `last` is applied.
    pub(crate) fn applied(&self, last: Index, began: Instant) {
        self.note(&self.applied, last, began);
    }

    fn note(&self, stages: &Mutex<VecDeque<Stage>>, last: Index, began: Instant) {
        if !self.is_on.load(Ordering::Relaxed) {
            return;
        }
        let ended = Instant::now();
        let mut stages = stages.lock();
        if stages.len() >= GROUPS_MAX {
            stages.pop_front();
        }
        stages.push_back(Stage { last, began, ended });
    }

    /// When an entry was written, and when it was applied, as far as that is remembered.
    pub(crate) fn of(&self, index: Index) -> (Option<Stage>, Option<Stage>) {
        (find(&self.written, index), find(&self.applied, index))
    }
}

/// The newest first group that reaches the entry: a log that was cut writes it again.
fn find(stages: &Mutex<VecDeque<Stage>>, index: Index) -> Option<Stage> {
    let stages = stages.lock();
    let reaching = stages.iter().rev().take_while(|stage| stage.last >= index);
    reaching.last().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A span that is given to the wrong group tells of another request's wait.
    #[test]
    fn groups() {
        let timeline = Timeline::default();
        timeline.applied(Index(1), Instant::now());
        assert!(timeline.of(Index(1)).1.is_none(), "nobody asked for notes");
        timeline.switch_on();
        for last in [3, 5, 9] {
            timeline.applied(Index(last), Instant::now());
        }
        for (index, last) in [
            (1, Some(3)),
            (3, Some(3)),
            (4, Some(5)),
            (9, Some(9)),
            (10, None),
        ] {
            let found = timeline.of(Index(index)).1.map(|stage| stage.last.0);
            assert_eq!(found, last, "{index}");
        }
        for last in 10..10 + GROUPS_MAX as u64 {
            timeline.written(Some(Index(last)), Instant::now());
        }
        timeline.written(None, Instant::now());
        assert_eq!(timeline.written.lock().len(), GROUPS_MAX);
    }
}
