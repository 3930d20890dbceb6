//! The bytes of the protocol: as real members write them, round trips, and bytes that nobody writes.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use bytes::{Bytes, BytesMut};
use peer::{
    AppendWriter, DecodeError, FrameError, Framing, Message, Snapshot, SnapshotReader,
    StreamReader, decode_message, encode_message, put_framed, put_link_heartbeat, snapshot_head,
};
use proptest::prelude::*;
use types::{ConfState, Entry, EntryKind, Index, MemberId, SnapshotMark, Term};

const FROM: MemberId = MemberId(0xcb61_a36f_1bf8_97ba);
const TO: MemberId = MemberId(0x2284_e0e5_cf3c_53a7);

fn hex(text: &str) -> Bytes {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let pairs = digits.chunks(2);
    let bytes = pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap());
    bytes.collect::<Vec<u8>>().into()
}

fn append(term: u64, log_term: u64, index: u64, entries: Vec<Entry>, commit: u64) -> Message {
    Message {
        kind: 3,
        to: TO,
        from: FROM,
        term: Term(term),
        log_term: Term(log_term),
        index: Index(index),
        entries,
        commit: Index(commit),
        ..Message::default()
    }
}

fn entry(term: u64, index: u64, data: &'static [u8]) -> Entry {
    Entry {
        kind: EntryKind::Normal,
        term: Term(term),
        index: Index(index),
        data: Bytes::from_static(data),
    }
}

/// Everything that a reader finds in pieces of `piece` bytes.
fn read(framing: Framing, bytes: &[u8], piece: usize) -> Result<Vec<Message>, FrameError> {
    let mut reader = StreamReader::new(framing);
    let mut messages = Vec::new();
    for chunk in bytes.chunks(piece.max(1)) {
        reader.push(chunk);
        while let Some(message) = reader.next_message()? {
            messages.push(message);
        }
    }
    Ok(messages)
}

const APPENDS: Framing = Framing::Appends { from: FROM, to: TO };

/// Bytes that real members were seen to send.
#[test]
fn messages_of_real_members() {
    let first = append(5, 4, 35, vec![entry(5, 36, b"")], 35);
    let bytes =
        hex("0803 10a7a7f1fcdcbcb8c222 18baafe2dff1edb0cbcb01 2005 2804 3023 3a0410051824 4023");
    let ids = decode_message(&bytes).unwrap();
    let message = Message {
        to: ids.to,
        from: ids.from,
        ..first
    };
    assert_eq!(ids, message);
    assert_eq!(encode_message(&message), bytes);

    let rejection = Message {
        kind: 4,
        term: Term(4),
        log_term: Term(2),
        index: Index(32),
        reject: true,
        reject_hint: Index(31),
        ..Message::default()
    };
    let bytes = hex("0804 2004 2802 3020 5001 581f");
    assert_eq!(encode_message(&rejection), bytes);
    assert_eq!(decode_message(&bytes), Ok(rejection));

    let vote = decode_message(&hex(
        "0805 2003 2802 3009 6210 43616d706169676e5472616e73666572",
    ));
    assert_eq!(vote.unwrap().context, "CampaignTransfer");
    let read_index = decode_message(&hex("080f 3a0a 2208 826ea1fd38a44005")).unwrap();
    assert_eq!(read_index.entries[0].data, hex("826ea1fd38a44005"));
}

/// Link heartbeats of 3.7, 3.6 and 3.5; the last has an empty snapshot in it.
#[test]
fn link_heartbeats() {
    let mut own = BytesMut::new();
    put_link_heartbeat(&mut own);
    assert_eq!(own, hex("0000000000000002 0808"));
    for bytes in [
        "0000000000000002 0808",
        "0000000000000014 0808100018002000280030004000500058006800",
        "000000000000001e 08081000180020002800300040004a0a12080a0228001000180050005800",
    ] {
        assert_eq!(read(Framing::Messages, &hex(bytes), 7), Ok(vec![]));
        let message = decode_message(&hex(bytes).slice(8..)).unwrap();
        assert!(message.is_link_heartbeat());
        assert_eq!(message.snapshot, None);
    }
}

