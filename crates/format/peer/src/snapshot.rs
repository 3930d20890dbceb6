//! A snapshot in a message: `0a len data | 12 len {0a len conf | 10 index | 18 term}`.
//!
//! ```text
//! conf: 08 voter… | 10 learner… | 18 outgoing voter… | 20 next learner… | 28 auto leave
//! ```
//! Lists are written unpacked and read either way.

use bytes::{Bytes, BytesMut};
use types::{ConfState, Index, MemberId, SnapshotMark, Term};
use wire::{Fields, Value, bytes_len, number_len, put_bytes, put_head, put_number, read_varint};

use crate::message::Snapshot;
use crate::{CONF_MEMBERS_MAX, DecodeError};

pub(crate) fn decode_snapshot(bytes: &Bytes) -> Result<Snapshot, DecodeError> {
    let mut snapshot = Snapshot::default();
    for field in Fields::new(bytes) {
        match field? {
            (1, Value::Bytes(data)) => snapshot.data = bytes.slice_ref(data),
            (2, Value::Bytes(mark)) => snapshot.mark = decode_mark(mark)?,
            _ => {}
        }
    }
    Ok(snapshot)
}

fn decode_mark(bytes: &[u8]) -> Result<SnapshotMark, DecodeError> {
    let mut mark = SnapshotMark::default();
    for field in Fields::new(bytes) {
        match field? {
            (1, Value::Bytes(conf)) => mark.conf = Some(decode_conf(conf)?),
            (2, Value::Number(number)) => mark.index = Index(number),
            (3, Value::Number(number)) => mark.term = Term(number),
            _ => {}
        }
    }
    Ok(mark)
}

fn decode_conf(bytes: &[u8]) -> Result<ConfState, DecodeError> {
    let mut conf = ConfState::default();
    let mut count = 0;
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
        let before = list.len();
        match value {
            Value::Number(id) => list.push(MemberId(id)),
            Value::Bytes(packed) => put_packed(list, packed)?,
            Value::Fixed => {}
        }
        count += list.len() - before;
        if count > CONF_MEMBERS_MAX {
            return Err(DecodeError::TooManyMembers);
        }
    }
    Ok(conf)
}

fn put_packed(list: &mut Vec<MemberId>, packed: &[u8]) -> Result<(), DecodeError> {
    let mut at = 0;
    while at < packed.len() {
        if list.len() > CONF_MEMBERS_MAX {
            return Err(DecodeError::TooManyMembers);
        }
        let offset = at;
        let id = read_varint(packed, &mut at).ok_or(DecodeError::Field { offset })?;
        list.push(MemberId(id));
    }
    Ok(())
}

pub(crate) fn put_snapshot(buf: &mut BytesMut, snapshot: &Snapshot) {
    if !snapshot.data.is_empty() {
        put_bytes(buf, 1, &snapshot.data);
    }
    let mark = &snapshot.mark;
    put_head(buf, 2, mark_len(mark));
    if let Some(conf) = &mark.conf {
        put_head(buf, 1, conf_len(conf));
        put_conf(buf, conf);
    }
    put_number(buf, 2, mark.index.0);
    put_number(buf, 3, mark.term.0);
}

/// How many bytes [`put_snapshot`] appends.
pub(crate) fn snapshot_len(snapshot: &Snapshot) -> usize {
    let data = match snapshot.data.len() {
        0 => 0,
        len => bytes_len(len),
    };
    data + bytes_len(mark_len(&snapshot.mark))
}

fn mark_len(mark: &SnapshotMark) -> usize {
    let conf = mark.conf.as_ref();
    conf.map_or(0, |conf| bytes_len(conf_len(conf)))
        + number_len(mark.index.0)
        + number_len(mark.term.0)
}

fn lists(conf: &ConfState) -> [&Vec<MemberId>; 4] {
    [
        &conf.voters,
        &conf.learners,
        &conf.voters_outgoing,
        &conf.learners_next,
    ]
}

/// The number zero names no member and is left out.
fn conf_len(conf: &ConfState) -> usize {
    let ids = lists(conf).into_iter().flatten();
    ids.map(|id| number_len(id.0)).sum::<usize>() + number_len(conf.auto_leave.into())
}

fn put_conf(buf: &mut BytesMut, conf: &ConfState) {
    for (field, ids) in (1..).zip(lists(conf)) {
        for id in ids {
            put_number(buf, field, id.0);
        }
    }
    put_number(buf, 5, conf.auto_leave.into());
}
