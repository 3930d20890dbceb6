//! A value made from files, made again when one of them has changed.
//!
//! Files are compared by what the system says of them, so a look costs a few microseconds and no
//! reading. Renaming a new file over an old one, and writing into it, are both seen.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;

/// What tells one state of a file from another: device, inode, length, and two times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp([i128; 5]);

/// A value and the state of the files that it was made from.
pub(crate) struct Fresh<T> {
    paths: Vec<PathBuf>,
    /// Held while a value is made: others wait for it instead of making it too.
    state: Mutex<State<T>>,
}

struct State<T> {
    stamps: Vec<Option<Stamp>>,
    value: Arc<T>,
}

impl<T> Fresh<T> {
    /// Makes the first value.
    pub(crate) fn new<E>(
        paths: Vec<PathBuf>,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<Self, E> {
        // Looked at before they are read: a change in between is seen as one the next time.
        let stamps = stamps(&paths);
        let value = Arc::new(make()?);
        let state = Mutex::new(State { stamps, value });
        Ok(Self { paths, state })
    }

    /// The value of the files as they are; the error when they cannot be used.
    ///
    /// After an error the files are read again at the next look, whether or not they changed.
    pub(crate) fn get<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        let stamps = stamps(&self.paths);
        let mut state = self.state.lock();
        if state.stamps != stamps {
            state.value = Arc::new(make()?);
            state.stamps = stamps;
        }
        Ok(Arc::clone(&state.value))
    }

    /// The last value that could be made.
    pub(crate) fn last(&self) -> Arc<T> {
        Arc::clone(&self.state.lock().value)
    }
}

fn stamps(paths: &[PathBuf]) -> Vec<Option<Stamp>> {
    let stamp = |path: &PathBuf| {
        let data = fs::metadata(path).ok()?;
        Some(Stamp([
            data.dev().into(),
            data.ino().into(),
            data.len().into(),
            nanoseconds(data.mtime(), data.mtime_nsec()),
            nanoseconds(data.ctime(), data.ctime_nsec()),
        ]))
    };
    paths.iter().map(stamp).collect()
}

fn nanoseconds(seconds: i64, rest: i64) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(rest)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// A renewed certificate that is not seen takes the cluster down when the old one expires.
    #[test]
    fn changes_are_seen_and_others_cost_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let read = || fs::read_to_string(&path);
        fs::write(&path, "one").unwrap();
        let fresh = Fresh::new(vec![path.clone()], read).unwrap();
        let unread = || -> Result<String, Infallible> { panic!("nothing has changed") };
        assert_eq!(*fresh.get(unread).unwrap(), "one");

        fs::write(&path, "written").unwrap();
        assert_eq!(*fresh.get(read).unwrap(), "written");
        let other = dir.path().join("b");
        fs::write(&other, "renamed").unwrap();
        fs::rename(&other, &path).unwrap();
        assert_eq!(*fresh.get(read).unwrap(), "renamed");

        fs::remove_file(&path).unwrap();
        assert!(fresh.get(read).is_err());
        assert!(fresh.get(read).is_err());
        assert_eq!(*fresh.last(), "renamed");
    }
}
