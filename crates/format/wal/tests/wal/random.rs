//! Anything may stand on a disk, and anything that was appended must be found again.

use bytes::Bytes;
use disk::{Dir, MemDir, OpenMode, RealDir};
use proptest::prelude::*;
use types::{Entry, EntryKind, Index, Term};
use wal::{
    Options, Start, Wal, decode_entry, decode_metadata, decode_record, decode_snapshot,
    decode_state, read,
};

use crate::model::*;

fn any_entry() -> impl Strategy<Value = Entry> {
    let kind = prop_oneof![
        Just(EntryKind::Normal),
        Just(EntryKind::ConfChange),
        Just(EntryKind::ConfChangeV2)
    ];
    let data = prop_oneof![
        Just(vec![]),
        prop::collection::vec(any::<u8>(), 0..50),
        (any::<u8>(), 0..5000_usize).prop_map(|(byte, len)| vec![byte; len]),
    ];
    (kind, any::<u64>(), data).prop_map(|(kind, term, data)| Entry {
        kind,
        term: Term(term),
        index: Index(0),
        data: Bytes::from(data),
    })
}

fn any_options() -> impl Strategy<Value = Options> {
    (100..20_000_u64, any::<bool>(), any::<bool>()).prop_map(
        |(segment_bytes, preallocate, sync)| Options {
            segment_bytes,
            preallocate,
            sync,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Entries of every size, grouped anyhow, in segments of every size.
    #[test]
    fn entries_round_trip(
        groups in prop::collection::vec(prop::collection::vec(any_entry(), 0..6), 1..8),
        options in any_options(),
    ) {
        let dir = MemDir::new();
        let mut wal = create(&dir, options);
        let mut written = Vec::new();
        for mut group in groups {
            for entry in &mut group {
                entry.index = Index(written.len() as u64 + 1);
                written.push(entry.clone());
            }
            wal.append(&group, None).unwrap();
            wal.flush(false).unwrap();
        }
        drop(wal);
        let (wal, recovered) = Wal::open(wal_dir(&dir), options).unwrap();
        prop_assert_eq!(wal.last_index().0, written.len() as u64);
        prop_assert_eq!(recovered.entries, written);
        prop_assert_eq!(recovered.repaired, None);
    }

    /// A segment of random bytes, of random frames, or a real one with random bytes in it.
    #[test]
    fn random_segments_never_panic(
        noise in prop::collection::vec(any::<u8>(), 0..3000),
        at in 0..3000_u64,
        words in any::<bool>(),
    ) {
        let dir = MemDir::new();
        let mut wal = create(&dir, small(true));
        append(&mut wal, &script(at, 2).concat()).unwrap();
        wal.flush(true).unwrap();
        drop(wal);
        let name = "wal/0000000000000000-0000000000000000.wal";
        let file = dir.open(name, OpenMode::Write).unwrap();
        if words {
            let word = (noise.len() as u64).to_le_bytes();
            file.write_all_at(&word, at / 8 * 8).unwrap();
        }
        file.write_all_at(&noise, at / 8 * 8 + 8).unwrap();
        drop(file);
        let reading = read(&*wal_dir(&dir), Start::Newest);
        let opened = Wal::open(wal_dir(&dir), small(true));
        prop_assert_eq!(reading.is_ok(), opened.is_ok());
    }

    /// Decoders of every message.
    #[test]
    fn random_messages_never_panic(noise in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = decode_record(&noise);
        let _ = decode_entry(&noise);
        let _ = decode_state(&noise);
        let _ = decode_snapshot(&noise);
        let _ = decode_metadata(&noise);
    }
}

/// A segment whose last bytes are too few for a length word ends there, and is not torn.
#[test]
fn a_segment_may_end_in_less_than_a_word() {
    for segment_bytes in 3100..3180 {
        let options = Options {
            segment_bytes,
            preallocate: true,
            sync: false,
        };
        let dir = MemDir::new();
        let mut index = 0;
        let mut is_cut = false;
        create(&dir, options);
        // Frames are multiples of 8, so that one of the steps ends within a word of the end.
        while !is_cut {
            let (mut wal, recovered) = Wal::open(wal_dir(&dir), options).unwrap();
            assert_eq!(wal.last_index(), Index(index), "{segment_bytes}");
            assert_eq!(recovered.repaired, None, "{segment_bytes}");
            index += 1;
            let entry = Entry {
                kind: EntryKind::Normal,
                term: Term(1),
                index: Index(index),
                data: Bytes::new(),
            };
            wal.append(&[entry], None).unwrap();
            is_cut = wal.flush(false).unwrap().cut;
        }
    }
}

/// The same on the operating system's files.
#[test]
fn real_files_round_trip() {
    let temp = tempfile::tempdir().unwrap();
    let parent = RealDir::new(temp.path());
    let options = small(true);
    let script = script(11, 40);
    let mut wal = Wal::create(&parent, "wal", options, &METADATA).unwrap();
    let mut preparer = wal.preparer();
    for group in &script {
        append(&mut wal, group).unwrap();
        if wal.flush(false).unwrap().cut {
            preparer.prepare().unwrap();
        }
    }
    let refused = Wal::open(parent.sub("wal"), options).unwrap_err();
    assert!(matches!(refused, wal::OpenError::Locked { .. }));
    drop(wal);
    let (_, recovered) = Wal::open(parent.sub("wal"), options).unwrap();
    assert_eq!(recovered, replay(&script.concat()));
}
