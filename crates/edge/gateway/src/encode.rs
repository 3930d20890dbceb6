//! From the bytes of a message to JSON.
//!
//! The rules are those of etcd's gateway: the names of the `.proto` files, 64-bit numbers as strings,
//! bytes in base64, enums by name, and nothing for a value that is zero, unless it is a message or one of
//! many that exclude each other.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proto::descriptor::{Enum, Field, Kind, Message};

/// How deep messages may lie in each other; transactions do.
const DEPTH_MAX: usize = 128;

/// The bytes are not the message that they are said to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot write a malformed {message} as JSON")]
pub struct MalformedAnswer {
    /// The message.
    pub message: &'static str,
}

/// A value as it is on the wire.
#[derive(Clone, Copy)]
enum Raw<'a> {
    Number(u64),
    Bytes(&'a [u8]),
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
fn is_left_out(field: &Field, value: Raw<'_>) -> bool {
    if field.oneof.is_some() || matches!(field.kind, Kind::Message(_)) {
        return false;
    }
    match value {
        Raw::Number(number) => number == 0,
        Raw::Bytes(bytes) => bytes.is_empty(),
    }
}

fn write_value(
    kind: Kind,
    value: Raw<'_>,
    out: &mut String,
    depth: usize,
) -> Result<(), MalformedAnswer> {
    // Writing into a String cannot fail.
    let _ = match (kind, value) {
        (Kind::Message(inner), Raw::Bytes(bytes)) => {
            return write_message(inner, bytes, out, depth - 1);
        }
        (Kind::Bytes, Raw::Bytes(bytes)) => {
            out.push('"');
            STANDARD.encode_string(bytes, out);
            out.push('"');
            Ok(())
        }
        (Kind::Text, Raw::Bytes(bytes)) => {
            let text = serde_json::Value::from(String::from_utf8_lossy(bytes));
            write!(out, "{text}")
        }
        (Kind::Bool, Raw::Number(number)) => write!(out, "{}", number != 0),
        (Kind::Int64, Raw::Number(number)) => write!(out, "\"{}\"", number.cast_signed()),
        (Kind::Uint64, Raw::Number(number)) => write!(out, "\"{number}\""),
        (Kind::Int32, Raw::Number(number)) => write!(out, "{}", number as i32),
        (Kind::Uint32, Raw::Number(number)) => write!(out, "{}", number as u32),
        (Kind::Enum(described), Raw::Number(number)) => {
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
fn values<'a>(described: &Message, mut bytes: &'a [u8]) -> Option<Vec<(usize, Raw<'a>)>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        let raw = match tag & 7 {
            0 => Raw::Number(varint(&mut bytes)?),
            2 => {
                let len = usize::try_from(varint(&mut bytes)?).ok()?;
                let (value, rest) = bytes.split_at_checked(len)?;
                bytes = rest;
                Raw::Bytes(value)
            }
            // No field of the API is of another kind.
            1 => {
                bytes = bytes.get(8..)?;
                continue;
            }
            5 => {
                bytes = bytes.get(4..)?;
                continue;
            }
            _ => return None,
        };
        let number = u32::try_from(tag >> 3).ok()?;
        let place = described.fields.iter().position(|f| f.number == number);
        if let Some(place) = place {
            add(&mut found, place, &described.fields[place], raw)?;
        }
    }
    found.sort_by_key(|(place, _)| *place);
    Some(found)
}

fn add<'a>(
    found: &mut Vec<(usize, Raw<'a>)>,
    place: usize,
    field: &Field,
    raw: Raw<'a>,
) -> Option<()> {
    let is_text = matches!(field.kind, Kind::Bytes | Kind::Text | Kind::Message(_));
    match raw {
        Raw::Bytes(_) if is_text => found.push((place, raw)),
        Raw::Number(_) if !is_text => found.push((place, raw)),
        Raw::Bytes(mut packed) if field.repeated => {
            while !packed.is_empty() {
                found.push((place, Raw::Number(varint(&mut packed)?)));
            }
        }
        _ => return None,
    }
    Some(())
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
