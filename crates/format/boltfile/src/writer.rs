//! Writing a whole database in one pass: into a file, or handed over in order to whoever takes it.

use std::convert::Infallible;
use std::io::{self, Write};
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use disk::File;

use crate::layout::{BUCKET_FLAG, BUCKET_HEADER, LEAF, PAGE_SIZE_MIN};
use crate::pages::{Outline, Pages, Target, WriteFault};
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
    /// A stream was given other pairs than its outline was made of.
    #[error("the database of {announced} bytes has become another one of {found}")]
    Changed {
        /// The length that the outline says.
        announced: u64,
        /// The length of what was handed over.
        found: u64,
    },
}

/// A bbolt database in the making. It is one only after [`Writer::finish`].
#[derive(Debug)]
pub struct Writer<'a> {
    pages: Pages<'a>,
    buckets: Vec<(Bytes, Bytes)>,
    announced: Option<Outline>,
}

impl Writer<'static> {
    /// Begins a database in an empty file.
    ///
    /// # Panics
    /// When the page size is not a power of two from 1 to 64 KiB.
    #[must_use]
    pub fn new(file: Arc<dyn File>, page_size: u32) -> Self {
        Self::to(Target::File(file), page_size)
    }

    /// Begins a database that is kept nowhere: what is wanted is its outline.
    ///
    /// # Panics
    /// As [`Writer::new`].
    #[must_use]
    pub fn measure(page_size: u32) -> Self {
        Self::to(Target::Nobody, page_size)
    }

    fn to(target: Target<'static>, page_size: u32) -> Self {
        assert!(
            page_size.is_power_of_two() && (PAGE_SIZE_MIN..=PAGE_SIZE_MAX).contains(&page_size),
            "page size {page_size}"
        );
        Self {
            pages: Pages::new(target, page_size),
            buckets: Vec::new(),
            announced: None,
        }
    }
}

impl<'a> Writer<'a> {
    /// Begins to hand over, from the first byte to the last, the database that `outline` was
    /// measured of; the same pairs must follow.
    ///
    /// # Errors
    /// [`WriteError::File`] when it is not taken.
    pub fn stream(outline: Outline, to: &'a mut dyn Write) -> Result<Self, WriteError> {
        Ok(Self {
            pages: Pages::stream(to, &outline).map_err(WriteFault::named)?,
            buckets: Vec::new(),
            announced: Some(outline),
        })
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

    /// Writes the tree of buckets; a file gets its metas then, and is synced.
    ///
    /// # Errors
    /// [`WriteError::File`] and [`WriteError::Changed`]; the database is of no use then.
    pub fn finish(mut self) -> Result<Outline, WriteError> {
        let found = self.finish_pages().map_err(WriteFault::named)?;
        match self.announced {
            Some(announced) if announced != found => Err(WriteError::Changed {
                announced: announced.bytes(),
                found: found.bytes(),
            }),
            _ => Ok(found),
        }
    }

    fn finish_pages(&mut self) -> Result<Outline, WriteFault> {
        let mut tree = Tree::new(self.pages.page_size());
        let no_buckets = self.buckets.is_empty();
        for (name, header) in self.buckets.drain(..) {
            tree.push(&mut self.pages, BUCKET_FLAG, name, header)?;
        }
        let root = if no_buckets {
            self.pages.store(LEAF, 0, 0, |_| {})?
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
