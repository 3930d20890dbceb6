//! The audit log: one line of JSON for each request, without values and secrets.
//!
//! A request is described, held against the [`Policy`], and written as a line into a
//! bounded buffer, which a thread of its own empties. A log that cannot be written holds up nobody:
//! its lines are dropped and counted, and the log says how many are missing once it can.

mod line;
mod policy;
mod queue;
mod subject;

use std::io;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use line::Line;
pub use policy::{Policy, Rule, RuleError};
pub(crate) use policy::{Request, Verdict};
pub(crate) use queue::Queue;
pub(crate) use subject::{Fact, Span, Subject};

/// Where lines go.
pub trait Output: std::fmt::Debug + Send + Sync {
    /// Appends whole lines.
    ///
    /// # Errors
    /// When they are not, or not all, there.
    fn append(&self, lines: &[u8]) -> io::Result<()>;
}

/// What is to be recorded, and where.
#[derive(Clone, Debug)]
pub struct AuditConfig {
    /// What is recorded.
    pub policy: Policy,
    /// Where lines go.
    pub output: Arc<dyn Output>,
}

/// The audit log of a member.
#[derive(Debug)]
pub(crate) struct Audit {
    policy: Policy,
    queue: Queue,
}

impl Audit {
    /// Starts the thread that writes.
    ///
    /// # Errors
    /// When there is no thread.
    pub(crate) fn start(config: &AuditConfig) -> io::Result<Self> {
        Ok(Self {
            policy: config.policy.clone(),
            queue: Queue::start(Arc::clone(&config.output))?,
        })
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Takes a line.
    pub(crate) fn record(&self, line: &Line<'_>) {
        self.queue.push(|buffer| line.write(buffer));
    }

    /// Lines that were taken, and lines that were lost.
    pub(crate) fn counts(&self) -> (u64, u64) {
        self.queue.counts()
    }

    /// Writes what is waiting, and stops.
    pub(crate) fn stop(&self, patience: Duration) {
        self.queue.stop(patience);
    }
}
