//! YAML to JSON values.

use serde_json::Value;
use serde_saphyr::{DuplicateKeyPolicy, Error};

/// A text is no YAML document.
#[derive(Debug, thiserror::Error)]
#[error("yaml: {place}{reason}")]
pub(crate) struct YamlError {
    /// The line, if it is known.
    place: String,
    /// What the parser says.
    reason: String,
}

/// Reads one document; an empty text is null.
pub(super) fn parse(text: &str) -> Result<Value, YamlError> {
    let only_blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    if text.lines().all(only_blank) {
        return Ok(Value::Null);
    }
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::LastWins,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| describe(&error))
}

fn describe(error: &Error) -> YamlError {
    let place = match error.location() {
        Some(location) if location.line() > 0 => format!("line {}: ", location.line()),
        _ => String::new(),
    };
    let text = error.without_snippet().to_string();
    YamlError {
        place,
        reason: text.lines().next().unwrap_or_default().to_owned(),
    }
}
