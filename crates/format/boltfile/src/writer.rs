//! Writing a whole file in one pass.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use disk::File;

use crate::layout::{BUCKET_FLAG, BUCKET_HEADER, LEAF, PAGE_SIZE_MIN};
use crate::pages::{Pages, WriteFault};
use crate::tree::Tree;

/// bbolt's limit.
const KEY_BYTES_MAX: usize = 32_768;
/// bbolt's limit is just below 2 GiB; the rest leaves room for the page around the value.
const VALUE_BYTES_MAX: usize = (1 << 31) - (1 << 20);
/// Larger pages would not count their elements in 16 bits.
const PAGE_SIZE_MAX: u32 = 1 << 16;

/// Why a file was not written. `E` is what the source of items can fail with.
#[derive(Debug, thiserror::Error)]
pub enum WriteError<E = Infallible> {
    /// The source of items failed.
    #[error("source of bucket {bucket:?} failed")]
    Source {
        /// The bucket.
        bucket: Bytes,
        /// What it said.
        source: E,
    },
    /// The file refused.
    #[error("cannot write at offset {offset}")]
    File {
        /// Where.
        offset: u64,
        /// What the file said.
        source: io::Error,
    },
    /// A key or bucket name is empty or not above the one before.
    #[error("key {key:?} in bucket {bucket:?} is out of order")]
    Order {
        /// The bucket; empty for bucket names.
        bucket: Bytes,
        /// The key.
        key: Bytes,
    },
    /// A key or value is larger than bbolt reads.
    #[error("key of {key_bytes} and value of {value_bytes} bytes in bucket {bucket:?}")]
    TooLarge {
        /// The bucket.
        bucket: Bytes,
        /// Size of the key.
        key_bytes: usize,
        /// Size of the value.
        value_bytes: usize,
    },
}

/// A bbolt file in the making. It is a database only after [`Writer::finish`].
#[derive(Debug)]
pub struct Writer {
    pages: Pages,
    buckets: Vec<(Bytes, Bytes)>,
}

impl Writer {
    /// Begins a database in an empty file.
    ///
    /// # Panics
    /// When the page size is not a power of two from 1 to 64 KiB.
    #[must_use]
    pub fn new(file: Arc<dyn File>, page_size: u32) -> Self {
        assert!(
            page_size.is_power_of_two() && (PAGE_SIZE_MIN..=PAGE_SIZE_MAX).contains(&page_size),
            "page size {page_size}"
        );
        Self {
            pages: Pages::new(file, page_size),
            buckets: Vec::new(),
        }
    }

    /// Writes a bucket from its pairs in byte order of keys; buckets come in byte order of names.
    ///
    /// # Errors
    /// [`WriteError`]; the file is of no use then.
    pub fn bucket<E>(
        &mut self,
        name: &[u8],
        items: impl IntoIterator<Item = Result<(Bytes, Bytes), E>>,
    ) -> Result<(), WriteError<E>> {
        let name = Bytes::copy_from_slice(name);
        let last = self.buckets.last().map(|(name, _)| name);
        check_order(&Bytes::new(), last, &name)?;
        let mut tree = Tree::new(self.pages.page_size());
        let mut last = None;
        for item in items {
            let (key, value) = item.map_err(|source| WriteError::Source {
                bucket: name.clone(),
                source,
            })?;
            check_order(&name, last.as_ref(), &key)?;
            check_size(&name, &key, &value)?;
            last = Some(key.clone());
            tree.push(&mut self.pages, 0, key, value)
                .map_err(WriteFault::named)?;
        }
        let (root, inline) = match tree.to_inline() {
            Some(inline) => (0, inline),
            None => (
                tree.finish(&mut self.pages).map_err(WriteFault::named)?,
                Bytes::new(),
            ),
        };
        let mut header = BytesMut::with_capacity(BUCKET_HEADER + inline.len());
        header.put_u64_le(root);
        header.put_u64_le(0);
        header.put_slice(&inline);
        self.buckets.push((name, header.freeze()));
        Ok(())
    }

    /// Writes the tree of buckets and the metas, syncs, and returns the length of the file.
    ///
    /// # Errors
    /// [`WriteError::File`]; the file is of no use then.
    pub fn finish(mut self) -> Result<u64, WriteError> {
        self.finish_pages().map_err(WriteFault::named)
    }

    fn finish_pages(&mut self) -> Result<u64, WriteFault> {
        let mut tree = Tree::new(self.pages.page_size());
        let no_buckets = self.buckets.is_empty();
        for (name, header) in self.buckets.drain(..) {
            tree.push(&mut self.pages, BUCKET_FLAG, name, header)?;
        }
        let root = if no_buckets {
            self.pages.store(LEAF, 0, &[])?
        } else {
            tree.finish(&mut self.pages)?
        };
        self.pages.finish(root)
    }
}

fn check_order<E>(bucket: &Bytes, last: Option<&Bytes>, key: &Bytes) -> Result<(), WriteError<E>> {
    if key.is_empty() || last.is_some_and(|last| last >= key) {
        return Err(WriteError::Order {
            bucket: bucket.clone(),
            key: key.clone(),
        });
    }
    Ok(())
}

fn check_size<E>(bucket: &Bytes, key: &Bytes, value: &Bytes) -> Result<(), WriteError<E>> {
    if key.len() > KEY_BYTES_MAX || value.len() > VALUE_BYTES_MAX {
        return Err(WriteError::TooLarge {
            bucket: bucket.clone(),
            key_bytes: key.len(),
            value_bytes: value.len(),
        });
    }
    Ok(())
}
