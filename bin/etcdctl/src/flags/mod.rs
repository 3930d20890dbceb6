//! The command line: what commands and flags there are, and how words become values.
//!
//! A command and its flags are declared once, as constants beside the code that runs them. Parsing
//! (with the habits of Go programs), help, the environment and shell completion all read the
//! declaration.

mod arguments;
mod complete;
mod find;
mod help;
mod parse;
mod spec;
mod suggest;

pub(crate) use arguments::{Arguments, Value};
pub(crate) use complete::script;
pub(crate) use find::{Found, find};
pub(crate) use help::{help, options, usage};
pub(crate) use parse::{FlagError, parse, parse_value};
pub(crate) use spec::{Command, Flag, Group, Kind, Run};
pub(crate) use suggest::suggestions;
