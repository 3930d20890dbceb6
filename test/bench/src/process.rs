//! What the kernel says about a process, and which core it runs on.

use std::fs;

use anyhow::{Context as _, Result};
use rustix::param::clock_ticks_per_second;
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_setaffinity};

/// Lets the calling thread, and the processes that it starts, run on one core only.
pub(crate) fn pin_to(core: usize) -> Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).with_context(|| format!("cannot run on core {core}"))
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// User and system time, in microseconds.
    pub(crate) cpu_micros: f64,
    /// Bytes that it caused to be written to the disk.
    pub(crate) written_bytes: f64,
}

impl Usage {
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let stat = read(pid, "stat")?;
        // The name in brackets may hold anything; utime and stime are the 14th and 15th field.
        let (_, fields) = stat.rsplit_once(')').context("stat without a name")?;
        let ticks: u64 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|field| field.parse::<u64>().unwrap_or_default())
            .sum();
        let tick_micros = 1e6 / clock_ticks_per_second() as f64;
        Ok(Self {
            cpu_micros: ticks as f64 * tick_micros,
            written_bytes: field(&read(pid, "io")?, "write_bytes:")?,
        })
    }

    /// What several processes have used together.
    pub(crate) fn of_all(pids: &[u32]) -> Result<Self> {
        pids.iter().try_fold(Self::default(), |sum, &pid| {
            let usage = Self::of(pid)?;
            Ok(Self {
                cpu_micros: sum.cpu_micros + usage.cpu_micros,
                written_bytes: sum.written_bytes + usage.written_bytes,
            })
        })
    }

    /// What was used between `earlier` and now.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            cpu_micros: self.cpu_micros - earlier.cpu_micros,
            written_bytes: self.written_bytes - earlier.written_bytes,
        }
    }
}

/// The resident memory of a process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Resident {
    /// All of it, in bytes.
    pub(crate) total: f64,
    /// Without pages of mapped files.
    pub(crate) anonymous: f64,
}

impl Resident {
    /// Of several processes together.
    pub(crate) fn of_all(pids: &[u32]) -> Result<Self> {
        pids.iter().try_fold(Self::default(), |sum, &pid| {
            let resident = Self::of(pid)?;
            Ok(Self {
                total: sum.total + resident.total,
                anonymous: sum.anonymous + resident.anonymous,
            })
        })
    }

    pub(crate) fn of(pid: u32) -> Result<Self> {
        let status = read(pid, "status")?;
        Ok(Self {
            total: field(&status, "VmRSS:")? * 1024.0,
            anonymous: field(&status, "RssAnon:")? * 1024.0,
        })
    }
}

/// Stops a process where it stands, or lets it go on.
pub(crate) fn pause(pid: u32, is_paused: bool) -> Result<()> {
    let pid = Pid::from_raw(pid.cast_signed()).context("no process")?;
    let signal = match is_paused {
        true => Signal::STOP,
        false => Signal::CONT,
    };
    Ok(kill_process(pid, signal)?)
}

fn read(pid: u32, file: &str) -> Result<String> {
    let path = format!("/proc/{pid}/{file}");
    fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
}

fn field(text: &str, name: &str) -> Result<f64> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.split_whitespace().next())
        .and_then(|value| value.parse().ok())
        .with_context(|| format!("the kernel does not say {name}"))
}
