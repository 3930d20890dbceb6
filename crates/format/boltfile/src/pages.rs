//! Where finished pages go: ids in order, writes in large pieces, and the metas that tell of them.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use disk::File;

use crate::layout::{FIRST_DATA_PAGE, HEADER, Header, NO_FREELIST};
use crate::meta::Meta;
use crate::writer::WriteError;

/// Pages are written in pieces of about this size.
const BUFFER_BYTES: usize = 1 << 20;
/// The transaction of the newer meta; even, so it goes to page 0 as in etcd's snapshots.
const TRANSACTION: u64 = 2;

/// What the first pages of a database say of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outline {
    page_size: u32,
    /// Root page of the tree of buckets.
    root: u64,
    /// How many pages there are.
    pages: u64,
}

impl Outline {
    /// The length of the database.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.pages * self.page_size as u64
    }

    fn meta(&self, transaction: u64) -> Vec<u8> {
        let meta = Meta {
            page_size: self.page_size,
            root: self.root,
            freelist: NO_FREELIST,
            high_water: self.pages,
            transaction,
        };
        let mut page = meta.encode().to_vec();
        page.resize(self.page_size as usize, 0);
        page
    }
}

/// Who takes the pages.
pub(crate) enum Target<'a> {
    /// Nobody: only the outline is wanted.
    Nobody,
    /// A file, which gets its metas last.
    File(Arc<dyn File>),
    /// Whoever wants them in order, and so knew the outline first.
    Stream(&'a mut dyn Write),
}

impl fmt::Debug for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobody => "Nobody",
            Self::File(_) => "File",
            Self::Stream(_) => "Stream",
        })
    }
}

/// The pages of a database in the making.
#[derive(Debug)]
pub(crate) struct Pages<'a> {
    target: Target<'a>,
    page_size: u32,
    next: u64,
    buffer: Vec<u8>,
    /// Where the buffer goes.
    offset: u64,
}

/// The file refused; made into a [`WriteError`] where the source's error type is known.
#[derive(Debug)]
pub(crate) struct WriteFault {
    offset: u64,
    source: io::Error,
}

impl<'a> Pages<'a> {
    pub(crate) fn new(target: Target<'a>, page_size: u32) -> Self {
        Self {
            target,
            page_size,
            next: FIRST_DATA_PAGE,
            buffer: Vec::new(),
            offset: FIRST_DATA_PAGE * u64::from(page_size),
        }
    }

    /// Begins with the metas of a database that is known already.
    pub(crate) fn stream(to: &'a mut dyn Write, outline: &Outline) -> Result<Self, WriteFault> {
        // The newer one is on page 0.
        for transaction in [TRANSACTION, TRANSACTION - 1] {
            to.write_all(&outline.meta(transaction))
                .map_err(fault_at(0))?;
        }
        Ok(Self::new(Target::Stream(to), outline.page_size))
    }

    pub(crate) fn page_size(&self) -> usize {
        self.page_size as usize
    }

    /// Stores a page under the next id, which goes into its header, padded to whole pages; `write`
    /// adds the `len` bytes behind the header.
    pub(crate) fn store(
        &mut self,
        flags: u16,
        count: u16,
        len: usize,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<u64, WriteFault> {
        let id = self.next;
        let pages = (HEADER + len).div_ceil(self.page_size());
        self.next += pages as u64;
        if matches!(self.target, Target::Nobody) {
            return Ok(id);
        }
        let header = Header {
            id,
            flags,
            count,
            overflow: u32::try_from(pages - 1).expect("values are below 2 GiB"),
        };
        let end = self.buffer.len() + pages * self.page_size();
        self.buffer.extend_from_slice(&header.encode());
        write(&mut self.buffer);
        self.buffer.resize(end, 0);
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush()?;
        }
        Ok(id)
    }

    /// Hands over what is left. A file's pages are durable before the metas that make them a
    /// database are written.
    pub(crate) fn finish(&mut self, root: u64) -> Result<Outline, WriteFault> {
        self.flush()?;
        let outline = Outline {
            page_size: self.page_size,
            root,
            pages: self.next,
        };
        if let Target::File(file) = &self.target {
            file.sync_data().map_err(fault_at(0))?;
            for transaction in [TRANSACTION - 1, TRANSACTION] {
                let offset = transaction % 2 * u64::from(self.page_size);
                file.write_all_at(&outline.meta(transaction), offset)
                    .map_err(fault_at(offset))?;
            }
            file.sync_data().map_err(fault_at(0))?;
        }
        Ok(outline)
    }

    fn flush(&mut self) -> Result<(), WriteFault> {
        let written = match &mut self.target {
            Target::Nobody => Ok(()),
            Target::File(file) => file.write_all_at(&self.buffer, self.offset),
            Target::Stream(to) => to.write_all(&self.buffer),
        };
        written.map_err(fault_at(self.offset))?;
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

impl WriteFault {
    pub(crate) fn named<E>(self) -> WriteError<E> {
        WriteError::File {
            offset: self.offset,
            source: self.source,
        }
    }
}

fn fault_at(offset: u64) -> impl FnOnce(io::Error) -> WriteFault {
    move |source| WriteFault { offset, source }
}
