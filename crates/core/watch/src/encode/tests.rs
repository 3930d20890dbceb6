//! The encoded bytes, spelled out; `tests/proto.rs` reads them with a protobuf library.

use bytes::Bytes;

use super::*;
use crate::response::Refusal;

const IDENTITY: Identity = Identity {
    cluster: ClusterId(1),
    member: MemberId(2),
    term: Term(3),
};

fn encode(watch_id: i64, revision: i64, body: Body) -> Vec<u8> {
    let response = Response {
        watch_id,
        revision,
        body,
    };
    let mut out = BytesMut::from(&b"front"[..]);
    response.encode(&IDENTITY, &mut out);
    assert_eq!(out.len() - 5, response.encoded_len(&IDENTITY));
    out[5..].to_vec()
}

/// Clients that cannot read these bytes have no watch at all.
#[test]
fn matches_protobuf() {
    assert_eq!(
        encode(0, 7, Body::Created),
        b"\x0a\x08\x08\x01\x10\x02\x18\x07\x20\x03\x18\x01"
    );
    assert_eq!(
        encode(300, 0, Body::Canceled { compacted: 9 }),
        b"\x0a\x06\x08\x01\x10\x02\x20\x03\x10\xac\x02\x20\x01\x28\x09"
    );
    assert_eq!(
        encode(-1, 7, Body::Progress),
        b"\x0a\x08\x08\x01\x10\x02\x18\x07\x20\x03\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
    );
    assert_eq!(
        encode(-1, 7, Body::Refused(Refusal::EmptyRange))[21..],
        *b"\x18\x01\x20\x01\x32\x1cmvcc: watcher range is empty"
    );
}

/// The shared bytes of an event stay as they are; only the length before them knows of `prev_kv`.
#[test]
fn events_are_spliced() {
    let event = |previous| SentEvent {
        encoded: Bytes::from_static(b"\x12\x03\x0a\x01k"),
        previous,
    };
    let events = vec![event(None), event(Some(Bytes::from_static(b"\x0a\x01k")))];
    let bytes = encode(
        0,
        7,
        Body::Events {
            events,
            fragment: true,
        },
    );
    assert_eq!(
        bytes[10..],
        *b"\x38\x01\x5a\x05\x12\x03\x0a\x01k\x5a\x0a\x12\x03\x0a\x01k\x1a\x03\x0a\x01k"
    );
}
