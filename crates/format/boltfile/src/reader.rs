//! Opening a file and finding its buckets.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use disk::File;

use crate::items::Items;
use crate::layout::{
    BUCKET_FLAG, BUCKET_HEADER, FIRST_DATA_PAGE, Header, PAGE_SIZE_MAX, PAGE_SIZE_MIN, u64_at,
};
use crate::meta::{META_END, Meta};
use crate::page::{LeafItem, Page, PageFault, ReadError};

/// Why a file does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file refused.
    #[error("cannot read at offset {offset}")]
    File {
        /// Where.
        offset: u64,
        /// What the file said.
        source: io::Error,
    },
    /// Neither meta page is valid.
    #[error("invalid database")]
    NotBolt,
    /// The file is shorter than its meta page says.
    #[error("file has {len} bytes, its pages need {needed}")]
    Truncated {
        /// The length of the file.
        len: u64,
        /// What the pages need.
        needed: u64,
    },
}

/// A bbolt file that nobody writes to. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Reader {
    file: Arc<dyn File>,
    meta: Meta,
}

/// A bucket of the file.
#[derive(Clone, Debug)]
pub struct Bucket {
    reader: Reader,
    root: Root,
}

#[derive(Clone, Debug)]
pub(crate) enum Root {
    Page(u64),
    Inline(Page),
}

impl Reader {
    /// Opens a file by the newer of its two metas. What follows the last page is ignored.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(file: Arc<dyn File>) -> Result<Self, OpenError> {
        let len = file
            .len()
            .map_err(|source| OpenError::File { offset: 0, source })?;
        let first = read_meta(&*file, len, 0)?;
        let second = match &first {
            Some(meta) => read_meta(&*file, len, u64::from(meta.page_size))?,
            None => find_second_meta(&*file, len)?,
        };
        let meta = match (first, second) {
            (Some(first), Some(second)) if second.transaction > first.transaction => second,
            (Some(meta), _) | (None, Some(meta)) => meta,
            (None, None) => return Err(OpenError::NotBolt),
        };
        let needed = meta.high_water.saturating_mul(u64::from(meta.page_size));
        if needed > len {
            return Err(OpenError::Truncated { len, needed });
        }
        Ok(Self { file, meta })
    }

    /// The size of a page.
    #[must_use]
    pub fn page_size(&self) -> u32 {
        self.meta.page_size
    }

    /// The size of all pages, as far as they were ever used; the file may be longer.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.meta.high_water * u64::from(self.meta.page_size)
    }

    /// All buckets with their names, in byte order.
    ///
    /// # Errors
    /// [`ReadError`] when the tree of buckets is damaged.
    pub fn buckets(&self) -> Result<Vec<(Bytes, Bucket)>, ReadError> {
        Items::new(self.clone(), &Root::Page(self.meta.root))
            .map_elements(|page, index, item| {
                let root = self.bucket_root(page, index, &item)?;
                let reader = self.clone();
                Ok((item.key, Bucket { reader, root }))
            })
            .collect()
    }

    /// The bucket of that name.
    ///
    /// # Errors
    /// [`ReadError`] when the tree of buckets is damaged.
    pub fn bucket(&self, name: &[u8]) -> Result<Option<Bucket>, ReadError> {
        let buckets = self.buckets()?;
        Ok(buckets
            .into_iter()
            .find(|(found, _)| &found[..] == name)
            .map(|(_, bucket)| bucket))
    }

    pub(crate) fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Where the bucket of an item of the bucket tree begins.
    pub(crate) fn bucket_root(
        &self,
        page: u64,
        index: usize,
        item: &LeafItem,
    ) -> Result<Root, ReadError> {
        if item.flags != BUCKET_FLAG {
            let flags = item.flags;
            return Err(PageFault::Flags { index, flags }.at(page));
        }
        let cut = || PageFault::Bucket { index }.at(page);
        let root = u64_at(&item.value, 0).ok_or_else(cut)?;
        if root != 0 {
            return Ok(Root::Page(root));
        }
        let inline = item.value.get(BUCKET_HEADER..).ok_or_else(cut)?;
        let header = Header::decode(inline).ok_or_else(cut)?;
        let leaf = Page::parse(page, &header, item.value.slice(BUCKET_HEADER..))?;
        if !leaf.is_leaf {
            let flags = header.flags;
            return Err(PageFault::Kind { flags }.at(page));
        }
        Ok(Root::Inline(leaf))
    }

    /// Reads a branch or leaf page with its overflow.
    pub(crate) fn page(&self, id: u64) -> Result<Page, ReadError> {
        let (header, bytes) = self.raw_page(id)?;
        Page::parse(id, &header, bytes)
    }

    /// Reads a page of any kind with its overflow.
    pub(crate) fn raw_page(&self, id: u64) -> Result<(Header, Bytes), ReadError> {
        self.check_bounds(id, 0)?;
        let size = self.meta.page_size as usize;
        let offset = id * u64::from(self.meta.page_size);
        let mut bytes = BytesMut::zeroed(size);
        self.read(id, &mut bytes, offset)?;
        let header = Header::decode(&bytes).ok_or(PageFault::Count { count: 0 }.at(id))?;
        if header.id != id {
            return Err(PageFault::Id { found: header.id }.at(id));
        }
        if header.overflow > 0 {
            // Bounded by the high water mark, and that by the length of the file.
            self.check_bounds(id, u64::from(header.overflow))?;
            bytes.resize(size * (header.overflow as usize + 1), 0);
            self.read(id, &mut bytes[size..], offset + size as u64)?;
        }
        Ok((header, bytes.freeze()))
    }

    fn check_bounds(&self, id: u64, overflow: u64) -> Result<(), ReadError> {
        let high_water = self.meta.high_water;
        let inside = id >= FIRST_DATA_PAGE && id < high_water && overflow < high_water - id;
        inside
            .then_some(())
            .ok_or(PageFault::OutOfBounds { high_water }.at(id))
    }

    fn read(&self, page: u64, bytes: &mut [u8], offset: u64) -> Result<(), ReadError> {
        self.file
            .read_exact_at(bytes, offset)
            .map_err(|source| ReadError::File { page, source })
    }
}

