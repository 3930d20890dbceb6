//! Hashing and comparing passwords, on a few threads.
//!
//! A hash takes tens of milliseconds of a core by design. So it never runs on a thread that answers
//! other calls, a storm of logins waits in a bounded queue, and what nobody waits for any more is
//! not computed. Who comes alone is served at full priority, for on a busy machine a login would
//! take seconds without it. Who comes while others are served goes to threads of low priority, and
//! comparing pauses again and again: the storm pays for itself. The threads start with the first
//! password.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use bcrypt::{BcryptError, Version};
use bytes::Bytes;
use parking_lot::Mutex;
use proto::error::{Code, Error};
use rpc::Status;
use tokio::sync::oneshot;

use super::compare;
use crate::gentle::{Way, give_way};

/// What the hash looks at; the rest would be ignored in silence.
const PASSWORD_BYTES_MAX: usize = 72;
/// Jobs that may wait; more are refused.
const WAITING_MAX: usize = 1024;
/// Most threads for a storm; half of the cores is left to those who serve, whatever is asked here.
const THREADS_MAX: usize = 4;

/// While others are served or wait, comparing goes on for so long without a pause…
const STRETCH: Duration = Duration::from_micros(200);
/// …of at least so long; the timer makes it about twice that.
const PAUSE: Duration = Duration::from_micros(50);

type Job = Box<dyn FnOnce(&mut Pace<'_>) + Send>;

/// The threads and what they are told.
#[derive(Debug)]
pub(crate) struct Passwords {
    cost: u32,
    threads: OnceLock<Threads>,
    /// How many jobs wait or are done right now.
    crowd: Arc<AtomicUsize>,
}

/// Where jobs go to.
#[derive(Debug)]
struct Threads {
    /// At full priority, for who comes alone.
    alone: SyncSender<Job>,
    /// For all others.
    storm: SyncSender<Job>,
}

/// How long a thread goes on before it leaves the core to others for a moment.
struct Pace<'a> {
    crowd: &'a AtomicUsize,
    since: Instant,
}

impl Pace<'_> {
    fn step(&mut self) {
        if self.since.elapsed() < STRETCH {
            return;
        }
        if self.crowd.load(Ordering::Relaxed) > 1 {
            thread::sleep(PAUSE);
        }
        self.since = Instant::now();
    }
}

/// One of the crowd, until it is dropped.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Passwords {
    pub(super) fn new(cost: u32) -> Self {
        Self {
            cost,
            threads: OnceLock::new(),
            crowd: Arc::default(),
        }
    }

    /// The hash of a password, in the form that etcd stores.
    ///
    /// # Errors
    /// For a password that is too long, and as [`Passwords::run`].
    pub(crate) async fn hash(&self, password: String) -> Result<String, Status> {
        if password.len() > PASSWORD_BYTES_MAX {
            // In the words of the library that etcd uses.
            let text = "bcrypt: password length exceeds 72 bytes";
            return Err(Status::new(Code::Unknown, text));
        }
        let cost = self.cost;
        let hashed = self.run(move || {
            let hashed = bcrypt::hash_with_result(password, cost)?;
            Ok::<_, BcryptError>(hashed.format_for_version(Version::TwoA))
        });
        // Its errors speak of costs and salts, not of the password.
        hashed
            .await?
            .map_err(|error| crate::services::internal(&error))
    }

    /// Whether a password has this hash.
    ///
    /// # Errors
    /// As [`Passwords::run`].
    pub(crate) async fn fits(&self, hash: Bytes, password: Arc<str>) -> Result<bool, Status> {
        let fits = self.run_paced(move |pace| {
            let hash = std::str::from_utf8(&hash).ok()?;
            // What is no hash fits no password.
            compare::fits(hash, password.as_bytes(), || pace.step())
        });
        Ok(fits.await?.unwrap_or(false))
    }

    /// Does something slow.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`] when too much waits already, [`Error::Stopped`].
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.run_paced(move |_| work()).await
    }

    async fn run_paced<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Pace<'_>) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let threads = self.threads.get_or_init(|| start(&self.crowd));
        let jobs = match self.crowd.fetch_add(1, Ordering::Relaxed) {
            0 => &threads.alone,
            _ => &threads.storm,
        };
        let counted = Counted(Arc::clone(&self.crowd));
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |pace| {
            if answer.is_closed() {
                return;
            }
            let outcome = work(pace);
            // Before the answer is there: who comes next because of it comes alone.
            drop(counted);
            // Whoever asked may have gone away meanwhile.
            let _ = answer.send(outcome);
        });
        match jobs.try_send(job) {
            Ok(()) => answered.await.map_err(|_| Error::Stopped),
            Err(TrySendError::Full(_)) => Err(Error::TooManyRequests),
            Err(TrySendError::Disconnected(_)) => Err(Error::Stopped),
        }
    }
}

