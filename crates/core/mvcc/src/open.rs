//! Opening: the store's directories become the index, values are not read.
//!
//! The current revision is the highest that is stored or marked as compacted; the compacted one is
//! the mark "scheduled", because an unfinished compaction goes on where it was. What compactions have
//! given up, or were about to, may still be in the files: it is found by applying the compaction's rule
//! once more, and the store is told.

use std::sync::Arc;

use disk::Dir;
use types::{RecordKey, Revision};

use crate::compact::{self, Compaction};
use crate::load::{BATCH_ENTRIES, GENTLE_BATCH_ENTRIES, Loader};
use crate::reader::Reader;
use crate::shared::Shared;
use crate::writer::Writer;
use store::{Bucket, Store, StoreFault};

/// How the store is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Most bytes of records that are kept in memory to serve reads.
    pub value_cache_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            value_cache_bytes: 32 << 20,
        }
    }
}

/// The store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The files cannot be opened.
    #[error(transparent)]
    Store(#[from] store::OpenError),
    /// What compactions have given up could not be marked.
    #[error(transparent)]
    Mark(#[from] StoreFault),
    /// A mark of a compaction is not a revision.
    #[error("meta/{name} is not a revision")]
    NotARevision {
        /// The key in the meta bucket.
        name: &'static str,
    },
    /// A revision that no member can have written.
    #[error("revision {revision} has too high a sub-revision")]
    SubRevision {
        /// The revision.
        revision: Revision,
    },
}

/// Opens the store in `dir`, or creates it, and builds the index.
///
/// # Errors
/// [`OpenError`] when the files cannot be opened or hold what no member writes.
pub fn open(
    dir: Arc<dyn Dir>,
    store_options: store::Options,
    options: Options,
) -> Result<(Writer, Reader, Store), OpenError> {
    let loader = Loader::new(BATCH_ENTRIES);
    open_with(dir, store_options, options, loader, &mut || {})
}

/// As [`open`], where others want the processor meanwhile: in small steps, after which `rest` is
/// called.
///
/// # Errors
/// As [`open`].
pub fn open_gently(
    dir: Arc<dyn Dir>,
    store_options: store::Options,
    options: Options,
    rest: &mut dyn FnMut(),
) -> Result<(Writer, Reader, Store), OpenError> {
    let loader = Loader::new(GENTLE_BATCH_ENTRIES);
    open_with(dir, store_options, options, loader, rest)
}

fn open_with(
    dir: Arc<dyn Dir>,
    store_options: store::Options,
    options: Options,
    mut loader: Loader,
    rest: &mut dyn FnMut(),
) -> Result<(Writer, Reader, Store), OpenError> {
    let mut store = Store::open(dir, store_options, &mut |entry| {
        loader.add(&entry);
        rest();
    })?;
    let files = store.reader();
    let finished = mark(&files, compact::FINISHED, "finishedCompactRev")?;
    let scheduled = mark(&files, compact::SCHEDULED, "scheduledCompactRev")?.max(finished);
    let loaded = loader.finish(scheduled)?;
    store.mark_dead(&loaded.dead)?;
    let shared = Shared::new(loaded.index, files, options.value_cache_bytes, finished);
    let shared = Arc::new(shared);
    let compaction = Compaction::new(scheduled, finished);
    let writer = Writer::new(shared, store.consistent_index(), compaction);
    let reader = writer.reader();
    Ok((writer, reader, store))
}

/// The revision of a compaction's mark; -1 when there is none.
fn mark(files: &store::Reader, key: &[u8], name: &'static str) -> Result<i64, OpenError> {
    let Some(value) = files.bucket_get(Bucket::Meta, key) else {
        return Ok(-1);
    };
    let key: Result<RecordKey, _> = RecordKey::decode(&value);
    key.map(|key| key.revision.main)
        .map_err(|_| OpenError::NotARevision { name })
}
