//! Tests with bytes whose checksums are right and whose contents make no sense: whoever can write
//! the files can also compute checksums, and must get an error, not a panic or all of the memory.

use disk::{MemDir, OpenMode};
use proptest::prelude::*;
use types::{Index, Revision, Term};

use crate::batch::{BatchHeader, BatchWriter};
use crate::block::BlockReader;
use crate::block_index::BlockIndexReader;
use crate::cursor::Damage;
use crate::directory::DirectoryReader;
use crate::file::SegmentFile;
use crate::footer::{FOOTER_LEN, Footer};
use crate::frame::{FrameWriter, Kind};
use crate::header::{SEGMENT_HEADER_LEN, SegmentId};
use crate::log::read_log;
use crate::seal::open_sealed;

/// A frame with any body; the count is patched in before the checksum is made.
fn frame(kind: Kind, count: u32, base: i64, body: &[u8]) -> Vec<u8> {
    let mut buf = Vec::new();
    let mut writer = FrameWriter::begin(&mut buf, base);
    buf.extend_from_slice(body);
    writer.set_count(count);
    writer.finish(&mut buf, kind);
    buf
}

/// Small numbers, as most bytes of entries are, with some large ones.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![6 => 0_u8..8, 1 => any::<u8>()];
    prop::collection::vec(byte, 0..80)
}

fn read_block(bytes: &[u8]) -> Result<(), Damage> {
    let mut reader = BlockReader::unplaced(bytes)?;
    while reader.next()?.is_some() {}
    Ok(())
}

fn read_directory(bytes: &[u8]) -> Result<(), Damage> {
    let mut reader = DirectoryReader::new(bytes)?;
    while let Some(entry) = reader.next()? {
        let _ = entry.cost();
    }
    Ok(())
}

fn file_of(bytes: &[u8]) -> SegmentFile {
    let file = SegmentFile::open(&MemDir::new(), "f", OpenMode::CreateNew).expect("a sound disk");
    file.write(bytes, 0).expect("a sound disk");
    file
}

/// Whatever number replaces one of a footer or batch header.
fn numbers() -> impl Strategy<Value = [u64; 6]> {
    let number = prop_oneof![0_u64..300, any::<u64>(), (0_u64..300).prop_map(|n| !n)];
    prop::array::uniform6(number)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn senseless_frames_end(
        count in prop_oneof![0_u32..20, any::<u32>()],
        base in prop_oneof![0_i64..20, any::<i64>()],
        body in body(),
    ) {
        let _ = read_block(&frame(Kind::Records, count, base, &body));
        let _ = read_directory(&frame(Kind::Directory, count, base, &body));
        let index = frame(Kind::BlockIndex, count, base, &body);
        let _ = BlockIndexReader::new(1000).read_chunk(&index);
    }

    #[test]
    fn senseless_batches_end(
        blocks in prop::collection::vec((0_u32..6, 0_i64..20, body()), 0..3),
        changes in body(),
        numbers in numbers(),
        fix in any::<bool>(),
    ) {
        let mut bytes = vec![0; SEGMENT_HEADER_LEN as usize];
        let [records, count, index, term, main, sub] = numbers;
        for number in 0..2 {
            let mut writer = BatchWriter::begin(&mut bytes);
            if number > 0 {
                for (count, base, body) in &blocks {
                    bytes.extend(frame(Kind::Records, *count, *base, body));
                }
            }
            writer.end_blocks(&bytes);
            if number > 0 {
                bytes.extend_from_slice(&changes);
            }
            let is_senseless = number > 0 && !fix;
            let header = BatchHeader {
                salt: 1,
                number,
                len: 0,
                blocks_len: 0,
                records: if is_senseless { records as u32 } else { 0 },
                changes: if is_senseless { count as u32 } else { 0 },
                index: Index(index),
                term: Term(term),
                newest: match number {
                    0 => Revision::default(),
                    _ => Revision::new(main as i64, sub as i64),
                },
            };
            writer.finish(&mut bytes, header);
        }
        let _ = read_log(&file_of(&bytes), 1, Revision::default(), &mut |_| {});
    }

    #[test]
    fn senseless_seals_end(
        directory in prop::collection::vec((0_u32..6, 0_i64..20, body()), 0..3),
        index in prop::collection::vec((0_u32..6, 0_i64..20, body()), 0..3),
        numbers in numbers(),
        wrong in prop::option::of(0_usize..3),
    ) {
        let mut bytes = vec![0; SEGMENT_HEADER_LEN as usize];
        let mut positions = vec![bytes.len() as u64];
        for (kind, frames) in [(Kind::Directory, directory), (Kind::BlockIndex, index)] {
            for (count, base, body) in frames {
                bytes.extend(frame(kind, count, base, &body));
            }
            positions.push(bytes.len() as u64);
        }
        if let Some(wrong) = wrong {
            positions[wrong] = numbers[0];
        }
        let footer = Footer {
            data_end: positions[0],
            index_begin: positions[1],
            footer_begin: positions[2],
            records: numbers[1],
            blocks: numbers[2],
            upper: Revision::new(numbers[3] as i64, numbers[4] as i64),
        };
        footer.write(&mut bytes);
        assert!(bytes.len() as u64 >= SEGMENT_HEADER_LEN + FOOTER_LEN);
        let id = SegmentId::log(1);
        let _ = open_sealed(id, file_of(&bytes), Revision::default(), &mut |_| {});
    }
}
