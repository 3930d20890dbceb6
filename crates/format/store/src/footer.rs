//! The footer that ends a sealed segment and says where directory and block index are.
//!
//! ```text
//! 0   8   "mgSEALED"
//! 8   8   where the data ends and the directory begins
//! 16  8   where the block index begins
//! 24  8   where the footer begins
//! 32  8   number of records
//! 40  8   number of blocks
//! 48  16  upper revision: main, sub
//! 64  28  reserved
//! 92  4   checksum of 0..92
//! ```

use types::Revision;

use crate::cursor::{Cursor, Damage};
use crate::header::SEGMENT_HEADER_LEN;

/// The length of the footer.
pub(crate) const FOOTER_LEN: u64 = 96;

const MAGIC: &[u8; 8] = b"mgSEALED";

/// What a sealed segment says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) data_end: u64,
    pub(crate) index_begin: u64,
    pub(crate) footer_begin: u64,
    pub(crate) records: u64,
    pub(crate) blocks: u64,
    pub(crate) upper: Revision,
}

impl Footer {
    pub(crate) fn write(&self, buf: &mut Vec<u8>) {
        let start = buf.len();
        buf.extend_from_slice(MAGIC);
        for number in [
            self.data_end,
            self.index_begin,
            self.footer_begin,
            self.records,
            self.blocks,
            self.upper.main.cast_unsigned(),
            self.upper.sub.cast_unsigned(),
        ] {
            buf.extend_from_slice(&number.to_le_bytes());
        }
        buf.extend_from_slice(&[0; 28]);
        let checksum = crc32c::crc32c(&buf[start..]);
        buf.extend_from_slice(&checksum.to_le_bytes());
    }

    /// Reads the footer that stands at `position` of its file.
    pub(crate) fn read(bytes: &[u8; FOOTER_LEN as usize], position: u64) -> Result<Self, Damage> {
        let (body, checksum) = bytes.split_at(92);
        if crc32c::crc32c(body).to_le_bytes() != checksum || !body.starts_with(MAGIC) {
            return Err(Damage::new(0, "no valid footer"));
        }
        let footer =
            read_fields(&mut Cursor::new(&body[8..])).ok_or(Damage::new(8, "short footer"))?;
        let is_sound = SEGMENT_HEADER_LEN <= footer.data_end
            && footer.data_end <= footer.index_begin
            && footer.index_begin <= footer.footer_begin
            && footer.footer_begin == position;
        if !is_sound {
            return Err(Damage::new(8, "footer positions out of order"));
        }
        Ok(footer)
    }
}

fn read_fields(cursor: &mut Cursor<'_>) -> Option<Footer> {
    Some(Footer {
        data_end: cursor.u64()?,
        index_begin: cursor.u64()?,
        footer_begin: cursor.u64()?,
        records: cursor.u64()?,
        blocks: cursor.u64()?,
        upper: Revision {
            main: cursor.i64()?,
            sub: cursor.i64()?,
        },
    })
}
