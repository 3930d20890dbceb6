//! The two meta pages.
//!
//! ```text
//! 16 magic | 20 version | 24 page size | 28 flags | 32 root page | 40 root sequence
//! 48 free list page, all ones when not stored | 56 high water mark | 64 transaction | 72 checksum
//! ```
//! Offsets are from the start of the page. The checksum is FNV-1a 64 over bytes 16..72. The valid
//! one with the higher transaction counts; transaction t is written to page t % 2.

use crate::layout::{
    HEADER, Header, META, NO_FREELIST, PAGE_SIZE_MAX, PAGE_SIZE_MIN, u32_at, u64_at,
};

/// Bytes from the start of the page to the end of the checksum.
pub(crate) const META_END: usize = 80;

const MAGIC: u32 = 0xED0C_DAED;
const VERSION: u32 = 2;
const CHECKSUM: usize = 72;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) page_size: u32,
    /// Root page of the tree of buckets.
    pub(crate) root: u64,
    pub(crate) freelist: u64,
    /// The first page that was never used.
    pub(crate) high_water: u64,
    pub(crate) transaction: u64,
}

impl Meta {
    /// The start of the meta page with this transaction.
    pub(crate) fn encode(&self) -> [u8; META_END] {
        let header = Header {
            id: self.transaction % 2,
            flags: META,
            count: 0,
            overflow: 0,
        };
        let mut bytes = [0; META_END];
        bytes[..HEADER].copy_from_slice(&header.encode());
        for (at, number) in [(16, MAGIC), (20, VERSION), (24, self.page_size)] {
            bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
        }
        for (at, number) in [
            (32, self.root),
            (48, self.freelist),
            (56, self.high_water),
            (64, self.transaction),
        ] {
            bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
        }
        let checksum = fnv1a(&bytes[HEADER..CHECKSUM]);
        bytes[CHECKSUM..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads the start of a meta page; `None` when it is not a valid one.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let meta = Self {
            page_size: u32_at(bytes, 24)?,
            root: u64_at(bytes, 32)?,
            freelist: u64_at(bytes, 48)?,
            high_water: u64_at(bytes, 56)?,
            transaction: u64_at(bytes, 64)?,
        };
        let sum = fnv1a(bytes.get(HEADER..CHECKSUM)?);
        let valid = u32_at(bytes, 16)? == MAGIC
            && u32_at(bytes, 20)? == VERSION
            && u64_at(bytes, CHECKSUM)? == sum
            && meta.page_size.is_power_of_two()
            && (PAGE_SIZE_MIN..=PAGE_SIZE_MAX).contains(&meta.page_size);
        valid.then_some(meta)
    }

    pub(crate) fn has_freelist(&self) -> bool {
        self.freelist != NO_FREELIST
    }
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A meta page of a real database: without it the file does not open.
    #[test]
    fn matches_bbolt() {
        let meta = Meta {
            page_size: 4096,
            root: 3,
            freelist: NO_FREELIST,
            high_water: 6,
            transaction: 0x16,
        };
        let bytes = meta.encode();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "00000000000000000400000000000000edda0ced0200000000100000000000000300000000000000\
             0000000000000000ffffffffffffffff0600000000000000160000000000000070ff2b9df5e32b5d"
        );
        assert_eq!(Meta::decode(&bytes), Some(meta));
        let mut broken = bytes;
        broken[40] ^= 1;
        assert_eq!(Meta::decode(&broken), None);
        assert_eq!(Meta::decode(&bytes[..79]), None);
    }
}
