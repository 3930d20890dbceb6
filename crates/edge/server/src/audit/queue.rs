//! Lines on their way to the disk: a bounded buffer, and the thread that empties it.
//!
//! Requests append to the buffer and go on. The thread writes everything that waits with one call and
//! then rests, so that a busy server wakes it a few dozen times a second and not once a request.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::{Condvar, Mutex};

use super::Output;

/// Bytes that wait at most; what comes then is lost, and counted.
const BUFFER_BYTES_MAX: usize = 8 << 20;
/// Rest of the thread between two writes.
const REST: Duration = Duration::from_millis(20);
/// Pause before a failed write is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// Pause between two complaints.
const COMPLAINT_PAUSE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Queue(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    taken: AtomicU64,
    lost: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: String,
    count: u64,
    /// Lost since the last line that says so.
    missing: u64,
    is_stopping: bool,
    has_stopped: bool,
}

impl Queue {
    /// Starts the thread.
    pub(crate) fn start(output: Arc<dyn Output>) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let writer = Writer {
            shared: Arc::clone(&shared),
            output,
            is_torn: false,
            complained: None,
        };
        std::thread::Builder::new()
            .name("etcd-audit".to_owned())
            .spawn(move || writer.run())?;
        Ok(Self(shared))
    }

    /// Has a line written, if there is room.
    pub(crate) fn push(&self, write: impl FnOnce(&mut String)) {
        let mut waiting = self.0.waiting.lock();
        if waiting.lines.len() >= BUFFER_BYTES_MAX || waiting.has_stopped {
            waiting.missing += 1;
            drop(waiting);
            self.0.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let was_empty = waiting.lines.is_empty();
        write(&mut waiting.lines);
        waiting.count += 1;
        drop(waiting);
        self.0.taken.fetch_add(1, Ordering::Relaxed);
        if was_empty {
            self.0.changed.notify_all();
        }
    }

    /// Lines that were taken, and lines that were lost.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.0.taken), read(&self.0.lost))
    }

    /// Waits until everything is written, for so long.
    pub(crate) fn stop(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut waiting = self.0.waiting.lock();
        waiting.is_stopping = true;
        self.0.changed.notify_all();
        while !waiting.has_stopped {
            if self
                .0
                .changed
                .wait_until(&mut waiting, deadline)
                .timed_out()
            {
                break;
            }
        }
    }
}

struct Writer {
    shared: Arc<Shared>,
    output: Arc<dyn Output>,
    /// Whether a part of a line may be there.
    is_torn: bool,
    complained: Option<Instant>,
}

impl Writer {
    fn run(mut self) {
        let mut lines = String::new();
        loop {
            let mut waiting = self.shared.waiting.lock();
            while waiting.lines.is_empty() && waiting.missing == 0 && !waiting.is_stopping {
                self.shared.changed.wait(&mut waiting);
            }
            let is_last = waiting.is_stopping && waiting.lines.is_empty();
            if is_last {
                waiting.has_stopped = true;
                self.shared.changed.notify_all();
                return;
            }
            std::mem::swap(&mut waiting.lines, &mut lines);
            let count = std::mem::take(&mut waiting.count);
            let missing = std::mem::take(&mut waiting.missing);
            let is_stopping = waiting.is_stopping;
            drop(waiting);
            if self.write(&lines, missing) {
                self.rest(REST);
            } else {
                self.give_up(count, missing, is_stopping);
            }
            lines.clear();
        }
    }

    /// Sleeps, unless everything is to stop.
    fn rest(&self, pause: Duration) {
        let mut waiting = self.shared.waiting.lock();
        if !waiting.is_stopping {
            let deadline = Instant::now() + pause;
            while !waiting.is_stopping
                && !self
                    .shared
                    .changed
                    .wait_until(&mut waiting, deadline)
                    .timed_out()
            {}
        }
    }

