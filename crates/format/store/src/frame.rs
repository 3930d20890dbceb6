//! The frame around entries that are sorted by revision: blocks of records, and chunks of
//! directory and block index.
//!
//! ```text
//! 0   4  checksum of 4..length
//! 4   4  length of the whole frame
//! 8   4  number of entries, at least 1
//! 12  4  kind
//! 16  8  main revision of the first entry
//! 24     entries; each begins with the varint difference of its main revision
//! ```

use wire::put_varint;

use crate::cursor::{Cursor, Damage};

/// The bytes before the first entry.
pub(crate) const FRAME_HEADER_LEN: usize = 24;

/// What the entries of a frame are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Records = 0,
    Directory = 1,
    BlockIndex = 2,
}

/// A frame that is being written at the end of a buffer.
#[derive(Debug)]
pub(crate) struct FrameWriter {
    start: usize,
    count: u32,
    base: i64,
    previous: i64,
}

impl FrameWriter {
    /// Begins a frame at the end of `buf`; `main` is that of its first entry.
    pub(crate) fn begin(buf: &mut Vec<u8>, main: i64) -> Self {
        let start = buf.len();
        buf.extend_from_slice(&[0; FRAME_HEADER_LEN]);
        Self {
            start,
            count: 0,
            base: main,
            previous: main,
        }
    }

    /// Begins an entry; the caller appends the rest of it.
    #[inline]
    pub(crate) fn begin_entry(&mut self, buf: &mut Vec<u8>, main: i64) {
        put_varint(buf, main.wrapping_sub(self.previous).cast_unsigned());
        self.previous = main;
        self.count += 1;
    }

    /// The difference that the next entry would begin with.
    #[inline]
    pub(crate) fn difference(&self, main: i64) -> u64 {
        main.wrapping_sub(self.previous).cast_unsigned()
    }

    /// How long the frame is up to now.
    #[inline]
    pub(crate) fn len(&self, buf: &[u8]) -> usize {
        buf.len() - self.start
    }

    /// Claims another number of entries than were begun.
    #[cfg(test)]
    pub(crate) fn set_count(&mut self, count: u32) {
        self.count = count;
    }

    /// Completes the header; returns the length of the frame.
    pub(crate) fn finish(self, buf: &mut [u8], kind: Kind) -> u32 {
        let frame = &mut buf[self.start..];
        let len = u32::try_from(frame.len()).expect("a frame holds little, or a single record");
        frame[4..8].copy_from_slice(&len.to_le_bytes());
        frame[8..12].copy_from_slice(&self.count.to_le_bytes());
        frame[12..16].copy_from_slice(&(kind as u32).to_le_bytes());
        frame[16..24].copy_from_slice(&self.base.to_le_bytes());
        let checksum = crc32c::crc32c(&frame[4..]);
        frame[..4].copy_from_slice(&checksum.to_le_bytes());
        len
    }
}

/// The entries of a frame whose checksum was right.
#[derive(Clone, Debug)]
pub(crate) struct FrameReader<'a> {
    cursor: Cursor<'a>,
    left: u32,
    main: i64,
}

impl<'a> FrameReader<'a> {
    /// Checks length, checksum and kind; `bytes` are exactly one frame.
    pub(crate) fn new(bytes: &'a [u8], kind: Kind) -> Result<Self, Damage> {
        let mut cursor = Cursor::new(bytes);
        let header = read_header(&mut cursor).ok_or(Damage::new(0, "short frame"))?;
        let [checksum, len, count, found] = header;
        if len as usize != bytes.len() {
            return Err(Damage::new(4, "wrong frame length"));
        }
        if crc32c::crc32c(&bytes[4..]) != checksum {
            return Err(Damage::new(0, "wrong frame checksum"));
        }
        if found != kind as u32 {
            return Err(Damage::new(12, "wrong kind of frame"));
        }
        let main = cursor.i64().ok_or(Damage::new(16, "short frame"))?;
        if main < 0 {
            return Err(Damage::new(16, "negative revision"));
        }
        Ok(Self {
            cursor,
            left: count,
            main,
        })
    }

    /// The main revision of the next entry, or `None` behind the last one.
    #[inline]
    pub(crate) fn next_main(&mut self) -> Result<Option<i64>, Damage> {
        if self.left == 0 {
            return if self.cursor.is_empty() {
                Ok(None)
            } else {
                Err(self.cursor.damage("bytes behind the last entry"))
            };
        }
        self.left -= 1;
        let difference = self.cursor.varint();
        self.main = difference
            .and_then(|difference| self.main.checked_add_unsigned(difference))
            .ok_or(self.cursor.damage("bad revision"))?;
        Ok(Some(self.main))
    }

    /// The main revision that the header gives for the first entry.
    pub(crate) fn base(&self) -> i64 {
        self.main
    }

    /// The bytes of the entry behind its main revision; the caller reads them.
    #[inline]
    pub(crate) fn entry(&mut self) -> &mut Cursor<'a> {
        &mut self.cursor
    }

    /// That the frame is damaged where reading stands.
    pub(crate) fn damage(&self, what: &'static str) -> Damage {
        self.cursor.damage(what)
    }
}

/// Checksum, length, count and kind.
fn read_header(cursor: &mut Cursor<'_>) -> Option<[u32; 4]> {
    Some([cursor.u32()?, cursor.u32()?, cursor.u32()?, cursor.u32()?])
}

/// The length of a frame of which the beginning is there, if it fits into `room` bytes.
pub(crate) fn frame_len(beginning: &[u8], room: u64) -> Result<usize, Damage> {
    let [_, len, _, _] =
        read_header(&mut Cursor::new(beginning)).ok_or(Damage::new(0, "short frame"))?;
    if (len as usize) < FRAME_HEADER_LEN || u64::from(len) > room {
        return Err(Damage::new(4, "wrong frame length"));
    }
    Ok(len as usize)
}
