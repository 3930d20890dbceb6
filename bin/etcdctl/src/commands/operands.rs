//! Operands that several commands share: ranges of keys, and numbers.

use bytes::Bytes;
use client::prefix_end;

use crate::exit::Exit;
use crate::flags::Arguments;
use notation::number;

/// The end that stands for "no end".
pub(super) const OPEN_END: Bytes = Bytes::from_static(b"\0");

/// Reads `<key> [range_end]` with `--prefix` and `--from-key`; an empty end means the key alone.
pub(super) fn range(arguments: &Arguments) -> Result<(Bytes, Bytes), Exit> {
    let (prefix, from_key) = (arguments.bool("prefix"), arguments.bool("from-key"));
    if prefix && from_key {
        return Err(choose_one("prefix", "from-key"));
    }
    let key = arguments.operands.first().cloned().unwrap_or_default();
    let end = arguments.operands.get(1).cloned();
    if (prefix || from_key) && end.is_some() {
        let message = "too many arguments, only accept one argument when `--prefix` or \
                       `--from-key` is set";
        return Err(Exit::bad_arguments(message));
    }
    Ok(match end {
        Some(end) => (key, end),
        None if (prefix || from_key) && key.is_empty() => (OPEN_END, OPEN_END),
        None if prefix => {
            let end = prefix_end(&key);
            (key, end)
        }
        None if from_key => (key, OPEN_END),
        None => (key, Bytes::new()),
    })
}

pub(super) fn choose_one(one: &str, other: &str) -> Exit {
    let message = format!("`--{one}` and `--{other}` cannot be set at the same time, choose one");
    Exit::bad_arguments(message)
}

/// Reads a lease ID, which is hexadecimal without a mark; `what` names it in the message.
pub(super) fn lease_id(text: &str, what: &str) -> Result<i64, Exit> {
    number::parse_int(text, 16)
        .map_err(|error| Exit::bad_arguments(format!("bad {what} ({error}), expecting ID in Hex")))
}

/// The first operand as text, or the complaint that there is not exactly one.
pub(super) fn only(arguments: &Arguments, complaint: &str) -> Result<String, Exit> {
    match (arguments.operands.len(), arguments.operand(0)) {
        (1, Some(operand)) => Ok(operand),
        _ => Err(Exit::bad_arguments(complaint)),
    }
}

/// Refuses operands.
pub(super) fn none(arguments: &Arguments, complaint: &str) -> Result<(), Exit> {
    if arguments.operands.is_empty() {
        return Ok(());
    }
    Err(Exit::bad_arguments(complaint))
}
