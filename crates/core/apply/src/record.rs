//! Decoding what the store gave back.

use bytes::Bytes;
use types::Record;

use crate::response::{Fault, Stop};

/// A record of the store; damage here is this member's fault, not the request's.
pub(crate) fn decoded(encoded: &Bytes) -> Result<Record, Stop> {
    Record::decode(encoded).map_err(|error| Stop::Fault(Fault::Record(error)))
}
