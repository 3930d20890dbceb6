//! Where finished pages go: ids in order, writes in large pieces, the metas at the end.

use std::io;
use std::sync::Arc;

use disk::File;

use crate::layout::{FIRST_DATA_PAGE, HEADER, Header, NO_FREELIST};
use crate::meta::Meta;
use crate::writer::WriteError;

/// Pages are written in pieces of about this size.
const BUFFER_BYTES: usize = 1 << 20;
/// The transaction of the newer meta; even, so it goes to page 0 as in etcd's snapshots.
const TRANSACTION: u64 = 2;

/// The data pages of a file in the making.
#[derive(Debug)]
pub(crate) struct Pages {
    file: Arc<dyn File>,
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

impl Pages {
    pub(crate) fn new(file: Arc<dyn File>, page_size: u32) -> Self {
        Self {
            file,
            page_size,
            next: FIRST_DATA_PAGE,
            buffer: Vec::new(),
            offset: FIRST_DATA_PAGE * u64::from(page_size),
        }
    }

    pub(crate) fn page_size(&self) -> usize {
        self.page_size as usize
    }

    /// Stores a page under the next id, which goes into its header, padded to whole pages.
    pub(crate) fn store(&mut self, flags: u16, count: u16, body: &[u8]) -> Result<u64, WriteFault> {
        let id = self.next;
        let pages = (HEADER + body.len()).div_ceil(self.page_size());
        let header = Header {
            id,
            flags,
            count,
            overflow: u32::try_from(pages - 1).expect("values are below 2 GiB"),
        };
        self.next += pages as u64;
        let end = self.buffer.len() + pages * self.page_size();
        self.buffer.extend_from_slice(&header.encode());
        self.buffer.extend_from_slice(body);
        self.buffer.resize(end, 0);
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush()?;
        }
        Ok(id)
    }

    /// Makes all pages durable, then the metas that make them a database.
    pub(crate) fn finish(&mut self, root: u64) -> Result<u64, WriteFault> {
        self.flush()?;
        let total = self.offset;
        self.file.sync_data().map_err(fault_at(0))?;
        for transaction in [TRANSACTION - 1, TRANSACTION] {
            self.write_meta(transaction, root)?;
        }
        self.file.sync_data().map_err(fault_at(0))?;
        Ok(total)
    }

    fn write_meta(&self, transaction: u64, root: u64) -> Result<(), WriteFault> {
        let meta = Meta {
            page_size: self.page_size,
            root,
            freelist: NO_FREELIST,
            high_water: self.next,
            transaction,
        };
        let mut page = vec![0; self.page_size()];
        let bytes = meta.encode();
        page[..bytes.len()].copy_from_slice(&bytes);
        let offset = transaction % 2 * u64::from(self.page_size);
        self.file
            .write_all_at(&page, offset)
            .map_err(fault_at(offset))
    }

    fn flush(&mut self) -> Result<(), WriteFault> {
        self.file
            .write_all_at(&self.buffer, self.offset)
            .map_err(fault_at(self.offset))?;
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