/// The stream of the protocol's description: full, empty, and with one entry.
#[test]
fn append_stream() {
    let sent = [
        append(5, 4, 35, vec![entry(5, 36, b"")], 35),
        append(5, 5, 36, vec![], 36),
        append(5, 5, 36, vec![entry(5, 37, b"x")], 36),
        append(6, 5, 37, vec![entry(6, 38, b"")], 37),
        append(6, 6, 38, vec![entry(6, 39, b"")], 38),
    ];
    let (mut writer, mut out) = (AppendWriter::default(), BytesMut::new());
    let mut starts = Vec::new();
    for message in &sent {
        writer.put_link_heartbeat(&mut out);
        starts.push(out.len());
        writer.put(&mut out, message);
    }
    let kinds: Vec<u8> = starts.iter().map(|start| out[*start]).collect();
    assert_eq!(kinds, [2, 1, 1, 2, 1]);
    assert_eq!(
        out[starts[1]..starts[2] - 1],
        hex("01 0000000000000000 0000000000000024")
    );
    assert_eq!(
        out[starts[2]..starts[3] - 1],
        hex("01 0000000000000001 0000000000000007 1005 1825 220178 0000000000000024")
    );
    for piece in [1, 2, 3, 9, 1000] {
        assert_eq!(read(APPENDS, &out, piece).unwrap(), sent);
    }
}

/// What no member writes ends the connection and takes no memory.
#[test]
fn hostile_streams() {
    let too_long = FrameError::TooLong { len: u64::MAX };
    assert_eq!(read(Framing::Messages, &[0xff; 8], 8), Err(too_long));
    let mut long = vec![2];
    long.extend([0xff; 8]);
    assert_eq!(read(APPENDS, &long, 9), Err(too_long));
    assert_eq!(
        read(APPENDS, &[3], 1),
        Err(FrameError::UnknownFrame { number: 3 })
    );
    let mut many = vec![1];
    many.extend([0xff; 8]);
    assert_eq!(
        read(APPENDS, &many, 9),
        Err(DecodeError::TooManyEntries.into())
    );
    // Each entry is allowed, all together are not.
    let mut large = vec![1, 0, 0, 0, 0, 0, 0, 0, 2];
    large.extend((1_u64 << 40).to_be_bytes());
    assert!(matches!(
        read(APPENDS, &large, 9),
        Err(FrameError::TooLong { .. })
    ));
    let heartbeat = Message {
        kind: 8,
        from: FROM,
        ..Message::default()
    };
    let mut other = BytesMut::from(&[2][..]);
    put_framed(&mut other, &heartbeat);
    assert_eq!(
        read(APPENDS, &other, 99),
        Err(FrameError::NoAppend { number: 8 })
    );
    let unknown = decode_message(&hex("3a02 0803"));
    assert_eq!(unknown, Err(DecodeError::UnknownEntry { number: 3 }));
    let packed = [1].repeat(5000);
    let members = [
        &[0x4a, 0x8e, 0x27, 0x12, 0x8b, 0x27, 0x0a, 0x88, 0x27][..],
        &packed,
    ]
    .concat();
    assert!(decode_message(&Bytes::from(members)).is_err());
}

/// The head of a snapshot is cut wherever the network likes.
#[test]
fn snapshot_heads() {
    let message = Message {
        kind: 7,
        from: FROM,
        to: TO,
        term: Term(5),
        snapshot: Some(Snapshot {
            mark: SnapshotMark {
                index: Index(285),
                term: Term(4),
                conf: Some(ConfState {
                    voters: vec![FROM],
                    learners: vec![TO],
                    ..ConfState::default()
                }),
            },
            data: Bytes::from_static(b"{}"),
        }),
        ..Message::default()
    };
    let head = snapshot_head(&message);
    let body = [&head[..], b"image"].concat();
    for cut in 0..body.len() {
        let mut reader = SnapshotReader::default();
        let mut found = reader.push(&body[..cut]).unwrap();
        if cut < head.len() {
            assert_eq!(found, None);
            found = reader.push(&body[cut..]).unwrap();
        }
        let (read, image) = found.unwrap();
        assert_eq!(read, message);
        assert!(b"image".starts_with(&image));
    }
    let error = SnapshotReader::default().push(&[0xff; 8]).unwrap_err();
    assert_eq!(error, FrameError::TooLong { len: u64::MAX });
}

