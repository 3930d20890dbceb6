//! Log lines as etcd's users know them: zap's keys, formats, sampling, outputs and rotation.
//!
//! A [`Logger`] makes whole lines and writes each with one call. This program logs through it
//! directly; the crates below log through `tracing`, which [`layer`] leads here.

pub(crate) mod field;
mod journal;
pub(crate) mod layer;
mod level;
mod line;
mod moment;
mod output;
pub(crate) mod rotation;
mod sampling;
pub(crate) mod setup;

use std::panic::Location;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use self::field::Field;
use self::line::{Caller, Format, Line, Members};
use self::output::Output;
use self::sampling::Sampler;

pub(crate) use self::level::Level;

/// Where lines go, and which.
#[derive(Clone, Debug)]
pub(crate) struct Logger(Arc<Core>);

#[derive(Debug)]
struct Core {
    level: Level,
    format: Format,
    sampler: Sampler,
    outputs: Vec<Output>,
    zone: TimeZone,
}

impl Default for Logger {
    /// What is used until the configuration is known: JSON on stderr.
    fn default() -> Self {
        Self::new(Level::Info, Format::Json, vec![Output::Stderr])
    }
}

impl Logger {
    /// JSON on stderr, from that level on.
    pub(crate) fn to_stderr(level: Level) -> Self {
        Self::new(level, Format::Json, vec![Output::Stderr])
    }

    /// A logger that writes nothing.
    #[cfg(test)]
    pub(crate) fn silent() -> Self {
        Self::new(Level::Info, Format::Json, Vec::new())
    }

    fn new(level: Level, format: Format, outputs: Vec<Output>) -> Self {
        Self(Arc::new(Core {
            level,
            format,
            sampler: Sampler::default(),
            outputs,
            zone: TimeZone::system(),
        }))
    }

    /// The least level that is logged.
    pub(crate) fn level(&self) -> Level {
        self.0.level
    }

    /// Something happened as it should.
    #[track_caller]
    pub(crate) fn info(&self, message: &str, fields: &[(&str, Field)]) {
        self.log(Level::Info, message, fields, Location::caller());
    }

    /// Something is not as it should be, and the member goes on.
    #[track_caller]
    pub(crate) fn warn(&self, message: &str, fields: &[(&str, Field)]) {
        self.log(Level::Warn, message, fields, Location::caller());
    }

    /// Something failed, and the member goes on.
    #[track_caller]
    pub(crate) fn error(&self, message: &str, fields: &[(&str, Field)]) {
        self.log(Level::Error, message, fields, Location::caller());
    }

    /// The last line of a process that cannot go on.
    #[track_caller]
    pub(crate) fn fatal(&self, message: &str, fields: &[(&str, Field)]) {
        self.log(Level::Fatal, message, fields, Location::caller());
    }

    fn log(&self, level: Level, message: &str, fields: &[(&str, Field)], at: &Location<'_>) {
        let mut members = self.members();
        for (key, value) in fields {
            members.push(key, value);
        }
        self.write(&Line {
            level,
            logger: None,
            caller: Caller {
                module: "etcd",
                file: at.file(),
                line: at.line(),
            },
            message,
            members: &members,
        });
    }

    /// An empty list of fields in the notation of this logger's format.
    fn members(&self) -> Members {
        Members::new(self.0.format)
    }

    fn write(&self, line: &Line<'_>) {
        let core = &self.0;
        if line.level < core.level || !core.sampler.admits(line.level, line.message) {
            return;
        }
        let moment = moment::stamp(Timestamp::now(), &core.zone);
        let text = line.render(core.format, &moment);
        for output in &core.outputs {
            output.write(line.level, &text);
        }
    }
}
