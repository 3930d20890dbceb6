//! The directory of a segment: all of each record but its value, so that an index can be rebuilt
//! without reading values.
//!
//! An entry is: varint difference of main, varint `sub << 1 | tombstone`, varints main − create
//! revision, version, lease, record length, key length, key.

use types::{LeaseId, RecordView, Revision};
use wire::{put_varint, varint_len};

use crate::block::{RecordRef, pack_sub, unpack_sub};
use crate::chunk::ChunkWriter;
use crate::cursor::{Damage, put_sized};
use crate::frame::{FrameReader, Kind};

/// What is known of a record without reading its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryEntry<'a> {
    /// The revision of the change.
    pub revision: Revision,
    /// Whether the change is a deletion.
    pub tombstone: bool,
    /// The key that was changed.
    pub key: &'a [u8],
    /// Main revision of the put that began this life of the key; 0 for a tombstone.
    pub create_revision: i64,
    /// Number of puts in this life of the key; 0 for a tombstone.
    pub version: i64,
    /// The lease that the put attached the key to.
    pub lease: LeaseId,
    /// Length of the encoded record.
    pub record_len: u32,
}

impl<'a> DirectoryEntry<'a> {
    /// The entry that belongs to a record.
    pub(crate) fn of(record: &RecordRef<'a>) -> Result<Self, Damage> {
        let peeked = RecordView::decode(record.record)?;
        Ok(Self {
            revision: record.revision,
            tombstone: record.tombstone,
            key: peeked.key,
            create_revision: peeked.create_revision,
            version: peeked.version,
            lease: peeked.lease,
            record_len: u32::try_from(record.record.len())
                .map_err(|_| Damage::new(0, "a record of 4 GiB"))?,
        })
    }

    fn age(&self) -> u64 {
        self.revision
            .main
            .wrapping_sub(self.create_revision)
            .cast_unsigned()
    }

    pub(crate) fn write(&self, chunks: &mut ChunkWriter) {
        chunks.push(self.revision.main, |buf| {
            put_varint(buf, pack_sub(self.revision, self.tombstone));
            put_varint(buf, self.age());
            put_varint(buf, self.version.cast_unsigned());
            put_varint(buf, self.lease.0.cast_unsigned());
            put_varint(buf, u64::from(self.record_len));
            put_sized(buf, self.key);
        });
    }

    /// What the record costs on disk while it lives: its entries in block and directory.
    ///
    /// Depends on nothing but the record, so that what is added at commit is taken away exactly
    /// when the record dies; the difference to the neighbour's revision is taken as one byte.
    pub(crate) fn cost(&self) -> u64 {
        let packed = varint_len(pack_sub(self.revision, self.tombstone));
        let record = u64::from(self.record_len);
        let block = 1 + packed + varint_len(record);
        let directory = 1
            + packed
            + varint_len(self.age())
            + varint_len(self.version.cast_unsigned())
            + varint_len(self.lease.0.cast_unsigned())
            + varint_len(record)
            + varint_len(self.key.len() as u64)
            + self.key.len();
        record + (block + directory) as u64
    }
}

/// The entries of one chunk of a directory.
#[derive(Debug)]
pub(crate) struct DirectoryReader<'a> {
    frame: FrameReader<'a>,
}

impl<'a> DirectoryReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, Damage> {
        Ok(Self {
            frame: FrameReader::new(bytes, Kind::Directory)?,
        })
    }

    /// The next entry.
    pub(crate) fn next(&mut self) -> Result<Option<DirectoryEntry<'a>>, Damage> {
        let Some(main) = self.frame.next_main()? else {
            return Ok(None);
        };
        let entry = read_entry(&mut self.frame, main);
        entry
            .ok_or_else(|| self.frame.damage("bad directory entry"))
            .map(Some)
    }
}

fn read_entry<'a>(frame: &mut FrameReader<'a>, main: i64) -> Option<DirectoryEntry<'a>> {
    let entry = frame.entry();
    let (revision, tombstone) = unpack_sub(main, entry.varint()?);
    let age = entry.varint()?.cast_signed();
    Some(DirectoryEntry {
        revision,
        tombstone,
        create_revision: main.wrapping_sub(age),
        version: entry.varint()?.cast_signed(),
        lease: LeaseId(entry.varint()?.cast_signed()),
        record_len: u32::try_from(entry.varint()?).ok()?,
        key: entry.sized()?,
    })
}