prop_compose! {
    fn entries()(
        kind in prop_oneof![Just(EntryKind::Normal), Just(EntryKind::ConfChange), Just(EntryKind::ConfChangeV2)],
        term in any::<u64>(),
        index in any::<u64>(),
        data in prop::collection::vec(any::<u8>(), 0..40),
    ) -> Entry {
        Entry { kind, term: Term(term), index: Index(index), data: data.into() }
    }
}

prop_compose! {
    fn snapshots()(
        index in 1..u64::MAX,
        term in any::<u64>(),
        ids in prop::collection::vec(1..u64::MAX, 0..8),
        auto_leave in any::<bool>(),
        has_conf in any::<bool>(),
        data in prop::collection::vec(any::<u8>(), 0..40),
    ) -> Snapshot {
        let part = |number: usize| ids.iter().copied().skip(number).step_by(4).map(MemberId).collect();
        let conf = ConfState {
            voters: part(0),
            learners: part(1),
            voters_outgoing: part(2),
            learners_next: part(3),
            auto_leave,
        };
        let conf = has_conf.then_some(conf);
        Snapshot { mark: SnapshotMark { index: Index(index), term: Term(term), conf }, data: data.into() }
    }
}

prop_compose! {
    fn messages()(
        kind in 0..30_u64,
        ids in any::<(u64, u64)>(),
        numbers in any::<(u64, u64, u64, u64, u64)>(),
        entries in prop::collection::vec(entries(), 0..6),
        snapshot in prop::option::of(snapshots()),
        reject in any::<bool>(),
        context in prop::collection::vec(any::<u8>(), 0..20),
    ) -> Message {
        Message {
            kind,
            to: MemberId(ids.0),
            from: MemberId(ids.1),
            term: Term(numbers.0),
            log_term: Term(numbers.1),
            index: Index(numbers.2),
            entries,
            commit: Index(numbers.3),
            snapshot,
            reject,
            reject_hint: Index(numbers.4),
            context: context.into(),
        }
    }
}

proptest! {
    /// A field that came back different would be another message.
    #[test]
    fn messages_round_trip(message in messages()) {
        let bytes = encode_message(&message);
        prop_assert_eq!(decode_message(&bytes).unwrap(), message);
    }

    /// Both streams, cut anywhere.
    #[test]
    fn streams_round_trip(
        messages in prop::collection::vec(messages(), 0..8),
        jumps in prop::collection::vec(any::<bool>(), 8),
        piece in 1..200_usize,
    ) {
        let mut out = BytesMut::new();
        for message in &messages {
            put_framed(&mut out, message);
            put_link_heartbeat(&mut out);
        }
        prop_assert_eq!(&read(Framing::Messages, &out, piece).unwrap(), &messages);

        // Appends that sometimes follow each other.
        let mut at = 0;
        let appends: Vec<Message> = messages.into_iter().zip(jumps).map(|(message, jump)| {
            at += if jump { 100 } else { 0 };
            let index = at;
            let entries: Vec<Entry> = message.entries.into_iter().map(|entry| {
                at += 1;
                Entry { term: Term(7), index: Index(at), ..entry }
            }).collect();
            append(7, 7, index, entries, message.commit.0)
        }).collect();
        let (mut writer, mut out) = (AppendWriter::default(), BytesMut::new());
        for message in &appends {
            writer.put(&mut out, message);
        }
        prop_assert_eq!(read(APPENDS, &out, piece).unwrap(), appends);
    }

    /// No bytes of a peer may stop this member.
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200), piece in 1..50_usize) {
        let _ = decode_message(&Bytes::from(bytes.clone()));
        let _ = read(Framing::Messages, &bytes, piece);
        let _ = read(APPENDS, &bytes, piece);
        let _ = SnapshotReader::default().push(&bytes);
    }

    /// Nor may messages that were damaged on their way.
    #[test]
    fn damaged(message in messages(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = encode_message(&message).to_vec();
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let bytes = Bytes::from(bytes);
        for cut in 0..bytes.len() {
            let _ = decode_message(&bytes.slice(..cut));
        }
        if let Ok(again) = decode_message(&bytes) {
            let encoded = encode_message(&again);
            prop_assert_eq!(decode_message(&encoded).unwrap(), again);
        }
    }
}
