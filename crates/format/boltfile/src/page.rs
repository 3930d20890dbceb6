//! One branch or leaf page, checked before anything in it is believed.

use std::io;

use bytes::Bytes;

use crate::layout::{BRANCH, ELEMENT, HEADER, Header, LEAF, u32_at, u64_at};

/// A page could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file refused.
    #[error("page {page}: cannot read")]
    File {
        /// The page.
        page: u64,
        /// What the file said.
        source: io::Error,
    },
    /// The page is damaged.
    #[error("page {page}: {fault}")]
    Page {
        /// The page; that of the enclosing leaf for an inline bucket.
        page: u64,
        /// What is wrong with it.
        fault: PageFault,
    },
}

/// What can be wrong with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageFault {
    /// It lies before the data pages or at or above the high water mark.
    #[error("out of bounds, high water mark is {high_water}")]
    OutOfBounds {
        /// The first page that was never used.
        high_water: u64,
    },
    /// It says that it is another page.
    #[error("page has id {found}")]
    Id {
        /// What it says.
        found: u64,
    },
    /// It is of a kind that does not belong there.
    #[error("invalid type {flags:#x}")]
    Kind {
        /// Its flags.
        flags: u16,
    },
    /// Its elements do not fit into it.
    #[error("{count} elements do not fit")]
    Count {
        /// How many it says.
        count: u16,
    },
    /// An element points out of the page.
    #[error("element {index} points out of the page")]
    Element {
        /// The element.
        index: usize,
    },
    /// A key is empty, or not above the one before, or outside what the parent page promises.
    #[error("key order is broken at element {index}")]
    KeyOrder {
        /// The element.
        index: usize,
    },
    /// A page below the root has no elements.
    #[error("has no elements")]
    Empty,
    /// The tree is deeper than any real one, or turns in a circle.
    #[error("too deep in the tree")]
    Depth,
    /// An element is a bucket where a value belongs, or the other way round.
    #[error("element {index} has flags {flags:#x}")]
    Flags {
        /// The element.
        index: usize,
        /// Its flags.
        flags: u32,
    },
    /// A bucket's header is too short.
    #[error("bucket of element {index} is cut")]
    Bucket {
        /// The element.
        index: usize,
    },
    /// It belongs to two places.
    #[error("multiple references")]
    Shared,
    /// It is in use and also in the free list.
    #[error("reachable and free")]
    Free,
    /// It is not in use and not in the free list.
    #[error("unreachable and not free")]
    Lost,
}

impl PageFault {
    pub(crate) fn at(self, page: u64) -> ReadError {
        ReadError::Page { page, fault: self }
    }
}

/// A branch or leaf page with all of its overflow, or the leaf of an inline bucket.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    /// The page to name in faults.
    pub(crate) id: u64,
    pub(crate) is_leaf: bool,
    pub(crate) count: usize,
    bytes: Bytes,
}

/// An item of a leaf; slices of the page.
#[derive(Clone, Debug)]
pub(crate) struct LeafItem {
    pub(crate) flags: u32,
    pub(crate) key: Bytes,
    pub(crate) value: Bytes,
}

/// An item of a branch.
#[derive(Clone, Debug)]
pub(crate) struct BranchItem {
    pub(crate) key: Bytes,
    pub(crate) child: u64,
}

impl Page {
    /// Checks kind and count; `bytes` is the whole page.
    pub(crate) fn parse(id: u64, header: &Header, bytes: Bytes) -> Result<Self, ReadError> {
        let is_leaf = match header.flags {
            LEAF => true,
            BRANCH => false,
            flags => return Err(PageFault::Kind { flags }.at(id)),
        };
        let count = usize::from(header.count);
        if HEADER + count * ELEMENT > bytes.len() {
            let count = header.count;
            return Err(PageFault::Count { count }.at(id));
        }
        Ok(Self {
            id,
            is_leaf,
            count,
            bytes,
        })
    }

    /// The item `index` of a leaf.
    pub(crate) fn leaf_item(&self, index: usize) -> Result<LeafItem, ReadError> {
        let fault = || PageFault::Element { index }.at(self.id);
        let number = |field| self.field(index, field).ok_or_else(fault);
        let (pos, key, value) = (number(4)?, number(8)?, number(12)?);
        let start = self.element(index) + pos;
        Ok(LeafItem {
            flags: u32_at(&self.bytes, self.element(index)).ok_or_else(fault)?,
            key: self.slice(start, key).ok_or_else(fault)?,
            value: self.slice(start + key, value).ok_or_else(fault)?,
        })
    }

    /// The item `index` of a branch.
    pub(crate) fn branch_item(&self, index: usize) -> Result<BranchItem, ReadError> {
        let fault = || PageFault::Element { index }.at(self.id);
        let number = |field| self.field(index, field).ok_or_else(fault);
        let start = self.element(index) + number(0)?;
        Ok(BranchItem {
            key: self.slice(start, number(4)?).ok_or_else(fault)?,
            child: u64_at(&self.bytes, self.element(index) + 8).ok_or_else(fault)?,
        })
    }

    /// The key of item `index`, whatever the kind.
    pub(crate) fn key(&self, index: usize) -> Result<Bytes, ReadError> {
        if self.is_leaf {
            Ok(self.leaf_item(index)?.key)
        } else {
            Ok(self.branch_item(index)?.key)
        }
    }

    /// How many items have a key below `key` (`or_equal`: not above it).
    pub(crate) fn count_below(&self, key: &[u8], or_equal: bool) -> Result<usize, ReadError> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            let found = self.key(middle)?;
            if found[..] < *key || (or_equal && found[..] == *key) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    fn element(&self, index: usize) -> usize {
        HEADER + index * ELEMENT
    }

    fn field(&self, index: usize, offset: usize) -> Option<usize> {
        usize::try_from(u32_at(&self.bytes, self.element(index) + offset)?).ok()
    }

    /// Bytes behind the elements, if they are there.
    fn slice(&self, start: usize, len: usize) -> Option<Bytes> {
        let end = start.checked_add(len)?;
        let inside = start >= self.element(self.count) && end <= self.bytes.len();
        inside.then(|| self.bytes.slice(start..end))
    }
}
