//! The name of a segment file and the header that repeats it.
//!
//! ```text
//! 0   8   "mgSEGMNT"
//! 8   4   format version
//! 12  4   reserved
//! 16  8   first sequence number
//! 24  8   last sequence number
//! 32  8   generation
//! 40  8   salt
//! 48  12  reserved
//! 60  4   checksum of 0..60
//! ```

use crate::cursor::{Cursor, Damage};

/// The length of the header, where the data begins.
pub(crate) const SEGMENT_HEADER_LEN: u64 = 64;

/// The newest version of the format that is understood here, and the one that is written.
pub(crate) const FORMAT_VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"mgSEGMNT";
const SUFFIX: &str = ".seg";

/// Which interval of the sequence a segment covers, and how often it was rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SegmentId {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) generation: u64,
}

impl SegmentId {
    /// A segment that commits append to.
    pub(crate) fn log(sequence: u64) -> Self {
        Self {
            first: sequence,
            last: sequence,
            generation: 0,
        }
    }

    /// Whether commits wrote it, so that it begins with a base and consists of batches.
    pub(crate) fn is_log(&self) -> bool {
        self.generation == 0
    }

    /// Whether `other` holds nothing that this one does not replace.
    pub(crate) fn supersedes(&self, other: &Self) -> bool {
        let covers = self.first <= other.first && other.last <= self.last;
        let is_wider = self.last - self.first > other.last - other.first;
        covers && (is_wider || self.generation > other.generation)
    }

    pub(crate) fn file_name(&self) -> String {
        format!(
            "{:016x}-{:016x}-{:016x}{SUFFIX}",
            self.first, self.last, self.generation
        )
    }

    /// Reads a file name: `None` when it is not meant to be a segment's, an error when it is none.
    pub(crate) fn parse(name: &str) -> Option<Result<Self, NotASegment>> {
        let stem = name.strip_suffix(SUFFIX)?;
        let mut numbers = stem.split('-').map(|part| {
            let is_hex = part.len() == 16 && part.bytes().all(|b| b.is_ascii_hexdigit());
            is_hex.then(|| u64::from_str_radix(part, 16).ok()).flatten()
        });
        let mut next = || numbers.next().flatten();
        let parsed = next().zip(next()).zip(next());
        let id = parsed.map(|((first, last), generation)| Self {
            first,
            last,
            generation,
        });
        Some(
            id.filter(|id| id.first > 0 && id.first <= id.last && id.file_name() == name)
                .filter(|id| !id.is_log() || id.first == id.last)
                .ok_or(NotASegment),
        )
    }
}

/// A name that ends like a segment's but is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotASegment;

/// The header of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) version: u32,
    pub(crate) id: SegmentId,
    pub(crate) salt: u64,
}

impl SegmentHeader {
    pub(crate) fn write(&self, buf: &mut Vec<u8>) {
        let start = buf.len();
        buf.extend_from_slice(MAGIC);
        buf.extend_from_slice(&self.version.to_le_bytes());
        buf.extend_from_slice(&[0; 4]);
        for number in [self.id.first, self.id.last, self.id.generation, self.salt] {
            buf.extend_from_slice(&number.to_le_bytes());
        }
        buf.extend_from_slice(&[0; 12]);
        let checksum = crc32c::crc32c(&buf[start..]);
        buf.extend_from_slice(&checksum.to_le_bytes());
    }

    pub(crate) fn read(bytes: &[u8; SEGMENT_HEADER_LEN as usize]) -> Result<Self, Damage> {
        let (body, checksum) = bytes.split_at(60);
        if crc32c::crc32c(body).to_le_bytes() != checksum {
            return Err(Damage::new(0, "wrong segment header checksum"));
        }
        if !body.starts_with(MAGIC) {
            return Err(Damage::new(0, "not a segment"));
        }
        read_fields(&mut Cursor::new(&body[8..])).ok_or(Damage::new(8, "short segment header"))
    }
}

fn read_fields(cursor: &mut Cursor<'_>) -> Option<SegmentHeader> {
    let version = cursor.u32()?;
    cursor.take(4)?;
    let id = SegmentId {
        first: cursor.u64()?,
        last: cursor.u64()?,
        generation: cursor.u64()?,
    };
    let salt = cursor.u64()?;
    Some(SegmentHeader { version, id, salt })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(first: u64, last: u64, generation: u64) -> SegmentId {
        SegmentId {
            first,
            last,
            generation,
        }
    }

    /// After a crash in the middle of a swap this rule alone says which file counts.
    #[test]
    fn wider_or_later_supersedes() {
        assert!(id(1, 2, 1).supersedes(&id(1, 1, 0)));
        assert!(id(1, 2, 1).supersedes(&id(2, 2, 7)));
        assert!(id(1, 2, 2).supersedes(&id(1, 2, 1)));
        assert!(!id(1, 2, 1).supersedes(&id(1, 2, 1)));
        assert!(!id(1, 2, 1).supersedes(&id(1, 2, 2)));
        assert!(!id(1, 2, 9).supersedes(&id(2, 3, 1)));
        assert!(!id(1, 2, 9).supersedes(&id(1, 3, 1)));
    }

    /// A name that is read differently than it was written would lose a file.
    #[test]
    fn names_round_trip() {
        for id in [id(1, 1, 0), id(1, 9, 3), id(u64::MAX, u64::MAX, u64::MAX)] {
            assert_eq!(SegmentId::parse(&id.file_name()), Some(Ok(id)));
        }
        assert_eq!(SegmentId::parse("LOCK"), None);
        let bad = [
            "1-1-0.seg",
            "0000000000000002-0000000000000001-0000000000000001.seg",
            "0000000000000000-0000000000000001-0000000000000001.seg",
            "0000000000000001-0000000000000002-0000000000000000.seg",
            "0000000000000001-000000000000000A-0000000000000001.seg",
            "0000000000000001-0000000000000001-0000000000000000-0.seg",
        ];
        for name in bad {
            assert_eq!(SegmentId::parse(name), Some(Err(NotASegment)), "{name}");
        }
    }
}
