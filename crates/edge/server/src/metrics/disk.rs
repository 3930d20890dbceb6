//! How long the disk and the quota will do, if the data goes on growing as in the last hour.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::exposition::Exposition;

/// The past that is looked at.
const WINDOW: Duration = Duration::from_secs(3600);
/// Time between two samples; scrapes may come more often.
const PAUSE: Duration = Duration::from_secs(10);

/// What was seen at the scrapes of the last hour.
#[derive(Debug)]
pub(super) struct Disk {
    directory: PathBuf,
    free: Mutex<Trend>,
    room: Mutex<Trend>,
}

/// Something that may run out.
#[derive(Debug, Default)]
struct Trend(VecDeque<(Instant, u64)>);

impl Disk {
    /// The disk of a directory.
    pub(super) fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            free: Mutex::default(),
            room: Mutex::default(),
        }
    }

    /// Adds what can be found out; `room` is what the quota leaves.
    pub(super) fn render(&self, room: Option<u64>, out: &mut Exposition) {
        let now = Instant::now();
        if let Ok(stat) = rustix::fs::statvfs(&self.directory) {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let help = "Bytes that are free on the disk of the data directory.";
            out.gauge("magnetite_disk_free_bytes", help, free);
            let help = "Seconds until that disk is full, if its use goes on as in the last hour.";
            let left = self.free.lock().runs_out(now, free);
            out.gauge("magnetite_disk_full_seconds", help, left);
        }
        if let Some(room) = room {
            let help = "Seconds until the quota is used up, if the store goes on growing as in the last hour.";
            let left = self.room.lock().runs_out(now, room);
            out.gauge("magnetite_quota_full_seconds", help, left);
        }
    }
}

impl Trend {
    /// Seconds until nothing is left; infinitely many when it does not get less.
    fn runs_out(&mut self, now: Instant, left: u64) -> f64 {
        let is_old = |at: Instant| now.saturating_duration_since(at) > WINDOW;
        while self.0.front().is_some_and(|(at, _)| is_old(*at)) {
            self.0.pop_front();
        }
        let last = self.0.back().map(|(at, _)| *at);
        if last.is_none_or(|last| now.saturating_duration_since(last) >= PAUSE) {
            self.0.push_back((now, left));
        }
        let Some((at, before)) = self.0.front() else {
            return f64::INFINITY;
        };
        let used = before.saturating_sub(left) as f64;
        let took = now.saturating_duration_since(*at).as_secs_f64();
        match used > 0.0 && took > 0.0 {
            true => left as f64 * took / used,
            false => f64::INFINITY,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An alert on this wakes people: it must neither cry wolf nor sleep.
    #[test]
    fn trends() {
        let mut trend = Trend::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(
            trend.runs_out(at(0), 1000),
            f64::INFINITY,
            "nothing is known yet"
        );
        assert_eq!(trend.runs_out(at(1), 1000), f64::INFINITY);
        assert_eq!(trend.runs_out(at(100), 900), 900.0, "one a second");
        assert_eq!(
            trend.runs_out(at(200), 1200),
            f64::INFINITY,
            "space came back"
        );
        assert_eq!(trend.runs_out(at(1000), 0), 0.0);
        assert_eq!(
            trend.runs_out(at(4700), 100),
            f64::INFINITY,
            "an hour ago is forgotten"
        );
        for second in 5000..9000 {
            trend.runs_out(at(second), 50);
        }
        assert!(trend.0.len() <= 361, "{} samples", trend.0.len());
    }
}
