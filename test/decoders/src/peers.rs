//! What members send each other.

use bytes::{Bytes, BytesMut};
use peer::{
    AppendWriter, Framing, Message, Snapshot, SnapshotReader, StreamReader, decode_message,
    encode_message, put_framed, put_link_heartbeat,
};
use types::{ConfState, Entry, EntryKind, Index, MemberId, SnapshotMark, Term};

const FROM: MemberId = MemberId(1);
const TO: MemberId = MemberId(2);

/// A message: what decodes, encodes to something that decodes to the same.
pub(crate) fn message(bytes: &[u8]) {
    if let Ok(message) = decode_message(&Bytes::copy_from_slice(bytes)) {
        let again = decode_message(&encode_message(&message)).expect("our own bytes");
        assert_eq!(again.entries, message.entries);
        assert_eq!((again.kind, again.context), (message.kind, message.context));
    }
    let _ = SnapshotReader::default().push(bytes);
}

/// A stream of the kind that the first byte chooses: its pieces may be cut anywhere, and what was read
/// from an append stream is read again from our own.
pub(crate) fn streams(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else {
        return;
    };
    let framing = match kind % 2 {
        0 => Framing::Messages,
        _ => Framing::Appends { from: FROM, to: TO },
    };
    let whole = read(framing, bytes, bytes.len().max(1));
    assert_eq!(read(framing, bytes, 3), whole);
    if framing != Framing::Messages {
        let (mut writer, mut out) = (AppendWriter::default(), BytesMut::new());
        whole
            .iter()
            .for_each(|message| writer.put(&mut out, message));
        let again = read(framing, &out, 5);
        assert_eq!(again.len(), whole.len());
    }
}

/// All messages before the first error.
fn read(framing: Framing, bytes: &[u8], piece: usize) -> Vec<Message> {
    let mut reader = StreamReader::new(framing);
    let mut messages = Vec::new();
    for chunk in bytes.chunks(piece) {
        reader.push(chunk);
        loop {
            match reader.next_message() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(_) => return messages,
            }
        }
    }
    messages
}

fn append(index: u64) -> Message {
    let entry = Entry {
        kind: EntryKind::Normal,
        term: Term(5),
        index: Index(index + 1),
        data: Bytes::from_static(b"data"),
    };
    Message {
        kind: 3,
        to: TO,
        from: FROM,
        term: Term(5),
        log_term: Term(5),
        index: Index(index),
        entries: vec![entry],
        commit: Index(index),
        ..Message::default()
    }
}

/// A snapshot message.
pub(crate) fn snapshot_sample() -> Vec<u8> {
    let conf = ConfState {
        voters: vec![FROM],
        learners: vec![TO],
        ..ConfState::default()
    };
    let message = Message {
        kind: 7,
        from: FROM,
        snapshot: Some(Snapshot {
            mark: SnapshotMark {
                index: Index(9),
                term: Term(2),
                conf: Some(conf),
            },
            data: Bytes::from_static(b"{}"),
        }),
        context: Bytes::from_static(b"context"),
        ..Message::default()
    };
    encode_message(&message).to_vec()
}

/// A stream with its choosing byte.
pub(crate) fn stream_sample(is_append: bool) -> Vec<u8> {
    let mut out = BytesMut::from(&[u8::from(is_append)][..]);
    let mut writer = AppendWriter::default();
    for index in [3, 4, 9] {
        if is_append {
            writer.put(&mut out, &append(index));
            writer.put_link_heartbeat(&mut out);
        } else {
            put_framed(&mut out, &append(index));
            put_link_heartbeat(&mut out);
        }
    }
    out.to_vec()
}
