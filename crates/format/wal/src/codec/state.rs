//! The hard state: `08 term | 10 vote | 18 commit`, zeros included.

use types::{HardState, Index, MemberId, Term};
use wire::{Fields, Value, put_present_number};

use super::DecodeError;

pub(crate) fn put_state(buf: &mut Vec<u8>, state: &HardState) {
    put_present_number(buf, 1, state.term.0);
    put_present_number(buf, 2, state.vote.0);
    put_present_number(buf, 3, state.commit.0);
}

/// Reads the data of a state record.
///
/// # Errors
/// [`DecodeError`] when it is none.
pub fn decode_state(bytes: &[u8]) -> Result<HardState, DecodeError> {
    let mut state = HardState::default();
    for field in Fields::new(bytes) {
        match field? {
            (1, Value::Number(number)) => state.term = Term(number),
            (2, Value::Number(number)) => state.vote = MemberId(number),
            (3, Value::Number(number)) => state.commit = Index(number),
            _ => {}
        }
    }
    Ok(state)
}
