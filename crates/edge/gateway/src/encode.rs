//! From the bytes of a message to JSON.
//!
//! The rules are those of etcd's gateway: the names of the `.proto` files, 64-bit numbers as strings,
//! bytes in base64, enums by name, and nothing for a value that is zero, unless it is a message or one of
//! many that exclude each other.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proto::descriptor::{Enum, Field, Kind, Message};
use wire::{Fields, Value, read_varint};

/// How deep messages may lie in each other; transactions do.
const DEPTH_MAX: usize = 128;

/// The bytes are not the message that they are said to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot write a malformed {message} as JSON")]
pub struct MalformedAnswer {
    /// The message.
    pub message: &'static str,
}

/// Appends a message as a JSON object.
///
/// # Errors
/// [`MalformedAnswer`].
pub fn message(described: &Message, bytes: &[u8], out: &mut String) -> Result<(), MalformedAnswer> {
    write_message(described, bytes, out, DEPTH_MAX)
}

fn write_message(
    described: &Message,
    bytes: &[u8],
    out: &mut String,
    depth: usize,
) -> Result<(), MalformedAnswer> {
    let malformed = MalformedAnswer {
        message: described.name,
    };
    if depth == 0 {
        return Err(malformed);
    }
    let values = values(described, bytes).ok_or(malformed)?;
    out.push('{');
    let mut is_first = true;
    for same in values.chunk_by(|(one, _), (other, _)| one == other) {
        let Some(&(place, last)) = same.last() else {
            continue;
        };
        let field = &described.fields[place];
        if !field.repeated && is_left_out(field, last) {
            continue;
        }
        if !std::mem::take(&mut is_first) {
            out.push(',');
        }
        // Writing into a String cannot fail.
        let _ = write!(out, "\"{}\":", field.name);
        if !field.repeated {
            write_value(field.kind, last, out, depth)?;
            continue;
        }
        for (at, (_, value)) in same.iter().enumerate() {
            out.push(if at == 0 { '[' } else { ',' });
            write_value(field.kind, *value, out, depth)?;
        }
        out.push(']');
    }
    out.push('}');
    Ok(())
}

/// Nothing is said of a zero, except where it says which of several fields is set.
fn is_left_out(field: &Field, value: Value<'_>) -> bool {
    if field.oneof.is_some() || matches!(field.kind, Kind::Message(_)) {
        return false;
    }
    match value {
        Value::Number(number) => number == 0,
        Value::Bytes(bytes) => bytes.is_empty(),
        Value::Fixed => false,
    }
}

fn write_value(
    kind: Kind,
    value: Value<'_>,
    out: &mut String,
    depth: usize,
) -> Result<(), MalformedAnswer> {
    // Writing into a String cannot fail.
    let _ = match (kind, value) {
        (Kind::Message(inner), Value::Bytes(bytes)) => {
            return write_message(inner, bytes, out, depth - 1);
        }
        (Kind::Bytes, Value::Bytes(bytes)) => {
            out.push('"');
            STANDARD.encode_string(bytes, out);
            out.push('"');
            Ok(())
        }
        (Kind::Text, Value::Bytes(bytes)) => {
            let text = serde_json::Value::from(String::from_utf8_lossy(bytes));
            write!(out, "{text}")
        }
        (Kind::Bool, Value::Number(number)) => write!(out, "{}", number != 0),
        (Kind::Int64, Value::Number(number)) => write!(out, "\"{}\"", number.cast_signed()),
        (Kind::Uint64, Value::Number(number)) => write!(out, "\"{number}\""),
        (Kind::Int32, Value::Number(number)) => write!(out, "{}", number as i32),
        (Kind::Uint32, Value::Number(number)) => write!(out, "{}", number as u32),
        (Kind::Enum(described), Value::Number(number)) => {
            write_enum(described, number as i32, out);
            Ok(())
        }
        // The kinds agree: `values` has seen to it.
        _ => Ok(()),
    };
    Ok(())
}

fn write_enum(described: &Enum, number: i32, out: &mut String) {
    let named = described.values.iter().find(|(_, known)| *known == number);
    // Writing into a String cannot fail.
    let _ = match named {
        Some((name, _)) => write!(out, "\"{name}\""),
        None => write!(out, "{number}"),
    };
}

/// The values of a message with the places of their fields, in the order of the fields; fields that
/// are not known are skipped.
fn values<'a>(described: &Message, bytes: &'a [u8]) -> Option<Vec<(usize, Value<'a>)>> {
    let mut found = Vec::new();
    for field in Fields::new(bytes) {
        let (number, value) = field.ok()?;
        let place = described
            .fields
            .iter()
            .position(|f| u64::from(f.number) == number);
        if let Some(place) = place {
            add(&mut found, place, &described.fields[place], value)?;
        }
    }
    found.sort_by_key(|(place, _)| *place);
    Some(found)
}

fn add<'a>(
    found: &mut Vec<(usize, Value<'a>)>,
    place: usize,
    field: &Field,
    value: Value<'a>,
) -> Option<()> {
    let is_text = matches!(field.kind, Kind::Bytes | Kind::Text | Kind::Message(_));
    match value {
        Value::Bytes(_) if is_text => found.push((place, value)),
        Value::Number(_) if !is_text => found.push((place, value)),
        Value::Bytes(packed) if field.repeated => {
            let mut at = 0;
            while at < packed.len() {
                found.push((place, Value::Number(read_varint(packed, &mut at)?)));
            }
        }
        _ => return None,
    }
    Some(())
}
