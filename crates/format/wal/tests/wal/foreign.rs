//! The beginning of a log that etcd 3.7.1 wrote: the first 800 bytes of the first segment of a
//! cluster of one member, up to the eighth entry.

use disk::{Dir, MemDir, OpenMode};
use types::{ClusterId, EntryKind, HardState, Index, MemberId, SnapshotMark, Term};
use wal::{Options, Start, Wal, read};

use crate::model::wal_dir;

const SEGMENT: &[u8] = include_bytes!("../../testdata/etcd-3.7.1.wal");
const NAME: &str = "wal/0000000000000000-0000000000000000.wal";

fn write(dir: &MemDir, bytes: &[u8], len: u64) {
    dir.create_dir_all("wal").unwrap();
    let file = dir.open(NAME, OpenMode::CreateNew).unwrap();
    file.write_all_at(bytes, 0).unwrap();
    file.set_len(len).unwrap();
}

/// A member of a real cluster must be replaceable in place.
#[test]
fn etcds_log_is_read() {
    let dir = MemDir::new();
    write(&dir, SEGMENT, 64_000_000);
    let recovered = read(&*wal_dir(&dir), Start::Newest).unwrap();
    let member = MemberId(0x6678_8015_7b88_12c8);
    assert_eq!(recovered.metadata.member, member);
    assert_eq!(recovered.metadata.cluster, ClusterId(0xdc50_b8da_ae93_b3e0));
    assert_eq!(recovered.snapshot, SnapshotMark::default());
    let state = HardState {
        term: Term(2),
        vote: member,
        commit: Index(7),
    };
    assert_eq!(recovered.state, state);
    let found: Vec<_> = (recovered.entries.iter())
        .map(|e| (e.index.0, e.term.0, e.kind, e.data.len()))
        .collect();
    let normal = EntryKind::Normal;
    let expected = [
        (1, 1, EntryKind::ConfChange, 90),
        (2, 2, normal, 0),
        (3, 2, normal, 56),
        (4, 2, normal, 23),
        (5, 2, normal, 23),
        (6, 2, normal, 23),
        (7, 2, normal, 26),
        (8, 2, normal, 21),
    ];
    assert_eq!(found, expected);
}

/// What is read and appended again must be the same bytes: then etcd reads it as its own.
#[test]
fn etcds_log_is_rewritten_byte_for_byte() {
    let dir = MemDir::new();
    // Up to the first state: crc, metadata, mark and the entry of the bootstrap.
    write(&dir, &SEGMENT[..200], 64_000_000);
    let theirs = MemDir::new();
    write(&theirs, SEGMENT, 64_000_000);
    let (mut wal, _) = Wal::open(wal_dir(&dir), Options::default()).unwrap();
    wal::scan(&*wal_dir(&theirs), &mut |item| {
        if item.offset >= 200 {
            append_again(&mut wal, &item);
        }
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    wal.flush(true).unwrap();
    let file = dir.open(NAME, OpenMode::Read).unwrap();
    let mut ours = vec![0; SEGMENT.len()];
    file.read_exact_at(&mut ours, 0).unwrap();
    assert_eq!(ours, SEGMENT);
}

fn append_again(wal: &mut Wal, item: &wal::Item<'_>) {
    match item.kind {
        wal::RecordKind::Entry => {
            let view = wal::decode_entry(item.data).unwrap();
            let entry = types::Entry {
                kind: view.kind,
                term: view.term,
                index: view.index,
                data: bytes::Bytes::copy_from_slice(view.data),
            };
            wal.append(&[entry], None).unwrap();
        }
        wal::RecordKind::State => {
            let state = wal::decode_state(item.data).unwrap();
            wal.append(&[], Some(&state)).unwrap();
        }
        kind => panic!("{kind} after the bootstrap"),
    }
}
