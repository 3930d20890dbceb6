//! Declarations of commands and flags.

/// What a flag's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A switch.
    Bool,
    /// A number that may be negative.
    Int,
    /// A number.
    Uint,
    /// A number of 32 bits.
    Uint32,
    /// Any text.
    Text,
    /// A duration in Go's notation.
    Duration,
    /// Texts separated by commas; every further use of the flag appends.
    List,
}

/// One flag.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// The name behind two dashes.
    pub name: &'static str,
    /// The letter behind one dash.
    pub short: Option<char>,
    /// What it takes.
    pub kind: Kind,
    /// The default as it would be typed; empty for none.
    pub default: &'static str,
    /// What it is for.
    pub help: &'static str,
}

impl Flag {
    /// A flag that is off unless given.
    pub const fn switch(name: &'static str, help: &'static str) -> Self {
        Self::of(name, Kind::Bool, "false", help)
    }

    /// A flag with a text.
    pub const fn text(name: &'static str, default: &'static str, help: &'static str) -> Self {
        Self::of(name, Kind::Text, default, help)
    }

    /// A flag with a number that may be negative.
    pub const fn int(name: &'static str, default: &'static str, help: &'static str) -> Self {
        Self::of(name, Kind::Int, default, help)
    }

    /// Any flag.
    pub const fn of(
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
    pub const fn short(self, letter: char) -> Self {
        Self {
            short: Some(letter),
            ..self
        }
    }
}

/// What a command does.
#[derive(Clone, Copy, Debug)]
pub enum Run<Body> {
    /// It only has sub-commands, and shows its help.
    Help,
    /// It runs.
    Do(Body),
}

/// One command, or a group of commands.
#[derive(Clone, Copy, Debug)]
pub struct Command<Body: 'static> {
    /// The word that names it.
    pub name: &'static str,
    /// What follows the name in the usage line.
    pub operands: &'static str,
    /// One line for the list of commands.
    pub about: &'static str,
    /// The text of the command's own help, when the line is not enough.
    pub details: &'static str,
    /// The heading under which the program's help shows it; empty for the usual one.
    pub group: &'static str,
    /// Its own flags.
    pub flags: &'static [Flag],
    /// Flags of the sub-commands as well.
    pub inherited: &'static [Flag],
    /// Its sub-commands.
    pub children: &'static [Self],
    /// What it does.
    pub run: Run<Body>,
}

impl<Body> Command<Body> {
    /// What declarations start from.
    pub const EMPTY: Self = Self {
        name: "",
        operands: "",
        about: "",
        details: "",
        group: "",
        flags: &[],
        inherited: &[],
        children: &[],
        run: Run::Help,
    };
}
