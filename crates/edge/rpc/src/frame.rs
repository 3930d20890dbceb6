//! gRPC's length-prefixed messages: out as a buffer without a copy, in as a reader.
//!
//! ```text
//! flag u8 (1 = compressed) | length u32 big endian | message
//! ```

use std::{
    io::IoSlice,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use hyper::body::{Body, Incoming};
use proto::error::Code;

use crate::{compression, status::Status};

/// The prefix of a message, in bytes.
const HEAD_BYTES: usize = 5;
/// The largest message that is sent; etcd's send limit.
const SEND_BYTES_MAX: usize = i32::MAX as usize;

/// A message with its prefix, sent without being copied together.
pub(crate) struct Framed {
    head: [u8; HEAD_BYTES],
    head_sent: usize,
    message: Bytes,
}

impl Framed {
    /// Frames a message, compressed when the request's were.
    pub(crate) fn new(message: Bytes, gzip: bool) -> Result<Self, Status> {
        let compress = gzip && !message.is_empty();
        let message = if compress {
            compression::gzip(&message)
        } else {
            message
        };
        let len = u32::try_from(message.len()).unwrap_or(u32::MAX);
        if message.len() > SEND_BYTES_MAX {
            return Err(Status::new(
                Code::ResourceExhausted,
                format!("trying to send message larger than max ({len} vs. {SEND_BYTES_MAX})"),
            ));
        }
        let mut head = [u8::from(compress), 0, 0, 0, 0];
        head[1..].copy_from_slice(&len.to_be_bytes());
        Ok(Self {
            head,
            head_sent: 0,
            message,
        })
    }

    /// Bytes as they are, for a body that is none of gRPC.
    pub(crate) fn bare(bytes: Bytes) -> Self {
        Self {
            head: [0; HEAD_BYTES],
            head_sent: HEAD_BYTES,
            message: bytes,
        }
    }
}

impl Buf for Framed {
    fn remaining(&self) -> usize {
        HEAD_BYTES - self.head_sent + self.message.len()
    }

    fn chunk(&self) -> &[u8] {
        if self.head_sent < HEAD_BYTES {
            &self.head[self.head_sent..]
        } else {
            &self.message
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let parts = [&self.head[self.head_sent..], &self.message[..]];
        let filled = parts.into_iter().filter(|part| !part.is_empty());
        let mut count = 0;
        for (slice, part) in slices.iter_mut().zip(filled) {
            *slice = IoSlice::new(part);
            count += 1;
        }
        count
    }

    fn advance(&mut self, count: usize) {
        let of_head = count.min(HEAD_BYTES - self.head_sent);
        self.head_sent += of_head;
        self.message.advance(count - of_head);
    }
}

/// Cuts a request's body into messages.
pub(crate) struct Reader<B = Incoming> {
    body: B,
    /// What the last DATA frame brought and no message has taken.
    chunk: Bytes,
    /// The beginning of a message that spans frames; empty when none does.
    partial: BytesMut,
    gzip: bool,
    message_bytes_max: usize,
}

impl<B> Reader<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    pub(crate) fn new(body: B, gzip: bool, message_bytes_max: usize) -> Self {
        Self {
            body,
            chunk: Bytes::new(),
            partial: BytesMut::new(),
            gzip,
            message_bytes_max,
        }
    }

    /// The next message, or none when the client has closed its side between messages.
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Status>>> {
        loop {
            match self.take_message() {
                Ok(Some(message)) => return Poll::Ready(Some(Ok(message))),
                Ok(None) => {}
                Err(status) => return Poll::Ready(Some(Err(status))),
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.chunk = data;
                    }
                }
                Some(Err(_)) => return Poll::Ready(Some(Err(Status::cancelled()))),
                None if self.partial.is_empty() => return Poll::Ready(None),
                None => {
                    self.partial.clear();
                    let status = Status::new(Code::Internal, "unexpected EOF");
                    return Poll::Ready(Some(Err(status)));
                }
            }
        }
    }

    /// Takes a message from what was received; moves the beginning of one aside, so that `chunk`
    /// is empty whenever this returns none.
    fn take_message(&mut self) -> Result<Option<Bytes>, Status> {
        if self.partial.is_empty() {
            if let Some(head) = self.head(&self.chunk)?
                && self.chunk.len() >= head.end
            {
                let mut message = self.chunk.split_to(head.end);
                message.advance(HEAD_BYTES);
                return self.decompressed(message, head.compressed).map(Some);
            }
            self.partial.extend_from_slice(&self.chunk);
            self.chunk = Bytes::new();
            return Ok(None);
        }
        self.fill(HEAD_BYTES);
        let Some(head) = self.head(&self.partial)? else {
            return Ok(None);
        };
        self.fill(head.end);
        if self.partial.len() < head.end {
            return Ok(None);
        }
        let mut message = self.partial.split().freeze();
        message.advance(HEAD_BYTES);
        self.decompressed(message, head.compressed).map(Some)
    }

    /// Moves bytes from the chunk until the partial message holds `len`.
    fn fill(&mut self, len: usize) {
        let missing = len.saturating_sub(self.partial.len());
        let take = self.chunk.split_to(missing.min(self.chunk.len()));
        self.partial.extend_from_slice(&take);
    }

    fn head(&self, bytes: &[u8]) -> Result<Option<Head>, Status> {
        let Some((head, _)) = bytes.split_first_chunk::<HEAD_BYTES>() else {
            return Ok(None);
        };
        let [flag, len @ ..] = *head;
        let compressed = match flag {
            0 => false,
            1 if self.gzip => true,
            1 => {
                return Err(Status::new(
                    Code::Internal,
                    "grpc: compressed flag set with identity or empty encoding",
                ));
            }
            other => {
                return Err(Status::new(
                    Code::Internal,
                    format!("grpc: received unexpected payload format {other}"),
                ));
            }
        };
        let len = u32::from_be_bytes(len);
        match usize::try_from(len) {
            Ok(len) if len <= self.message_bytes_max => Ok(Some(Head {
                compressed,
                end: HEAD_BYTES + len,
            })),
            _ => Err(Status::new(
                Code::ResourceExhausted,
                format!(
                    "grpc: received message larger than max ({len} vs. {})",
                    self.message_bytes_max
                ),
            )),
        }
    }

    fn decompressed(&self, message: Bytes, compressed: bool) -> Result<Bytes, Status> {
        if compressed {
            compression::gunzip(&message, self.message_bytes_max)
        } else {
            Ok(message)
        }
    }
}

struct Head {
    compressed: bool,
    /// Where the message ends, counted from its prefix.
    end: usize,
}

#[cfg(test)]
#[path = "frame/tests.rs"]
mod tests;
