//! A growing list of entries, cut into framed chunks of at most about 64 KiB.
//!
//! Directory and block index are such lists: both are kept encoded and written behind the data.

use crate::frame::{FrameWriter, Kind};

/// Where a chunk is closed: large enough to read quickly, small enough to name damage well.
const CHUNK_LEN: usize = 64 << 10;

/// Collects encoded entries of one kind.
#[derive(Debug)]
pub(crate) struct ChunkWriter {
    kind: Kind,
    done: Vec<Vec<u8>>,
    open: Option<FrameWriter>,
    buf: Vec<u8>,
    bytes: u64,
}

impl ChunkWriter {
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            done: Vec::new(),
            open: None,
            buf: Vec::new(),
            bytes: 0,
        }
    }

    /// Appends an entry at revision `main`; `write` adds what stands behind the revision.
    pub(crate) fn push(&mut self, main: i64, write: impl FnOnce(&mut Vec<u8>)) {
        let buf = &mut self.buf;
        let frame = self
            .open
            .get_or_insert_with(|| FrameWriter::begin(buf, main));
        frame.begin_entry(buf, main);
        write(buf);
        if frame.len(buf) >= CHUNK_LEN {
            self.close();
        }
    }

    /// About how much has been collected.
    pub(crate) fn len(&self) -> u64 {
        self.bytes + self.buf.len() as u64
    }

    fn close(&mut self) {
        if let Some(frame) = self.open.take() {
            frame.finish(&mut self.buf, self.kind);
            self.bytes += self.buf.len() as u64;
            self.done.push(std::mem::take(&mut self.buf));
        }
    }

    /// The chunks, each complete.
    pub(crate) fn into_chunks(mut self) -> Vec<Vec<u8>> {
        self.close();
        self.done
    }
}