/// Starts the threads; they end when the senders are dropped.
fn start(crowd: &Arc<AtomicUsize>) -> Threads {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    Threads {
        alone: start_some(1, 1, None, crowd),
        storm: start_some(
            (cores / 2).clamp(1, THREADS_MAX),
            WAITING_MAX,
            Some(Way::Most),
            crowd,
        ),
    }
}

fn start_some(
    threads: usize,
    waiting_max: usize,
    way: Option<Way>,
    crowd: &Arc<AtomicUsize>,
) -> SyncSender<Job> {
    let (sender, receiver) = sync_channel(waiting_max);
    let receiver = Arc::new(Mutex::new(receiver));
    for _ in 0..threads {
        let (receiver, crowd) = (Arc::clone(&receiver), Arc::clone(crowd));
        let spawned = thread::Builder::new()
            .name("etcd-password".to_owned())
            .spawn(move || {
                if let Some(way) = way {
                    give_way(way);
                }
                work(&receiver, &crowd);
            });
        if let Err(error) = spawned {
            tracing::warn!(%error, "cannot start a thread for passwords");
        }
    }
    sender
}

fn work(receiver: &Mutex<Receiver<Job>>, crowd: &AtomicUsize) {
    loop {
        // The lock is held while waiting: whoever holds it gets the next job.
        let job = receiver.lock().recv();
        match job {
            Ok(job) => {
                let since = Instant::now();
                job(&mut Pace { crowd, since });
            }
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Wake, Waker};

    use super::*;

    fn passwords() -> Passwords {
        Passwords::new(4)
    }

    /// Tells how many were counted when the answer came.
    struct Heard(Arc<AtomicUsize>, SyncSender<usize>);

    impl Wake for Heard {
        fn wake(self: Arc<Self>) {
            let Self(crowd, told) = &*self;
            told.send(crowd.load(Ordering::Relaxed)).unwrap();
        }
    }

    /// Hashes of other servers must be understood, and ours by them.
    #[tokio::test]
    async fn hashes() {
        let passwords = passwords();
        let hash = passwords.hash("pw".to_owned()).await.unwrap();
        assert!(hash.starts_with("$2a$04$") && hash.len() == 60, "{hash}");
        let fits = |hash: &str, password: &str| {
            passwords.fits(Bytes::copy_from_slice(hash.as_bytes()), password.into())
        };
        assert!(fits(&hash, "pw").await.unwrap());
        assert!(!fits(&hash, "pW").await.unwrap());
        assert!(!fits(&hash, "").await.unwrap());
        for none in ["", "pw", "$2a$04$", "$9z$04$abc"] {
            assert!(!fits(none, "pw").await.unwrap(), "{none}");
            assert!(!fits(none, "").await.unwrap(), "{none}");
        }
        let empty = passwords.hash(String::new()).await.unwrap();
        assert!(fits(&empty, "").await.unwrap());
    }

    /// A long password must not be cut in silence.
    #[tokio::test]
    async fn long_passwords() {
        let passwords = passwords();
        assert!(passwords.hash("x".repeat(72)).await.is_ok());
        let refused = passwords.hash("x".repeat(73)).await.unwrap_err();
        assert_eq!(refused.message, "bcrypt: password length exceeds 72 bytes");
    }

    /// What nobody waits for is not computed, and a full queue refuses.
    #[tokio::test]
    async fn the_queue_is_bounded() {
        let passwords = passwords();
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let mut waiting = Vec::new();
        let refused = loop {
            let gate = Arc::clone(&gate);
            let mut job = Box::pin(passwords.run(move || gate.lock().recv().is_ok()));
            let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(job.as_mut().poll(cx)));
            match polled.await {
                std::task::Poll::Pending => waiting.push(job),
                std::task::Poll::Ready(refused) => break refused,
            }
        };
        assert_eq!(refused, Err(Error::TooManyRequests));
        assert!(waiting.len() >= WAITING_MAX);
        drop(open);
        for job in waiting {
            assert_eq!(job.await, Ok(false));
        }
    }

    /// On a machine that is busy with other things, a login must not take seconds.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn only_a_storm_gives_way() {
        let priority = || rustix::process::nice(0).unwrap();
        let passwords = passwords();
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let first = passwords.run(move || (gate.recv().is_err(), priority()));
        let second = async {
            let second = passwords.run(priority).await;
            drop(open);
            second
        };
        let (first, second) = tokio::join!(first, second);
        assert_eq!(first, Ok((true, priority())));
        assert!(second.unwrap() > priority());
    }

    /// Who logs in one time after the other is no storm.
    #[test]
    fn who_has_an_answer_is_not_counted() {
        let passwords = passwords();
        let (told, heard) = sync_channel(1);
        let crowd = Arc::clone(&passwords.crowd);
        let waker = Waker::from(Arc::new(Heard(crowd, told)));
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let mut job = Box::pin(passwords.run(move || gate.recv().is_err()));
        let mut cx = Context::from_waker(&waker);
        assert!(job.as_mut().poll(&mut cx).is_pending());
        drop(open);
        assert_eq!(heard.recv(), Ok(0));
    }
}
