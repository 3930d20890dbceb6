//! A raft message.
//!
//! ```text
//! 1 type  2 to  3 from  4 term  5 logTerm  6 index  7 entries  8 commit  9 snapshot
//! 10 reject  11 rejectHint  12 context
//! ```
//! Fields 13 (`vote`) and 14 (`responses`) occur only between a member's own threads in etcd; they
//! are skipped. As etcd 3.7 writes it, what is zero is left out; earlier versions write every number.

use bytes::{Bytes, BytesMut};
use types::{Entry, Index, MemberId, SnapshotMark, Term};
use wire::{Fields, Value, bytes_len, number_len, put_bytes, put_head, put_number};

use crate::entry::{decode_entry, entry_len, put_entry};
use crate::snapshot::{decode_snapshot, put_snapshot, snapshot_len};
use crate::{DecodeError, ENTRIES_MAX, HEARTBEAT};

/// A snapshot as it travels in a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Index, term and configuration.
    pub mark: SnapshotMark,
    /// What the sender adds: the membership as JSON.
    pub data: Bytes,
}

/// A raft message, whatever its type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The number of its type.
    pub kind: u64,
    /// The receiver.
    pub to: MemberId,
    /// The sender.
    pub from: MemberId,
    /// The sender's term.
    pub term: Term,
    /// The term of the entry at `index`.
    pub log_term: Term,
    /// A log position.
    pub index: Index,
    /// Entries to append or propose, or the read request.
    pub entries: Vec<Entry>,
    /// How far the receiver may commit.
    pub commit: Index,
    /// Absent also when a peer sends one with index zero, as etcd 3.5 does in every message.
    pub snapshot: Option<Snapshot>,
    /// Whether a response refuses.
    pub reject: bool,
    /// Where the logs may agree, says who rejects.
    pub reject_hint: Index,
    /// Echoed by heartbeats.
    pub context: Bytes,
}

impl Message {
    /// Whether it only says that the link is alive, and is not for raft.
    #[must_use]
    pub fn is_link_heartbeat(&self) -> bool {
        self.kind == HEARTBEAT && self.to.is_none() && self.from.is_none()
    }
}

/// Reads a message; payloads are slices of `bytes`.
///
/// # Errors
/// [`DecodeError`] when it is none.
pub fn decode_message(bytes: &Bytes) -> Result<Message, DecodeError> {
    let mut message = Message::default();
    for field in Fields::new(bytes) {
        let (field, value) = field?;
        match value {
            Value::Number(number) => set_number(&mut message, field, number),
            Value::Bytes(value) => set_bytes(&mut message, field, bytes.slice_ref(value))?,
            Value::Fixed => {}
        }
    }
    Ok(message)
}

fn set_number(message: &mut Message, field: u64, number: u64) {
    match field {
        1 => message.kind = number,
        2 => message.to = MemberId(number),
        3 => message.from = MemberId(number),
        4 => message.term = Term(number),
        5 => message.log_term = Term(number),
        6 => message.index = Index(number),
        8 => message.commit = Index(number),
        10 => message.reject = number != 0,
        11 => message.reject_hint = Index(number),
        _ => {}
    }
}

fn set_bytes(message: &mut Message, field: u64, bytes: Bytes) -> Result<(), DecodeError> {
    match field {
        7 => {
            if message.entries.len() == ENTRIES_MAX {
                return Err(DecodeError::TooManyEntries);
            }
            message.entries.push(decode_entry(&bytes)?);
        }
        9 => {
            let snapshot = decode_snapshot(&bytes)?;
            message.snapshot = (snapshot.mark.index.0 != 0).then_some(snapshot);
        }
        12 => message.context = bytes,
        _ => {}
    }
    Ok(())
}

/// The bytes of a message.
#[must_use]
pub fn encode_message(message: &Message) -> Bytes {
    let mut buf = BytesMut::with_capacity(message_len(message));
    put_message(&mut buf, message);
    buf.freeze()
}

pub(crate) fn put_message(buf: &mut BytesMut, message: &Message) {
    put_number(buf, 1, message.kind);
    put_number(buf, 2, message.to.0);
    put_number(buf, 3, message.from.0);
    put_number(buf, 4, message.term.0);
    put_number(buf, 5, message.log_term.0);
    put_number(buf, 6, message.index.0);
    for entry in &message.entries {
        put_head(buf, 7, entry_len(entry));
        put_entry(buf, entry);
    }
    put_number(buf, 8, message.commit.0);
    if let Some(snapshot) = &message.snapshot {
        put_head(buf, 9, snapshot_len(snapshot));
        put_snapshot(buf, snapshot);
    }
    put_number(buf, 10, message.reject.into());
    put_number(buf, 11, message.reject_hint.0);
    if !message.context.is_empty() {
        put_bytes(buf, 12, &message.context);
    }
}

/// How many bytes [`put_message`] appends.
pub(crate) fn message_len(message: &Message) -> usize {
    let numbers = [
        message.kind,
        message.to.0,
        message.from.0,
        message.term.0,
        message.log_term.0,
        message.index.0,
        message.commit.0,
        message.reject.into(),
        message.reject_hint.0,
    ];
    let entries = message.entries.iter();
    let snapshot = message.snapshot.as_ref();
    numbers.into_iter().map(number_len).sum::<usize>()
        + entries
            .map(|entry| bytes_len(entry_len(entry)))
            .sum::<usize>()
        + snapshot.map_or(0, |snapshot| bytes_len(snapshot_len(snapshot)))
        + match message.context.len() {
            0 => 0,
            len => bytes_len(len),
        }
}
