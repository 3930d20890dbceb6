//! The append stream: only appends, most of them without what the one before has said.
//!
//! ```text
//! 0                                            the link is alive
//! 1 | count | (length, entry)… | commit        appends to where the frame before ended, same term
//! 2 | length | message                         any append; sets term and index for what follows
//! ```
//! Numbers are of eight bytes, the highest first. Both ends begin with term and index zero.

use bytes::{BufMut, BytesMut};
use types::{Entry, Index, MemberId, Term};

use crate::APPEND;
use crate::entry::{entry_len, put_entry};
use crate::message::{Message, message_len, put_message};

pub(crate) const LINK: u8 = 0;
pub(crate) const ENTRIES: u8 = 1;
pub(crate) const MESSAGE: u8 = 2;

/// Where the next short frame of a stream continues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    term: Term,
    index: Index,
}

impl Position {
    /// Whether a message says nothing that a short frame cannot say.
    fn continues(self, message: &Message) -> bool {
        message.index == self.index && message.log_term == self.term && message.term == self.term
    }

    /// Moves past a message that was sent in full.
    pub(crate) fn set(&mut self, message: &Message) {
        self.term = message.term;
        self.index = message
            .entries
            .last()
            .map_or(message.index, |entry| entry.index);
    }

    /// Moves past the entries of a short frame.
    pub(crate) fn advance(&mut self, count: usize) {
        // A peer may have set any index: what follows is then nonsense, and raft says so.
        self.index = Index(self.index.0.wrapping_add(count as u64));
    }

    /// The message that a short frame stands for.
    pub(crate) fn message(
        self,
        from: MemberId,
        to: MemberId,
        entries: Vec<Entry>,
        commit: Index,
    ) -> Message {
        Message {
            kind: APPEND,
            from,
            to,
            term: self.term,
            log_term: self.term,
            index: self.index,
            entries,
            commit,
            ..Message::default()
        }
    }
}

/// Writes an append stream. One lives exactly as long as its connection.
#[derive(Clone, Debug, Default)]
pub struct AppendWriter {
    position: Position,
}

impl AppendWriter {
    /// Appends the frame of an append message.
    pub fn put(&mut self, buf: &mut BytesMut, message: &Message) {
        if self.position.continues(message) {
            put_entries(buf, message);
            self.position.advance(message.entries.len());
        } else {
            let len = message_len(message);
            buf.reserve(9 + len);
            buf.put_u8(MESSAGE);
            buf.put_u64(len as u64);
            put_message(buf, message);
            self.position.set(message);
        }
    }

    /// Appends the frame that says that the link is alive.
    pub fn put_link_heartbeat(&self, buf: &mut BytesMut) {
        buf.put_u8(LINK);
    }
}

fn put_entries(buf: &mut BytesMut, message: &Message) {
    let entries = message.entries.iter();
    buf.reserve(
        17 + entries
            .clone()
            .map(|entry| 8 + entry_len(entry))
            .sum::<usize>(),
    );
    buf.put_u8(ENTRIES);
    buf.put_u64(message.entries.len() as u64);
    for entry in entries {
        buf.put_u64(entry_len(entry) as u64);
        put_entry(buf, entry);
    }
    buf.put_u64(message.commit.0);
}
