//! From JSON to the bytes of a message.
//!
//! The parser walks the text once and writes the message as it goes; nothing is kept of it beside what is
//! written. Fields may be spelt as in the `.proto` file or in camel case, unknown ones are skipped, and
//! so are unknown names of an enum. A field given twice is refused, as are two of a group of which only
//! one may be set.

mod number;
mod value;

use proto::descriptor::Message;
use serde::de::DeserializeSeed as _;

use self::value::MessageSeed;

/// How deep the JSON may nest.
pub const DEPTH_MAX: usize = 100;

/// The JSON is not the message.
#[derive(Debug, thiserror::Error)]
#[error("invalid {message}: {source}")]
pub struct InvalidJson {
    /// The message.
    pub message: &'static str,
    /// What is wrong, and where.
    pub source: serde_json::Error,
}

/// Reads the first JSON value of `text` as a message and encodes it; what follows it is ignored.
///
/// # Errors
/// [`InvalidJson`].
pub fn message(described: &'static Message, text: &[u8]) -> Result<Vec<u8>, InvalidJson> {
    let mut encoded = Vec::with_capacity(text.len());
    let mut json = serde_json::Deserializer::from_slice(text);
    let seed = MessageSeed::new(described, &mut encoded);
    match seed.deserialize(&mut json) {
        Ok(()) => Ok(encoded),
        Err(source) => Err(InvalidJson {
            message: described.name,
            source,
        }),
    }
}

#[cfg(test)]
#[path = "decode/tests.rs"]
mod tests;
