//! Long work that nobody waits for at once: it leaves the processor to the threads that serve.

use std::io;
use std::thread;

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
