//! Protobuf fields by hand, for the messages whose exact bytes are a format: records, the log,
//! raft messages, watch responses.
//!
//! ```text
//! field   tag (number << 3 | type) value
//! type    0 varint   1 eight bytes   2 varint length and that many bytes   5 four bytes
//! ```
//! See <https://protobuf.dev/programming-guides/encoding/>. Readers take whatever a disk or a peer
//! may hold: they return errors with offsets, never panic and never allocate by a length that they
//! read.

mod read;
mod write;

pub use read::{BadField, Fields, Value, read_varint};
pub use write::{
    bytes_len, number_len, put_bytes, put_head, put_number, put_present_number, put_varint,
    varint_len,
};

#[cfg(test)]
mod tests;
