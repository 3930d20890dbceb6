//! Long work that nobody waits for at once: it leaves the processor to the threads that serve.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use disk::{File, LockKind};

/// Records after which a thread rests: about a hundred microseconds of work. Each rest may cost it a
/// slice where others want all of the processor.
const REST_EVERY: u32 = 128;

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

/// Pages after which a reader rests, as long as it takes to make use of so many records.
const REST_EVERY_PAGES: u32 = 8;

/// A file whose reader rests now and then.
#[derive(Debug)]
pub(crate) struct Resting {
    file: Arc<dyn File>,
    reads: AtomicU32,
}

impl Resting {
    pub(crate) fn of(file: Arc<dyn File>) -> Arc<dyn File> {
        let reads = AtomicU32::new(0);
        Arc::new(Self { file, reads })
    }
}

impl File for Resting {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let reads = self.reads.fetch_add(1, Ordering::Relaxed);
        if reads.is_multiple_of(REST_EVERY_PAGES) {
            thread::yield_now();
        }
        self.file.read_exact_at(buf, offset)
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(buf, offset)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn try_lock(&self, kind: LockKind) -> io::Result<()> {
        self.file.try_lock(kind)
    }
}
