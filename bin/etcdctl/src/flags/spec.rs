//! Declarations of commands and flags.

use std::pin::Pin;

use crate::exit::Exit;
use crate::invocation::Invocation;

/// What a flag's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Int,
    Uint,
    Text,
    Duration,
    /// Texts separated by commas; every further use of the flag appends.
    List,
}

/// One flag.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag {
    pub(crate) name: &'static str,
    pub(crate) short: Option<char>,
    pub(crate) kind: Kind,
    /// The default as it would be typed; empty for none.
    pub(crate) default: &'static str,
    pub(crate) help: &'static str,
}

impl Flag {
    /// A flag that is off unless given.
    pub(crate) const fn switch(name: &'static str, help: &'static str) -> Self {
        Self::of(name, Kind::Bool, "false", help)
    }

    /// A flag with a text.
    pub(crate) const fn text(
        name: &'static str,
        default: &'static str,
        help: &'static str,
    ) -> Self {
        Self::of(name, Kind::Text, default, help)
    }

    /// A flag with a number that may be negative.
    pub(crate) const fn int(name: &'static str, default: &'static str, help: &'static str) -> Self {
        Self::of(name, Kind::Int, default, help)
    }

    pub(crate) const fn of(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        help: &'static str,
    ) -> Self {
        Self {
            name,
            short: None,
            kind,
            default,
            help,
        }
    }

    /// The same flag with a one-letter name as well.
    pub(crate) const fn short(self, letter: char) -> Self {
        Self {
            short: Some(letter),
            ..self
        }
    }
}

/// Under which heading the help of the program shows a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    KeyValue,
    Cluster,
    Concurrency,
    Authentication,
    Utility,
    /// Sub-commands have no heading of their own.
    None,
}

/// A command at work.
pub(crate) type Running = Pin<Box<dyn Future<Output = Result<(), Exit>>>>;

/// What a command does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Run {
    /// It only has sub-commands, and shows its help.
    Help,
    /// It runs.
    Do(fn(Invocation) -> Running),
}

/// One command, or a group of commands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Command {
    pub(crate) name: &'static str,
    /// What follows the name in the usage line.
    pub(crate) operands: &'static str,
    /// One line for the list of commands.
    pub(crate) about: &'static str,
    /// The text of the command's own help, when the line is not enough.
    pub(crate) details: &'static str,
    pub(crate) group: Group,
    pub(crate) flags: &'static [Flag],
    /// Flags of the sub-commands as well.
    pub(crate) inherited: &'static [Flag],
    pub(crate) children: &'static [Self],
    pub(crate) run: Run,
}

impl Command {
    /// What declarations start from.
    pub(crate) const EMPTY: Self = Self {
        name: "",
        operands: "",
        about: "",
        details: "",
        group: Group::None,
        flags: &[],
        inherited: &[],
        children: &[],
        run: Run::Help,
    };
}
