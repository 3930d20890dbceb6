//! Reads the frames of both kinds of stream from pieces of any size.

use bytes::{Buf as _, Bytes, BytesMut};
use types::{Entry, Index, MemberId};

use crate::append::{ENTRIES, LINK, MESSAGE, Position};
use crate::entry::decode_entry;
use crate::message::{Message, decode_message};
use crate::stream::MESSAGE_BYTES_MAX;
use crate::{APPEND, DecodeError, ENTRIES_MAX};

/// The bytes are no stream that a member writes; the connection is of no further use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A message is not one.
    #[error(transparent)]
    Message(#[from] DecodeError),
    /// A length that nobody sends.
    #[error("a frame of {len} bytes is too long")]
    TooLong {
        /// The length announced, or that of a frame's parts so far.
        len: u64,
    },
    /// A frame of an unknown type.
    #[error("unknown frame type {number}")]
    UnknownFrame {
        /// The number found.
        number: u8,
    },
    /// The append stream carries something else.
    #[error("a message of type {number} on the append stream")]
    NoAppend {
        /// The type of the message.
        number: u64,
    },
}

/// How a stream is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Whole messages.
    Messages,
    /// Appends, whose short frames name neither sender nor receiver.
    Appends {
        /// Who sends.
        from: MemberId,
        /// Who reads.
        to: MemberId,
    },
}

/// Reads a stream. One lives exactly as long as its connection.
#[derive(Debug)]
pub struct StreamReader {
    framing: Framing,
    buf: BytesMut,
    position: Position,
    state: State,
}

#[derive(Debug)]
enum State {
    /// A frame begins.
    Start,
    /// A message of this length.
    Message { len: usize },
    /// A short frame.
    Entries {
        missing: u64,
        bytes: u64,
        entries: Vec<Entry>,
        /// The length of the next entry, once it is known.
        next: Option<usize>,
    },
}

impl StreamReader {
    /// A reader at the beginning of a stream.
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        Self {
            framing,
            buf: BytesMut::new(),
            position: Position::default(),
            state: State::Start,
        }
    }

    /// Takes what has arrived. Call [`StreamReader::next_message`] until it has no more.
    pub fn push(&mut self, chunk: &[u8]) {
        self.buf.extend_from_slice(chunk);
    }

    /// The next message; none while it has not arrived completely. What only says that the link is
    /// alive is skipped.
    ///
    /// # Errors
    /// [`FrameError`]; the stream cannot be read further.
    pub fn next_message(&mut self) -> Result<Option<Message>, FrameError> {
        while let Some(message) = self.step()? {
            match message {
                Some(message) if !message.is_link_heartbeat() => return Ok(Some(message)),
                _ => {}
            }
        }
        Ok(None)
    }

    /// One step, which may yield a message; none when more bytes are needed.
    fn step(&mut self) -> Result<Option<Option<Message>>, FrameError> {
        match std::mem::replace(&mut self.state, State::Start) {
            State::Start => Ok(self.start()?.map(|()| None)),
            State::Message { len } => match self.take(len) {
                Some(bytes) => self.message(&bytes).map(|message| Some(Some(message))),
                None => {
                    self.state = State::Message { len };
                    Ok(None)
                }
            },
            State::Entries {
                missing: 0,
                bytes,
                entries,
                next,
            } => match self.take_number() {
                Some(commit) => Ok(Some(Some(self.entries(entries, Index(commit))))),
                None => {
                    self.state = State::Entries {
                        missing: 0,
                        bytes,
                        entries,
                        next,
                    };
                    Ok(None)
                }
            },
            State::Entries {
                missing,
                bytes,
                entries,
                next,
            } => self.entry(missing, bytes, entries, next),
        }
    }

    /// Reads the head of a frame.
    fn start(&mut self) -> Result<Option<()>, FrameError> {
        if self.framing == Framing::Messages {
            return self.start_message(0);
        }
        let Some(&kind) = self.buf.first() else {
            return Ok(None);
        };
        match kind {
            LINK => {
                self.buf.advance(1);
                Ok(Some(()))
            }
            MESSAGE => self.start_message(1),
            ENTRIES => {
                let Some(missing) = self.peek_number(1) else {
                    return Ok(None);
                };
                if missing > ENTRIES_MAX as u64 {
                    return Err(DecodeError::TooManyEntries.into());
                }
                self.buf.advance(9);
                self.state = State::Entries {
                    missing,
                    bytes: 0,
                    entries: Vec::new(),
                    next: None,
                };
                Ok(Some(()))
            }
            number => Err(FrameError::UnknownFrame { number }),
        }
    }

    fn start_message(&mut self, skip: usize) -> Result<Option<()>, FrameError> {
        let Some(len) = self.peek_number(skip) else {
            return Ok(None);
        };
        let len = checked(len)?;
        self.buf.advance(skip + 8);
        self.state = State::Message { len };
        Ok(Some(()))
    }

    fn message(&mut self, bytes: &Bytes) -> Result<Message, FrameError> {
        let message = decode_message(bytes)?;
        if self.framing != Framing::Messages {
            if message.kind != APPEND {
                return Err(FrameError::NoAppend {
                    number: message.kind,
                });
            }
            self.position.set(&message);
        }
        Ok(message)
    }

    /// Reads the next entry of a short frame, or its length.
    fn entry(
        &mut self,
        missing: u64,
        mut bytes: u64,
        mut entries: Vec<Entry>,
        mut next: Option<usize>,
    ) -> Result<Option<Option<Message>>, FrameError> {
        let mut missing = missing;
        let progressed = match next {
            None => match self.take_number() {
                Some(len) => {
                    bytes = bytes.saturating_add(len);
                    checked(bytes)?;
                    next = Some(checked(len)?);
                    true
                }
                None => false,
            },
            Some(len) => match self.take(len) {
                Some(data) => {
                    entries.push(decode_entry(&data)?);
                    (missing, next) = (missing - 1, None);
                    true
                }
                None => false,
            },
        };
        self.state = State::Entries {
            missing,
            bytes,
            entries,
            next,
        };
        Ok(progressed.then_some(None))
    }

    fn entries(&mut self, entries: Vec<Entry>, commit: Index) -> Message {
        let Framing::Appends { from, to } = self.framing else {
            unreachable!("short frames are only read from append streams");
        };
        let count = entries.len();
        let message = self.position.message(from, to, entries, commit);
        self.position.advance(count);
        message
    }

    fn peek_number(&self, at: usize) -> Option<u64> {
        let bytes = self.buf.get(at..)?.first_chunk()?;
        Some(u64::from_be_bytes(*bytes))
    }

    fn take_number(&mut self) -> Option<u64> {
        let number = self.peek_number(0)?;
        self.buf.advance(8);
        Some(number)
    }

    fn take(&mut self, len: usize) -> Option<Bytes> {
        (self.buf.len() >= len).then(|| self.buf.split_to(len).freeze())
    }
}

fn checked(len: u64) -> Result<usize, FrameError> {
    match len <= MESSAGE_BYTES_MAX {
        true => Ok(len as usize),
        false => Err(FrameError::TooLong { len }),
    }
}
