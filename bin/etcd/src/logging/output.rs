//! Where lines go.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use super::journal::Journal;
use super::level::Level;
use super::rotation::Rotating;

/// One destination; each line reaches it by one write.
#[derive(Debug)]
pub(super) enum Output {
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
    /// A file that is appended to.
    File(File),
    /// A file that is replaced when it is large.
    Rotating(Rotating),
    /// The system's journal.
    Journal(Journal),
}

impl Output {
    /// Opens a file for appending; it is made if it does not exist.
    pub(super) fn file(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        Ok(Self::File(file))
    }

    /// Writes a line with its line feed. A line that cannot be written is lost: there is nowhere
    /// to say so.
    pub(super) fn write(&self, level: Level, line: &str) {
        let bytes = line.as_bytes();
        let _ = match self {
            Self::Stderr => io::stderr().lock().write_all(bytes),
            Self::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(bytes).and_then(|()| out.flush())
            }
            Self::File(file) => (&*file).write_all(bytes),
            Self::Rotating(file) => file.write(bytes),
            Self::Journal(journal) => journal.write(level, line),
        };
    }
}
