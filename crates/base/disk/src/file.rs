//! What an open file can do for the layers above.

use std::io;

/// An open file. All offsets and lengths are in bytes.
#[expect(
    clippy::len_without_is_empty,
    reason = "a length that can fail is not a container's"
)]
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
    /// Writes zeros at `offset`, growing the file where needed.
    ///
    /// Small writes over them later cost no more than their own pages: the page cache of Linux keeps
    /// what one large write brought as one piece, and a sync after a small change writes all of it.
    ///
    /// # Errors
    /// As [`File::write_all_at`].
    fn write_zeros_at(&self, len: usize, offset: u64) -> io::Result<()> {
        self.write_all_at(&vec![0; len], offset)
    }
    /// The length of the file.
    ///
    /// # Errors
    /// As the operating system reports them.
    fn len(&self) -> io::Result<u64>;
    /// Where at or after `offset` something may be other than zero; nothing when all is zeros to the
    /// end. A hole need not be read.
    ///
    /// # Errors
    /// As the operating system reports them.
    fn next_data(&self, offset: u64) -> io::Result<Option<u64>> {
        Ok(Some(offset))
    }
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

/// Which of the two kinds of lock etcd takes; they do not see each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// `flock(LOCK_EX)`: the database file.
    Flock,
    /// An open-file-description lock over the whole file (`F_OFD_SETLK`): WAL segments.
    Ofd,
}
