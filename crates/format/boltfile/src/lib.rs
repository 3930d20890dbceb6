//! bbolt database files in bulk: a reader that believes nothing, and a writer that streams.
//!
//! Snapshots for users and for etcd peers are bbolt files, and so is the database of an etcd data
//! directory that is taken over or handed back. They are read whole or written whole, never edited
//! in place: there is no transaction, no free list to manage, no cache.
//!
//! ```text
//! page 0, 1   metas: page size, root of the bucket tree, high water mark, transaction, checksum
//! page 2..    trees of branch and leaf pages; a page may run on over following pages (overflow)
//! bucket tree leaf items: name -> root page of the bucket's tree, or the bucket itself (inline)
//! ```
//! Keys ascend strictly within a tree. [`Writer`] emits leaves as they fill and branches above
//! them as those fill, so it holds one page a level, whatever the size of the bucket. In a file both metas
//! come last, after a sync, so an unfinished file is not a database. A stream begins with them: the same pairs
//! are measured first, which gives the [`Outline`] that the metas tell. [`Reader`] checks every page that it
//! touches and names it when it is wrong; [`Reader::check`] looks at all of them.

mod check;
mod items;
mod layout;
mod meta;
mod page;
mod pages;
mod reader;
mod tree;
mod writer;

pub use items::Items;
pub use layout::PAGE_SIZE;
pub use page::{PageFault, ReadError};
pub use pages::Outline;
pub use reader::{Bucket, OpenError, Reader};
pub use writer::{WriteError, Writer};
