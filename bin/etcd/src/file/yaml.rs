//! YAML to JSON values, and to shapes that are known.

use serde::de::DeserializeOwned;
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
    let duplicates = DuplicateKeyPolicy::LastWins;
    match is_blank(text) {
        true => Ok(Value::Null),
        false => read_with(text, duplicates),
    }
}

/// Reads one document of a known shape; an empty text is an empty map.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, YamlError> {
    let text = if is_blank(text) { "{}" } else { text };
    read_with(text, DuplicateKeyPolicy::Error)
}

fn is_blank(text: &str) -> bool {
    let only_blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    text.lines().all(only_blank)
}

fn read_with<T: DeserializeOwned>(
    text: &str,
    duplicates: DuplicateKeyPolicy,
) -> Result<T, YamlError> {
    let options = serde_saphyr::options! {
        duplicate_keys: duplicates,
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