impl Bucket {
    /// All pairs, in byte order of keys.
    #[must_use]
    pub fn items(&self) -> Items {
        Items::new(self.reader.clone(), &self.root)
    }

    /// The pairs from `key` on.
    ///
    /// # Errors
    /// [`ReadError`] when a page on the way is damaged.
    pub fn items_from(&self, key: &[u8]) -> Result<Items, ReadError> {
        Items::starting_at(self.reader.clone(), &self.root, key)
    }

    /// The value of a key.
    ///
    /// # Errors
    /// [`ReadError`] when a page on the way is damaged.
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        let first = self.items_from(key)?.next().transpose()?;
        Ok(first
            .filter(|(found, _)| &found[..] == key)
            .map(|(_, value)| value))
    }
}

fn read_meta(file: &dyn File, len: u64, offset: u64) -> Result<Option<Meta>, OpenError> {
    let mut bytes = [0; META_END];
    if offset.saturating_add(META_END as u64) > len {
        return Ok(None);
    }
    file.read_exact_at(&mut bytes, offset)
        .map_err(|source| OpenError::File { offset, source })?;
    Ok(Meta::decode(&bytes))
}

/// Without the first meta the page size is not known: every size is tried.
fn find_second_meta(file: &dyn File, len: u64) -> Result<Option<Meta>, OpenError> {
    let mut size = PAGE_SIZE_MIN;
    while size <= PAGE_SIZE_MAX {
        let found = read_meta(file, len, u64::from(size))?;
        if let Some(meta) = found.filter(|meta| meta.page_size == size) {
            return Ok(Some(meta));
        }
        size *= 2;
    }
    Ok(None)
}
