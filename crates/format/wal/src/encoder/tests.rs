//! Exact bytes, as etcd writes them: one wrong bit and neither server starts on the other's log.

use bytes::Bytes;
use types::{ClusterId, ConfState, EntryKind, Index, MemberId, Term};

use super::*;
use crate::codec::Metadata;

const MEMBER: MemberId = MemberId(0x2e39_69ae_9b0b_826e);

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().filter(|c| !c.is_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap())
        .collect()
}

fn check_frames(encoder: &mut Encoder, expected: &str) {
    assert_eq!(encoder.bytes(), unhex(expected));
    encoder.clear();
}

fn entry(kind: EntryKind, term: u64, index: u64, data: &[u8]) -> Entry {
    Entry {
        kind,
        term: Term(term),
        index: Index(index),
        data: Bytes::copy_from_slice(data),
    }
}

/// The head of a log of three members.
#[test]
fn first_segment() {
    let mut encoder = Encoder::default();
    encoder.put_crc();
    check_frames(&mut encoder, "0400000000000084 08041000 00000000");
    let metadata = Metadata {
        member: MEMBER,
        cluster: ClusterId(0xea6f_64fc_a073_c53e),
    };
    encoder.put_metadata(&metadata.encode());
    assert_eq!(encoder.crc, 0xef7f_9368);
    check_frames(
        &mut encoder,
        "1f00000000000081 080110e8a6fefb0e1a15 08ee84aed8e9b5da9c2e10be8acf83ca9fd9b7ea01 00",
    );
    encoder.put_snapshot(&SnapshotMark::default());
    assert_eq!(encoder.crc, 0xff89_71d4);
    check_frames(
        &mut encoder,
        "0e00000000000082 080510d4e3a5fc0f1a04 08001000 0000",
    );
    let change = [
        unhex("1000 18a7f1c7f9dcc782c222 224c"),
        br#"{"id":2487124154800797863,"peerURLs":["http://127.0.0.1:23183"],"name":"n3"}"#.to_vec(),
    ]
    .concat();
    encoder.put_entry(&entry(EntryKind::ConfChange, 1, 1, &change));
    let head = "6c00000000000084 080210cbc2eefc0d1a62 080110011801225a";
    let tail = vec![0; 4];
    let expected = [unhex(head), change, tail].concat();
    assert_eq!(encoder.bytes(), expected);
}

/// States and entries in the middle of a real log: each checksum follows from the one before.
#[test]
fn middle_of_a_segment() {
    let mut encoder = Encoder::new(0x429f_4854);
    encoder.put_state(&HardState {
        term: Term(2),
        vote: MEMBER,
        commit: Index(3),
    });
    check_frames(
        &mut encoder,
        "1700000000000081 080310d2b6e1221a0e 080210ee84aed8e9b5da9c2e1803 00",
    );
    encoder.put_entry(&entry(EntryKind::Normal, 2, 4, b""));
    check_frames(
        &mut encoder,
        "0e00000000000082 080210cdc09acb081a04 10021804 0000",
    );
    encoder.put_entry(&entry(EntryKind::Normal, 2, 5, &[1; 57]));
    let frame = encoder.bytes();
    assert_eq!(frame.len(), 0x49 + 8 + 7);
    assert_eq!(frame[..11], unhex("4900000000000087 080210"));
    assert_eq!(frame[16..25], unhex("1a3f 10021805 223901"));
}

/// The head of a segment after a cut.
#[test]
fn later_segment() {
    let mut encoder = Encoder::new(0x9e2e_4b68);
    encoder.put_crc();
    encoder.put_metadata(&unhex("08c6abc6bdbabb9796da01 10dffac3cafd8bb6b18801"));
    encoder.put_state(&HardState {
        term: Term(2),
        vote: MemberId(0xda2c_5ddb_a7b1_95c6),
        commit: Index(0x4f),
    });
    check_frames(
        &mut encoder,
        "0800000000000000 080410e896b9f109
         2000000000000000 080110c39ee9d8011a16 08c6abc6bdbabb9796da01 10dffac3cafd8bb6b18801
         1900000000000087 08031080f6a681021a0f 080210c6abc6bdbabb9796da01184f 00000000000000",
    );
}

/// The mark from which 3.7 takes the membership at its start; the checksum before it is not known.
#[test]
fn snapshot_with_configuration() {
    let voters = [0x2284_0a3d_cf31_f8a7, MEMBER.0, 0xcb61_5db8_def2_d7ba];
    let mut encoder = Encoder::default();
    encoder.put_snapshot(&SnapshotMark {
        index: Index(269),
        term: Term(5),
        conf: Some(ConfState {
            voters: voters.map(MemberId).to_vec(),
            ..ConfState::default()
        }),
    });
    let frame = encoder.bytes();
    assert_eq!(frame[..11], unhex("3200000000000086 080510"));
    assert_eq!(
        frame[16..],
        unhex(
            "1a28 088d02 1005 1a21 08a7f1c7f9dcc782c222 08ee84aed8e9b5da9c2e 08baafcbf78db7d7b0cb01
             2800 000000000000"
        )
    );
}