    fn write(&mut self, lines: &str, missing: u64) -> bool {
        let mut head = String::new();
        if self.is_torn {
            head.push('\n');
        }
        if missing > 0 {
            head.push_str(&format!(
                "{{\"time\":\"{:.6}\",\"lost\":{missing}}}\n",
                Timestamp::now()
            ));
        }
        let written = match head.is_empty() {
            true => self.output.append(lines.as_bytes()),
            false => self.output.append((head + lines).as_bytes()),
        };
        self.is_torn = written.is_err();
        let Err(error) = written else { return true };
        let is_due = self
            .complained
            .is_none_or(|at| at.elapsed() >= COMPLAINT_PAUSE);
        if is_due {
            self.complained = Some(Instant::now());
            tracing::error!(%error, "cannot write the audit log; requests go on, their lines are lost");
        }
        false
    }

    /// The lines are lost: they may be there in part, and what is written twice is no record.
    fn give_up(&self, count: u64, missing: u64, is_stopping: bool) {
        self.shared.lost.fetch_add(count, Ordering::Relaxed);
        let mut waiting = self.shared.waiting.lock();
        waiting.missing += count + missing;
        drop(waiting);
        if !is_stopping {
            self.rest(RETRY);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Writes as the test allows.
    #[derive(Debug)]
    struct Scripted {
        verdicts: Mutex<Receiver<bool>>,
        written: Mutex<Vec<u8>>,
        tried: Mutex<Sender<()>>,
    }

    impl Output for Scripted {
        fn append(&self, lines: &[u8]) -> io::Result<()> {
            let _ = self.tried.lock().send(());
            let works = self.verdicts.lock().recv().unwrap_or(true);
            let part = if works { lines.len() } else { lines.len() / 2 };
            self.written.lock().extend_from_slice(&lines[..part]);
            match works {
                true => Ok(()),
                false => Err(io::ErrorKind::StorageFull.into()),
            }
        }
    }

    /// A full disk loses lines; it must not lose the fact, nor what comes after.
    #[test]
    fn what_is_lost_is_told() {
        let (allow, verdicts) = channel();
        let (tried, tries) = channel();
        let output = Arc::new(Scripted {
            verdicts: Mutex::new(verdicts),
            written: Mutex::default(),
            tried: Mutex::new(tried),
        });
        let queue = Queue::start(Arc::<Scripted>::clone(&output)).unwrap();
        queue.push(|out| out.push_str("{\"first\":1}\n"));
        tries.recv().unwrap();
        allow.send(false).unwrap();
        // The failed line is known to be missing before the next write.
        while queue.counts().1 == 0 {
            std::thread::yield_now();
        }
        queue.push(|out| out.push_str("{\"second\":2}\n"));
        drop(allow);
        queue.stop(Duration::from_secs(60));
        let written = String::from_utf8(output.written.lock().clone()).unwrap();
        let whole: Vec<serde_json::Value> = written
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        assert_eq!(whole.len(), 2, "{written}");
        assert_eq!(
            (&whole[0]["lost"], &whole[1]["second"]),
            (&1.into(), &2.into())
        );
        assert_eq!(queue.counts(), (2, 1));
        queue.push(|out| out.push('x'));
        assert_eq!(queue.counts(), (2, 2), "nobody writes any more");
    }

    #[test]
    fn the_buffer_is_bounded() {
        let (_allow, verdicts) = channel();
        let (tried, tries) = channel();
        let (written, tried) = (Mutex::default(), Mutex::new(tried));
        let output = Scripted {
            verdicts: Mutex::new(verdicts),
            written,
            tried,
        };
        let queue = Queue::start(Arc::new(output)).unwrap();
        queue.push(|out| out.push('\n'));
        tries.recv().unwrap();
        let line = "x".repeat(1 << 20);
        for _ in 0..20 {
            queue.push(|out| out.push_str(&line));
        }
        assert_eq!(queue.counts(), (9, 12));
    }
}
