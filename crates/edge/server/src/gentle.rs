//! Long work that nobody waits for at once: it leaves the processor to the threads that serve.

use std::io;
use std::sync::Arc;
use std::thread;

use disk::{File, LockKind};

/// Records after which a thread rests: ten to twenty microseconds of work. A put is handed from thread
/// to thread, and may find one that does not rest before each of them.
const REST_EVERY: u32 = 16;

/// How much a thread gives way to the others where they want all of the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// A third of their share: a snapshot that starves keeps a member behind, and files open.
    Some,
    /// A tenth of their share.
    Most,
}

/// Lets the calling thread give way from now on.
pub(crate) fn give_way(way: Way) {
    let nice = match way {
        Way::Some => 5,
        Way::Most => 10,
    };
    // On Linux this is the thread's own; elsewhere it may be refused, and nothing is lost.
    let _ = rustix::process::nice(nice);
}

/// Does the work on a thread that gives some way, and waits for it.
///
/// # Errors
/// When there is no thread to be had, or it has panicked.
pub(crate) fn run<T: Send>(name: &str, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    let thread = thread::Builder::new().name(name.to_owned());
    thread::scope(|threads| {
        let thread = thread.spawn_scoped(threads, || {
            give_way(Way::Some);
            work()
        })?;
        let done = thread.join();
        done.map_err(|_| io::Error::other("the thread has panicked"))
    })
}

/// Lets whoever waits for the processor have it, at every so many calls.
///
/// Being nice is not enough: it says how much of the processor a thread gets, not when. One that has
/// begun goes on for milliseconds before another, which was woken meanwhile, gets its turn.
pub(crate) fn rests() -> impl FnMut() {
    let mut calls: u32 = 0;
    move || {
        calls = calls.wrapping_add(1);
        if calls.is_multiple_of(REST_EVERY) {
            thread::yield_now();
        }
    }
}

/// A file whose reader rests before each page, as often as who makes use of so many records.
#[derive(Debug)]
pub(crate) struct Resting(Arc<dyn File>);

impl Resting {
    pub(crate) fn of(file: Arc<dyn File>) -> Arc<dyn File> {
        Arc::new(Self(file))
    }
}

impl File for Resting {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        thread::yield_now();
        self.0.read_exact_at(buf, offset)
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(buf, offset)
    }

    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn try_lock(&self, kind: LockKind) -> io::Result<()> {
        self.0.try_lock(kind)
    }
}
