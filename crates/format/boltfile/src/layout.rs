//! Sizes, marks and the page header.
//!
//! ```text
//! header   0..8 id | 8..10 flags | 10..12 count | 12..16 overflow: pages after this one
//! leaf     u32 flags | u32 pos | u32 key size | u32 value size      pos counts from the element
//! branch   u32 pos | u32 key size | u64 child
//! bucket   u64 root page, 0 when inline | u64 sequence | a leaf page when inline
//! ```
//! All numbers are little endian.

/// The page size of new files: that of the machines etcd runs on.
pub const PAGE_SIZE: u32 = 4096;

/// The smallest page size that bbolt looks for.
pub(crate) const PAGE_SIZE_MIN: u32 = 1024;
/// The largest page size that bbolt looks for.
pub(crate) const PAGE_SIZE_MAX: u32 = 1024 << 14;
/// Bytes of a page header.
pub(crate) const HEADER: usize = 16;
/// Bytes of an element of a branch or leaf page.
pub(crate) const ELEMENT: usize = 16;
/// Bytes of a bucket header.
pub(crate) const BUCKET_HEADER: usize = 16;
/// Data pages come after the two metas.
pub(crate) const FIRST_DATA_PAGE: u64 = 2;
/// Flag of a leaf element whose value is a bucket.
pub(crate) const BUCKET_FLAG: u32 = 1;
/// The free list is not stored.
pub(crate) const NO_FREELIST: u64 = u64::MAX;

pub(crate) const BRANCH: u16 = 0x01;
pub(crate) const LEAF: u16 = 0x02;
pub(crate) const META: u16 = 0x04;
pub(crate) const FREELIST: u16 = 0x10;

/// The first 16 bytes of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) id: u64,
    pub(crate) flags: u16,
    pub(crate) count: u16,
    pub(crate) overflow: u32,
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(&self.id.to_le_bytes());
        bytes[8..10].copy_from_slice(&self.flags.to_le_bytes());
        bytes[10..12].copy_from_slice(&self.count.to_le_bytes());
        bytes[12..].copy_from_slice(&self.overflow.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            id: u64_at(bytes, 0)?,
            flags: u16_at(bytes, 8)?,
            count: u16_at(bytes, 10)?,
            overflow: u32_at(bytes, 12)?,
        })
    }
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(array_at(bytes, at)?))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(array_at(bytes, at)?))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(array_at(bytes, at)?))
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}
