//! The write-ahead log.

use std::ops::ControlFlow;
use std::sync::Arc;

use disk::{Dir, MemDir};
use types::{Entry, EntryKind, HardState, Index, Term};
use wal::{Options, Start, Wal};

use crate::files::disk_with;

/// The first segment of every log.
pub(crate) const SEGMENT: &str = "0000000000000000-0000000000000000.wal";
const SECTOR_PADDING: usize = 8;
/// A small segment that nothing is zeroed ahead for.
pub(crate) const OPTIONS: Options = Options {
    segment_bytes: 1 << 20,
    preallocate: false,
    sync: true,
};
/// The type of records that carry the running checksum.
const CRC: u8 = 4;

/// Messages of records, without their frames.
pub(crate) fn records(bytes: &[u8]) {
    // Errors are answers, too: only panics count.
    let _ = wal::decode_record(bytes);
    let _ = wal::decode_entry(bytes);
    let _ = wal::decode_state(bytes);
    let _ = wal::decode_snapshot(bytes);
    let _ = wal::decode_metadata(bytes);
}

/// A segment as it is.
pub(crate) fn segment(bytes: &[u8]) {
    open(bytes);
}

/// Records in frames whose lengths and checksums are right: each is a type, a length of one byte and so
/// many bytes of data. What the reader makes of records is reached only with right checksums.
pub(crate) fn frames(bytes: &[u8]) {
    open(&framed(bytes));
}

fn framed(bytes: &[u8]) -> Vec<u8> {
    let mut segment = Vec::new();
    let mut crc = 0;
    push_frame(&mut segment, CRC, 0, None);
    let mut rest = bytes;
    while let [kind, len, tail @ ..] = rest {
        let (data, tail) = tail.split_at(usize::from(*len).min(tail.len()));
        rest = tail;
        match *kind % 6 {
            CRC => push_frame(&mut segment, CRC, crc, None),
            kind => {
                crc = crc32c::crc32c_append(crc, data);
                push_frame(&mut segment, kind, crc, Some(data));
            }
        }
    }
    segment
}

/// A length word with the padding in its highest byte, and a record: type, crc, data.
fn push_frame(segment: &mut Vec<u8>, kind: u8, crc: u32, data: Option<&[u8]>) {
    let mut record = vec![0x08, kind, 0x10];
    push_varint(&mut record, u64::from(crc));
    if let Some(data) = data {
        record.push(0x1a);
        push_varint(&mut record, data.len() as u64);
        record.extend_from_slice(data);
    }
    let padding = (SECTOR_PADDING - record.len() % SECTOR_PADDING) % SECTOR_PADDING;
    let mut word = record.len() as u64;
    if padding != 0 {
        word |= (0x80 | padding as u64) << 56;
    }
    segment.extend_from_slice(&word.to_le_bytes());
    segment.extend_from_slice(&record);
    segment.resize(segment.len() + padding, 0);
}

fn push_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Reads a log of one segment in every way. One that opens takes entries, and opens again with them;
/// whether it did.
fn open(segment: &[u8]) -> bool {
    let dir: Arc<dyn Dir> = disk_with(SEGMENT, segment);
    let _ = wal::scan(&*dir, &mut |_| ControlFlow::Continue(()));
    let _ = wal::snapshots(&*dir);
    let read = wal::read(&*dir, Start::Newest);
    let Ok((mut log, recovered)) = Wal::open(Arc::clone(&dir), OPTIONS) else {
        return false;
    };
    let read = read.expect("what opens can be read");
    assert_eq!(read.entries, recovered.entries);
    let last = log.last_index();
    let Some(next) = last.0.checked_add(1) else {
        return true;
    };
    let reached = recovered
        .entries
        .last()
        .map_or(recovered.snapshot.index, |entry| entry.index);
    if recovered.state.commit > reached || reached != last {
        // Entries are missing, or marks are out of order: whoever starts from it must refuse it.
        return true;
    }
    let entry = Entry {
        kind: EntryKind::Normal,
        term: Term(recovered.state.term.0.max(1)),
        index: Index(next),
        data: b"more".as_slice().into(),
    };
    let state = HardState {
        commit: entry.index,
        ..recovered.state
    };
    if log
        .append(std::slice::from_ref(&entry), Some(&state))
        .is_err()
    {
        return false;
    }
    log.flush(true).expect("a flush");
    drop(log);
    let (_, again) = Wal::open(dir, OPTIONS).expect("a log that was written to opens");
    assert_eq!(again.entries.last(), Some(&entry));
    assert!(again.repaired.is_none(), "repaired twice");
    true
}

/// A log with a bit of everything.
pub(crate) fn sample() -> Vec<u8> {
    let disk: Arc<MemDir> = Arc::new(MemDir::new());
    let metadata = wal::Metadata {
        member: types::MemberId(0x1234),
        cluster: types::ClusterId(0x5678),
    };
    let mut log = Wal::create(&*disk, "wal", OPTIONS, &metadata).expect("a log");
    for index in 1..=3 {
        let entry = Entry {
            kind: EntryKind::Normal,
            term: Term(1),
            index: Index(index),
            data: vec![index as u8; 100 * index as usize].into(),
        };
        let state = HardState {
            term: Term(1),
            commit: Index(index),
            ..HardState::default()
        };
        log.append(&[entry], Some(&state)).expect("an append");
    }
    log.flush(true).expect("a flush");
    crate::files::read(&*disk.sub("wal"), SEGMENT)
}

/// A log that is cut off inside its last frame.
pub(crate) fn torn_sample() -> Vec<u8> {
    let whole = sample();
    whole[..whole.len() - 20].to_vec()
}

/// Frames as [`frames`] reads them.
pub(crate) fn frames_sample() -> Vec<u8> {
    let mut out = Vec::new();
    let mut push = |kind: u8, data: &[u8]| {
        out.extend([kind, data.len() as u8]);
        out.extend_from_slice(data);
    };
    push(1, &[0x08, 0x01, 0x10, 0x02]);
    push(5, &[0x08, 0x00, 0x10, 0x00]);
    push(2, &[0x08, 0x00, 0x10, 0x01, 0x18, 0x01, 0x22, 0x01, b'x']);
    push(3, &[0x08, 0x01, 0x10, 0x00, 0x18, 0x01]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Otherwise fuzzing would begin before a closed door.
    #[test]
    fn seeds_open() {
        assert!(open(&sample()));
        assert!(open(&torn_sample()));
        assert!(open(&framed(&frames_sample())));
    }
}
