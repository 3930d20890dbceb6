//! A bar on the terminal that grows with the work.

use std::io::{IsTerminal as _, Write as _, stderr};

/// Letters between the brackets.
const WIDTH: u64 = 60;

/// A bar; without a terminal there is none.
pub(super) struct Progress {
    total: u64,
    shown: Option<u64>,
    visible: bool,
}

impl Progress {
    pub(super) fn new(total: u64) -> Self {
        Self {
            total: total.max(1),
            shown: None,
            visible: stderr().is_terminal(),
        }
    }

    /// Draws the bar anew when it has changed.
    pub(super) fn set(&mut self, done: u64) {
        let done = done.min(self.total);
        let filled = done * WIDTH / self.total;
        if !self.visible || self.shown == Some(filled) {
            return;
        }
        self.shown = Some(filled);
        let bar: String = (0..WIDTH)
            .map(|at| if at < filled { '=' } else { '_' })
            .collect();
        eprint!(
            "\r{done} / {} [{bar}] {}%",
            self.total,
            done * 100 / self.total
        );
        // A bar that cannot be drawn must not stop the work.
        let _ = stderr().flush();
    }

    /// Ends the line of the bar.
    pub(super) fn finish(&mut self) {
        self.set(self.total);
        if self.visible {
            eprintln!();
        }
    }
}
