//! Samples of running code: a hundred a second of CPU time, over all threads together.
//!
//! The kernel interrupts whichever thread spends the time. The handler walks that thread's stack into
//! memory that was allocated before, and does nothing else; names are looked up when it is over.
#![expect(
    unsafe_code,
    reason = "walking a stack inside a signal's handler, and setting the timer that sends it"
)]

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use signal_hook::SigId;
use signal_hook::consts::SIGPROF;
use signal_hook::low_level;

use crate::Stack;
use crate::pprof::{Counted, Profile};

/// Samples in a second of CPU time, as in Go.
const HERTZ: u32 = 100;
/// Longest time that can be asked for.
pub const LONGEST: Duration = Duration::from_secs(300);
/// Frames of a stack that are kept, from the innermost on.
const DEPTH: usize = 64;
/// Samples beyond which further ones are dropped.
const SAMPLES_MAX: usize = 1 << 16;

/// One at a time: there is one timer.
static IS_RUNNING: AtomicBool = AtomicBool::new(false);

/// Why there is no profile.
#[derive(Debug, thiserror::Error)]
pub enum CpuError {
    /// There is one timer.
    #[error("cpu profiling already in use")]
    Busy,
    /// The kernel does not let.
    #[error("cannot sample")]
    Kernel(#[from] io::Error),
}

/// A profile in the making; dropping it stops the timer.
#[derive(Debug)]
pub struct Running {
    samples: Arc<Samples>,
    handler: SigId,
    began: Instant,
    at: SystemTime,
}

#[derive(Debug)]
struct Samples {
    next: AtomicUsize,
    slots: Box<[Slot]>,
}

#[derive(Debug)]
struct Slot {
    depth: AtomicUsize,
    frames: [AtomicUsize; DEPTH],
}

impl Default for Slot {
    fn default() -> Self {
        Self {
            depth: AtomicUsize::new(0),
            frames: [const { AtomicUsize::new(0) }; DEPTH],
        }
    }
}

impl Samples {
    fn new(longest: Duration, cores: usize) -> Self {
        let seconds = longest.as_secs_f64().ceil() as usize + 1;
        let wanted = seconds.saturating_mul(cores).saturating_mul(HERTZ as usize);
        let slots = 0..wanted.min(SAMPLES_MAX) + 1;
        Self {
            next: AtomicUsize::new(0),
            slots: slots.map(|_| Slot::default()).collect(),
        }
    }

    /// Takes a sample of the interrupted thread. Called by the handler: it allocates nothing, takes no
    /// lock and does not panic.
    fn take(&self) {
        let at = self.next.fetch_add(1, Ordering::Relaxed);
        let Some(slot) = self.slots.get(at) else {
            return;
        };
        let mut depth = 0;
        // SAFETY: the function must not run twice at once for the sake of the look-up of names, which is
        // not used here: walking reads the thread's own stack and the tables of loaded code, which this
        // program never unloads.
        unsafe {
            backtrace::trace_unsynchronized(|frame| {
                if let Some(place) = slot.frames.get(depth) {
                    place.store(frame.ip() as usize, Ordering::Relaxed);
                    depth += 1;
                }
                depth < DEPTH
            });
        }
        slot.depth.store(depth, Ordering::Release);
    }

    fn stack(&self, at: usize) -> Option<Stack> {
        let slot = self.slots.get(at)?;
        let depth = slot.depth.load(Ordering::Acquire);
        let frames = slot.frames.get(..depth)?;
        Some(frames.iter().map(|ip| ip.load(Ordering::Relaxed)).collect())
    }
}

impl Running {
    /// Starts to sample, for `longest` at most.
    ///
    /// # Errors
    /// [`CpuError`].
    pub fn start(longest: Duration) -> Result<Self, CpuError> {
        if IS_RUNNING.swap(true, Ordering::AcqRel) {
            return Err(CpuError::Busy);
        }
        let started = Self::sample(longest.min(LONGEST));
        if started.is_err() {
            IS_RUNNING.store(false, Ordering::Release);
        }
        Ok(started?)
    }

    fn sample(longest: Duration) -> io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let samples = Arc::new(Samples::new(longest, cores));
        let taking = Arc::clone(&samples);
        // SAFETY: the handler only does what may be done in one, see `take`.
        let handler = unsafe { low_level::register(SIGPROF, move || taking.take()) }?;
        // The first sample is of this thread: how every sample begins, in the handler itself.
        let began = low_level::raise(SIGPROF).and_then(|()| set_timer(1_000_000 / HERTZ));
        if let Err(error) = began {
            low_level::unregister(handler);
            return Err(error);
        }
        Ok(Self {
            samples,
            handler,
            began: Instant::now(),
            at: SystemTime::now(),
        })
    }

    /// Stops, and encodes what was seen. Looking up names takes a while, and is not for a thread that
    /// others wait for.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let took = self.began.elapsed();
        let (samples, at) = (Arc::clone(&self.samples), self.at);
        drop(self);
        let counts = counted(&samples);
        let period = 1_000_000_000 / i64::from(HERTZ);
        let values = |count: i64| vec![count, count * period];
        let counted = counts.into_iter().map(|(stack, count)| Counted {
            stack,
            values: values(count),
        });
        Profile {
            kinds: &[("samples", "count"), ("cpu", "nanoseconds")],
            period_kind: ("cpu", "nanoseconds"),
            period,
            default_kind: "",
            hidden: "",
            at,
            took,
            samples: counted.collect(),
        }
        .encode()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A timer that cannot be stopped would only waste time: the handler is gone.
        let _ = set_timer(0);
        low_level::unregister(self.handler);
        IS_RUNNING.store(false, Ordering::Release);
    }
}

/// Equal stacks together, without what the handler itself was at.
fn counted(samples: &Samples) -> HashMap<Stack, i64> {
    let taken = samples
        .next
        .load(Ordering::Acquire)
        .min(samples.slots.len());
    let own = samples.stack(0).unwrap_or_default();
    let mut counts = HashMap::new();
    for stack in (1..taken).filter_map(|at| samples.stack(at)) {
        let pairs = stack.iter().zip(&own);
        let handler = pairs.take_while(|(one, other)| one == other).count();
        let stack = stack.get(handler..).unwrap_or_default().to_vec();
        if !stack.is_empty() {
            *counts.entry(stack).or_default() += 1;
        }
    }
    counts
}

/// Has the signal sent each time that the process has spent so much CPU time; zero stops it.
fn set_timer(micros: u32) -> io::Result<()> {
    let every = libc::timeval {
        tv_sec: 0,
        tv_usec: micros.into(),
    };
    let timer = libc::itimerval {
        it_interval: every,
        it_value: every,
    };
    // SAFETY: the first pointer is to a value that lives through the call, the second one may be null.
    let result = unsafe { libc::setitimer(libc::ITIMER_PROF, &timer, std::ptr::null_mut()) };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
