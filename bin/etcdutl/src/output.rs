//! The output formats, and a result that can be printed in them.

use notation::table;

use crate::failure::Failure;
use crate::run::print;

/// How a result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// One line of values.
    Simple,
    /// One JSON object.
    Json,
    /// One line for each value with its name.
    Fields,
    /// A table with a frame.
    Table,
    /// Known, but no result has a message for it.
    Protobuf,
}

/// One result in all its forms.
pub(crate) struct Report {
    /// What the table calls the values.
    pub(crate) heads: &'static [&'static str],
    /// The values of `simple` and of the table.
    pub(crate) cells: Vec<String>,
    /// Names and values of `fields`.
    pub(crate) fields: Vec<(&'static str, String)>,
    /// The JSON object.
    pub(crate) json: String,
}

impl Format {
    /// Reads the value of `--write-out`.
    pub(crate) fn parse(name: &str) -> Result<Self, Failure> {
        Ok(match name {
            "simple" => Self::Simple,
            "json" => Self::Json,
            "fields" => Self::Fields,
            "table" => Self::Table,
            "protobuf" => Self::Protobuf,
            _ => return Err(Failure::Format("unsupported output format")),
        })
    }
}

impl Report {
    /// Prints the result.
    pub(crate) fn print(&self, format: Format) -> Result<(), Failure> {
        let text = match format {
            Format::Simple => format!("{}\n", self.cells.join(", ")),
            Format::Json => format!("{}\n", self.json),
            Format::Fields => self
                .fields
                .iter()
                .map(|(name, value)| format!("\"{name}\" : {value}\n"))
                .collect(),
            Format::Table => table::render(self.heads, std::slice::from_ref(&self.cells)),
            Format::Protobuf => {
                return Err(Failure::Format("protobuf not supported as output format"));
            }
        };
        print(&text)
    }
}
