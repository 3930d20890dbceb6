//! The command lines of programs with commands and GNU's flags, with the habits of Go's.
//!
//! A command and its flags are declared once, as constants beside the code that runs them. Finding
//! the command, reading its words, help, suggestions and shell completion all use the declaration.
//! What a command does is of a kind that the program chooses.

mod arguments;
mod complete;
mod find;
mod help;
mod parse;
mod spec;
mod suggest;

pub use arguments::{Arguments, Value};
pub use complete::script;
pub use find::{Found, find};
pub use help::{help, options, usage};
pub use parse::{FlagError, parse, parse_value};
pub use spec::{Command, Flag, Kind, Run};
pub use suggest::unknown_command;
