//! The store of a member: a log of revisions and the small buckets.
//!
//! The format, its invariants and the reasons are in `docs/design/store.md`. In short:
//!
//! ```text
//! segment 1 (sealed)                       segment 2 (sealed)     segment 3 (active)
//! header base batch batch ... seal         header blocks seal     header base batch batch ...
//!                  |                                                     |
//!        blocks, bucket changes,                                    one write and
//!        consistent index, checksum                                 one sync a commit
//! ```
//! - Revisions only rise, records never change: a segment covers an interval of revisions, and a
//!   point read is one `pread` of one checksummed block.
//! - A batch counts iff it is whole; after a crash the store is a prefix of what was committed and
//!   includes every commit that returned.
//! - There is one [`Store`], the writer, and any number of [`Reader`]s that never wait for it.
//! - Dead records are removed by rewriting whole segments ([`Store::reclaim`]); files are removed
//!   when nobody reads them any more.
//!
//! No clock, no thread: the caller decides when to commit and when to reclaim.

mod active;
mod batch;
mod block;
mod block_index;
mod bucket;
mod chunk;
mod cursor;
mod dead;
mod directory;
mod error;
mod file;
mod footer;
mod frame;
mod header;
#[cfg(test)]
mod hostile;
mod log;
mod many;
mod reader;
mod reclaim;
mod recovery;
mod rewrite;
mod scan;
mod seal;
mod search;
mod segment;
mod space;
mod store;
mod view;

pub use bucket::{Bucket, Change};
pub use directory::DirectoryEntry;
pub use error::{OpenError, StoreFault};
pub use reader::{Reader, Snapshot};
pub use reclaim::Reclaimed;
pub use store::{Batch, Entry, Options, Store};
pub use view::Sizes;
