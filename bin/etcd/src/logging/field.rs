//! Values of a log line's fields.

use notation::duration::GoDuration;

/// A value of a field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Field {
    /// Text.
    Text(String),
    /// A truth value.
    Bool(bool),
    /// A signed number.
    Int(i64),
    /// An unsigned number.
    Uint(u64),
    /// Texts.
    List(Vec<String>),
}

impl From<&str> for Field {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Field {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Field {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Field {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u64> for Field {
    fn from(value: u64) -> Self {
        Self::Uint(value)
    }
}

impl From<usize> for Field {
    fn from(value: usize) -> Self {
        Self::Uint(value as u64)
    }
}

impl From<Vec<String>> for Field {
    fn from(texts: Vec<String>) -> Self {
        Self::List(texts)
    }
}

impl From<&[String]> for Field {
    fn from(texts: &[String]) -> Self {
        Self::List(texts.to_vec())
    }
}

impl From<GoDuration> for Field {
    fn from(duration: GoDuration) -> Self {
        Self::Text(duration.to_string())
    }
}

/// The fields of a line: `fields!["data-dir" => path, "count" => 3_u64]`.
macro_rules! fields {
    ($($key:expr => $value:expr),* $(,)?) => {
        &[$(($key, $crate::logging::field::Field::from($value))),*]
    };
}
pub(crate) use fields;
