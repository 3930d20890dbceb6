//! Who the log belongs to: `08 member | 10 cluster`, both always present.

use types::{ClusterId, MemberId};
use wire::{Fields, Value, put_present_number};

use super::DecodeError;

/// The member and the cluster that a log belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The member that writes the log.
    pub member: MemberId,
    /// Its cluster.
    pub cluster: ClusterId,
}

impl Metadata {
    /// The bytes of a new log; those of an existing log are kept as they are.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut buf = Vec::new();
        put_present_number(&mut buf, 1, self.member.0);
        put_present_number(&mut buf, 2, self.cluster.0);
        buf
    }
}

/// Reads the data of a metadata record.
///
/// # Errors
/// [`DecodeError`] when it is none.
pub fn decode_metadata(bytes: &[u8]) -> Result<Metadata, DecodeError> {
    let mut metadata = Metadata::default();
    for field in Fields::new(bytes) {
        match field? {
            (1, Value::Number(number)) => metadata.member = MemberId(number),
            (2, Value::Number(number)) => metadata.cluster = ClusterId(number),
            _ => {}
        }
    }
    Ok(metadata)
}
