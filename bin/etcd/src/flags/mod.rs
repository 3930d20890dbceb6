//! The flags: one table, from which parsing, environment, file and help follow.

pub(crate) mod command_line;
pub(crate) mod help;
pub(crate) mod settings;
pub(crate) mod table;
pub(crate) mod value;
