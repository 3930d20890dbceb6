//! The two kinds of whole-file lock that etcd takes, on a real file.
//!
//! `fcntl(F_OFD_SETLK)` has no safe wrapper among our dependencies, so the one call is here.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use rustix::fs::{FlockOperation, flock};

use crate::LockKind;

/// Takes the lock exclusively or fails with `WouldBlock`.
pub(crate) fn try_lock(file: &File, kind: LockKind) -> io::Result<()> {
    match kind {
        LockKind::Flock => try_flock(file),
        // etcd falls back in the same way where the kernel lacks these locks.
        LockKind::Ofd => match try_ofd(file) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => try_flock(file),
            other => other,
        },
    }
}

fn try_flock(file: &File) -> io::Result<()> {
    Ok(flock(file, FlockOperation::NonBlockingLockExclusive)?)
}

#[expect(unsafe_code, reason = "no dependency wraps F_OFD_SETLK")]
fn try_ofd(file: &File) -> io::Result<()> {
    // SAFETY: `flock` is plain old data for which all zeros is a value: start 0, length 0 (to the
    // end of the file, however it grows) and pid 0, which these locks require.
    let mut range: libc::flock = unsafe { std::mem::zeroed() };
    range.l_type = libc::F_WRLCK as libc::c_short;
    range.l_whence = libc::SEEK_SET as libc::c_short;
    // SAFETY: the descriptor is open for as long as `file` is borrowed, and `range` outlives the
    // call, which only reads it.
    let outcome = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const range) };
    if outcome == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    // POSIX lets a held lock be reported as either.
    match error.raw_os_error() {
        Some(libc::EACCES | libc::EAGAIN) => Err(io::ErrorKind::WouldBlock.into()),
        _ => Err(error),
    }
}
