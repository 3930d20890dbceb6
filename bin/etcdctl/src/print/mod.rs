//! Answers on stdout, in the format that was asked for.
//!
//! [`Answer`] is the closed list of what commands print. Each format has a module that writes all
//! of them; what a format cannot write is an error of the command, after the call was made.

mod answer;
mod fields;
pub(crate) mod json;
mod protobuf;
mod simple;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use answer::{Answer, DowngradeStep, Endpoint, Health, Shown};

use std::io::{ErrorKind, Write as _, stdout};

use crate::exit::Exit;

/// The formats of `--write-out`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Simple,
    Json,
    Fields,
    Table,
    Protobuf,
}

impl Format {
    /// Reads the value of `--write-out`.
    pub(crate) fn parse(text: &str) -> Result<Self, Exit> {
        Ok(match text {
            "simple" => Self::Simple,
            "json" => Self::Json,
            "fields" => Self::Fields,
            "table" => Self::Table,
            "protobuf" => Self::Protobuf,
            _ => return Err(Exit::bad_feature("unsupported output format")),
        })
    }
}

/// Why a format cannot write an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsupported {
    /// The format is only for other answers.
    #[error("{0} not supported as output format")]
    Format(&'static str),
    /// The answer has no message of its own.
    #[error("marshal unsupported for type {0}")]
    Message(&'static str),
}

/// Writes answers in one format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Printer {
    format: Format,
    hex: bool,
}

impl Printer {
    pub(crate) fn new(format: Format, hex: bool) -> Self {
        Self { format, hex }
    }

    pub(crate) fn format(self) -> Format {
        self.format
    }

    /// Writes an answer to stdout.
    pub(crate) fn print(self, answer: &Answer) -> Result<(), Exit> {
        let bytes = self.render(answer);
        write(&bytes.map_err(|unsupported| Exit::bad_feature(unsupported.to_string()))?)
    }

    /// The bytes that [`Printer::print`] writes.
    pub(crate) fn render(self, answer: &Answer) -> Result<Vec<u8>, Unsupported> {
        match self.format {
            Format::Simple => Ok(simple::render(answer, self.hex)),
            Format::Json => Ok(json::render(answer, self.hex)),
            Format::Fields => fields::render(answer, self.hex),
            Format::Table => table::render(answer),
            Format::Protobuf => protobuf::render(answer),
        }
    }
}

/// Writes bytes to stdout at once. A reader that has gone away ends the program quietly.
pub(crate) fn write(bytes: &[u8]) -> Result<(), Exit> {
    let mut out = stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {
            Err(Exit::silent(crate::exit::ERROR))
        }
        outcome => Ok(outcome?),
    }
}

/// Writes one line to stdout.
pub(crate) fn line(text: &str) -> Result<(), Exit> {
    write(format!("{text}\n").as_bytes())
}
