//! What a directory can do for the layers above.

use std::io;
use std::sync::Arc;

use crate::File;

/// A directory and what is below it. Paths are relative, `/`-separated, without `.` or `..`.
pub trait Dir: Send + Sync + std::fmt::Debug {
    /// Opens or creates a file as `mode` says. New files have mode 0600.
    ///
    /// # Errors
    /// As the operating system reports them; `NotFound`, `AlreadyExists`, `StorageFull`.
    fn open(&self, path: &str, mode: OpenMode) -> io::Result<Arc<dyn File>>;
    /// Creates a directory and its missing parents with mode 0700.
    ///
    /// # Errors
    /// As the operating system reports them.
    fn create_dir_all(&self, path: &str) -> io::Result<()>;
    /// The names of the entries of a directory, sorted.
    ///
    /// # Errors
    /// As the operating system reports them.
    fn list(&self, path: &str) -> io::Result<Vec<String>>;
    /// Renames a file or directory, replacing a file of that name.
    ///
    /// # Errors
    /// As the operating system reports them.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    /// As the operating system reports them.
    fn remove(&self, path: &str) -> io::Result<()>;
    /// Removes an empty directory.
    ///
    /// # Errors
    /// As the operating system reports them; `DirectoryNotEmpty`.
    fn remove_dir(&self, path: &str) -> io::Result<()>;
    /// Whether a file or directory of that name exists.
    ///
    /// # Errors
    /// As the operating system reports them.
    fn exists(&self, path: &str) -> io::Result<bool>;
    /// Makes creations, renames and removals in the directory `path` durable.
    ///
    /// # Errors
    /// As the operating system reports them. Never retried.
    fn sync_dir(&self, path: &str) -> io::Result<()>;
    /// A sub-directory as a directory of its own (it need not exist yet).
    fn sub(&self, path: &str) -> Arc<dyn Dir>;
    /// The name to use in messages: the real path, or the simulated one.
    fn describe(&self, path: &str) -> String;
}

/// How [`Dir::open`] opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// An existing file, for reading.
    Read,
    /// An existing file, for reading and writing.
    Write,
    /// A new file, for reading and writing; `AlreadyExists` if there is one.
    CreateNew,
    /// For reading and writing; created when missing, emptied when present.
    Truncate,
}
