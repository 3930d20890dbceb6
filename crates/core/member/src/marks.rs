//! When the log is marked: a restart then begins at the mark instead of at the beginning.

use types::{ConfState, Index, SnapshotMark, Term};

/// Decides on marks from how far the store has come.
#[derive(Debug)]
pub(crate) struct Marks {
    every: u64,
    last: Index,
    stored: Index,
    term: Term,
    conf_changed: Index,
}

impl Marks {
    /// A mark every `every` entries; the newest one stands at `last`.
    pub(crate) fn new(every: u64, last: Index) -> Self {
        Self {
            every: every.max(1),
            last,
            stored: last,
            term: Term(0),
            conf_changed: last,
        }
    }

    /// The store holds everything up to `index`, an entry of `term`, durably.
    pub(crate) fn stored(&mut self, index: Index, term: Term) {
        if index > self.stored {
            (self.stored, self.term) = (index, term);
        }
    }

    /// The log begins anew at `index`, with a snapshot that a leader sent.
    pub(crate) fn received(&mut self, index: Index) {
        (self.last, self.conf_changed) = (index, index);
    }

    /// The configuration changed with the entry at `index`.
    pub(crate) fn conf_changed(&mut self, index: Index) {
        self.conf_changed = self.conf_changed.max(index);
    }

    /// How far the store has come.
    pub(crate) fn stored_index(&self) -> Index {
        self.stored
    }

    /// The mark that is due, if any; `conf` is asked for only then.
    ///
    /// The mark carries the configuration of its index, so it has to stand at or after the last
    /// change of it.
    pub(crate) fn due(&mut self, conf: impl FnOnce() -> ConfState) -> Option<SnapshotMark> {
        let at = self.stored;
        if at.0 < self.last.0 + self.every || at < self.conf_changed {
            return None;
        }
        let mark = SnapshotMark {
            index: at,
            term: self.term,
            conf: Some(conf()),
        };
        self.last = at;
        Some(mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(marks: &mut Marks) -> Option<Index> {
        marks.due(ConfState::default).map(|mark| mark.index)
    }

    /// A mark past what the store holds would lose acknowledged writes at the next start.
    #[test]
    fn marks_follow_the_store() {
        let mut marks = Marks::new(10, Index(5));
        assert_eq!(due(&mut marks), None);
        marks.stored(Index(14), Term(1));
        assert_eq!(due(&mut marks), None);
        marks.stored(Index(15), Term(1));
        marks.conf_changed(Index(16));
        assert_eq!(due(&mut marks), None);
        marks.stored(Index(17), Term(1));
        assert_eq!(due(&mut marks), Some(Index(17)));
        assert_eq!(due(&mut marks), None);
    }
}
