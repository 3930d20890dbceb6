//! Files and directories as the layers above see them: two traits, one real and one faulty
//! in-memory implementation.
//!
//! Everything below the edge reaches files only through [`Dir`] and [`File`], so that the whole of
//! a member can run in the simulator with torn writes, lost un-synced writes, full disks and
//! flipped bits. A failed sync is reported once and must stop the member: nothing here retries.

use std::io;
use std::sync::Arc;

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

/// An open file. All offsets and lengths are in bytes.
pub trait File: Send + Sync + std::fmt::Debug {
    /// Reads exactly `buf.len()` bytes at `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file ends before.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes all of `buf` at `offset`, growing the file where needed.
    ///
    /// # Errors
    /// `StorageFull` and others; a part of `buf` may have been written.
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()>;
    /// The length of the file.
    ///
    /// # Errors
    /// As the operating system reports them.
    fn len(&self) -> io::Result<u64>;
    /// Cuts the file, or grows it with zeros (sparse: no blocks are reserved).
    ///
    /// # Errors
    /// As the operating system reports them.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes contents and length durable (`fdatasync`).
    ///
    /// # Errors
    /// Never retried: the caller stops the member.
    fn sync_data(&self) -> io::Result<()>;
    /// Takes an exclusive lock without waiting; held until the file is dropped.
    ///
    /// # Errors
    /// `WouldBlock` when another process (or open file) holds it.
    fn try_lock(&self, kind: LockKind) -> io::Result<()>;
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

/// Which of the two kinds of lock etcd takes; they do not see each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// `flock(LOCK_EX)`: the database file.
    Flock,
    /// An open-file-description lock over the whole file (`F_OFD_SETLK`): WAL segments.
    Ofd,
}
