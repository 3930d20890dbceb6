//! Messages with their length before them: the message stream, and the head of a snapshot.

use bytes::{Buf as _, BufMut, Bytes, BytesMut};

use crate::HEARTBEAT;
use crate::message::{Message, decode_message, message_len, put_message};
use crate::reader::FrameError;

/// The longest message of a stream.
pub const MESSAGE_BYTES_MAX: u64 = 512 << 20;
/// The longest message that is posted by itself.
pub const POST_BYTES_MAX: u64 = 64 << 20;
/// The longest message before a database image.
pub const SNAPSHOT_MESSAGE_BYTES_MAX: u64 = 64 << 20;

/// Appends a message with its length before it.
pub fn put_framed(buf: &mut BytesMut, message: &Message) {
    let len = message_len(message);
    buf.reserve(8 + len);
    buf.put_u64(len as u64);
    put_message(buf, message);
}

/// Appends the message that says that a message stream is alive.
pub fn put_link_heartbeat(buf: &mut BytesMut) {
    let alive = Message {
        kind: HEARTBEAT,
        ..Message::default()
    };
    put_framed(buf, &alive);
}

/// What stands before the database image when a snapshot is posted.
#[must_use]
pub fn snapshot_head(message: &Message) -> Bytes {
    let mut buf = BytesMut::new();
    put_framed(&mut buf, message);
    buf.freeze()
}

/// Reads what stands before a database image.
#[derive(Debug, Default)]
pub struct SnapshotReader {
    buf: BytesMut,
}

impl SnapshotReader {
    /// Takes what has arrived; once the message is complete, returns it and the image's first bytes.
    ///
    /// # Errors
    /// [`FrameError`] when it is no message, or one too long.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Option<(Message, Bytes)>, FrameError> {
        self.buf.extend_from_slice(chunk);
        let Some(head) = self.buf.first_chunk() else {
            return Ok(None);
        };
        let len = u64::from_be_bytes(*head);
        if len > SNAPSHOT_MESSAGE_BYTES_MAX {
            return Err(FrameError::TooLong { len });
        }
        let end = 8 + len as usize;
        if self.buf.len() < end {
            return Ok(None);
        }
        let mut frame = self.buf.split_to(end).freeze();
        frame.advance(8);
        Ok(Some((decode_message(&frame)?, self.buf.split().freeze())))
    }
}
