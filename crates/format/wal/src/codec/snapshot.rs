//! A snapshot mark: `08 index | 10 term | 1a len conf`.
//!
//! ```text
//! conf: 08 voter… | 10 learner… | 18 outgoing voter… | 20 next learner… | 28 auto leave
//! ```
//! Lists are written unpacked and read either way.

use types::{ConfState, Index, MemberId, SnapshotMark, Term};
use wire::{Fields, Value, put_head, put_present_number, read_varint, varint_len};

use super::DecodeError;

pub(crate) fn put_snapshot(buf: &mut Vec<u8>, mark: &SnapshotMark) {
    put_present_number(buf, 1, mark.index.0);
    put_present_number(buf, 2, mark.term.0);
    if let Some(conf) = &mark.conf {
        put_head(buf, 3, conf_len(conf));
        put_conf(buf, conf);
    }
}

fn lists(conf: &ConfState) -> [&Vec<MemberId>; 4] {
    [
        &conf.voters,
        &conf.learners,
        &conf.voters_outgoing,
        &conf.learners_next,
    ]
}

pub(crate) fn conf_len(conf: &ConfState) -> usize {
    let ids = lists(conf).into_iter().flatten();
    ids.map(|id| 1 + varint_len(id.0)).sum::<usize>() + 2
}

pub(crate) fn put_conf(buf: &mut Vec<u8>, conf: &ConfState) {
    for (field, ids) in (1..).zip(lists(conf)) {
        for id in ids {
            put_present_number(buf, field, id.0);
        }
    }
    put_present_number(buf, 5, conf.auto_leave.into());
}

/// Reads the data of a snapshot record.
///
/// # Errors
/// [`DecodeError`] when it is none.
pub fn decode_snapshot(bytes: &[u8]) -> Result<SnapshotMark, DecodeError> {
    let mut mark = SnapshotMark::default();
    for field in Fields::new(bytes) {
        match field? {
            (1, Value::Number(number)) => mark.index = Index(number),
            (2, Value::Number(number)) => mark.term = Term(number),
            (3, Value::Bytes(bytes)) => mark.conf = Some(decode_conf(bytes)?),
            _ => {}
        }
    }
    Ok(mark)
}

pub(crate) fn decode_conf(bytes: &[u8]) -> Result<ConfState, DecodeError> {
    let mut conf = ConfState::default();
    for field in Fields::new(bytes) {
        let (field, value) = field?;
        let list = match field {
            1 => &mut conf.voters,
            2 => &mut conf.learners,
            3 => &mut conf.voters_outgoing,
            4 => &mut conf.learners_next,
            5 => {
                conf.auto_leave = matches!(value, Value::Number(number) if number != 0);
                continue;
            }
            _ => continue,
        };
        match value {
            Value::Number(id) => list.push(MemberId(id)),
            Value::Bytes(packed) => put_packed(list, packed)?,
            Value::Fixed => {}
        }
    }
    Ok(conf)
}

fn put_packed(list: &mut Vec<MemberId>, packed: &[u8]) -> Result<(), DecodeError> {
    let mut at = 0;
    while at < packed.len() {
        let offset = at;
        let id = read_varint(packed, &mut at).ok_or(DecodeError::Field { offset })?;
        list.push(MemberId(id));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Offline restore leaves out `auto_leave`; other writers pack lists.
    #[test]
    fn other_writers_are_read() {
        let restored = b"\x08\x01\x10\x01\x1a\x0a\x08\xf3\x97\xc2\xbe\xba\xcf\xef\x93\x26";
        let mark = decode_snapshot(restored).unwrap();
        assert_eq!((mark.index, mark.term), (Index(1), Term(1)));
        let conf = mark.conf.unwrap();
        assert_eq!(conf.voters, [MemberId(0x2627_be7b_a7d0_8bf3)]);
        let packed = decode_snapshot(b"\x1a\x06\x12\x02\x05\x06\x28\x01").unwrap();
        let conf = packed.conf.unwrap();
        assert_eq!(conf.learners, [MemberId(5), MemberId(6)]);
        assert!(conf.auto_leave);
        assert!(decode_snapshot(b"\x1a\x03\x0a\x01\x80").is_err());
    }

    /// A configuration that came back different would give a restarted member other peers.
    #[test]
    fn configurations_round_trip() {
        let ids = |from: u64| (from..from + 3).map(MemberId).collect();
        let mark = SnapshotMark {
            index: Index(u64::MAX),
            term: Term(7),
            conf: Some(ConfState {
                voters: ids(1),
                learners: ids(1 << 40),
                voters_outgoing: ids(u64::MAX - 3),
                learners_next: ids(127),
                auto_leave: true,
            }),
        };
        let mut buf = Vec::new();
        put_snapshot(&mut buf, &mark);
        assert_eq!(decode_snapshot(&buf), Ok(mark));
    }
}
