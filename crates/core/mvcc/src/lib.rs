//! The multi-version store: keys, their history, and what can be asked about both.
//!
//! ```text
//!   apply thread                 any thread                     store thread
//!   Writer ── Txn                Reader                         Pending::write(&mut Store)
//!      │  put, delete, commit      │  range, history, hash           │
//!      ▼                           ▼                                 ▼
//!   ┌─────────────── index (in memory) ──────────────┐
//!   │ keys → revisions; counts of live keys          │
//!   └────────────────────────────────────────────────┘
//!   ┌ write buffer ┬ recent batches ┬ cache ┐         ┌ store (files) ┐
//!   │ not written  │ written lately │ read  │ ──────> │ every record  │
//!   └──────────────┴────────────────┴───────┘         └───────────────┘
//! ```
//!
//! - *Revision*: main numbers the transaction, sub the change in it. An empty store is at main 1; a
//!   transaction that changes something makes the next main.
//! - *Record*: the encoded `mvccpb.KeyValue` of a change. It is encoded once, when the change is
//!   made, and the same bytes go to the store, into answers and into events.
//! - *Life* (etcd: generation): a key from a put after nothing to its tombstone.
//! - *Compacted revision*: reads below it are refused. Of each key the newest change at or below it
//!   is kept, unless that is a tombstone below it.
//!
//! Rules:
//! - Readers never see a part of a transaction, and never wait for a disk write.
//! - Nobody holds the index's lock while reading a file, except a transaction that reads after it has
//!   changed something.
//! - A record leaves the memory only after the store has it; the store is told that a record is dead
//!   only after it has the record and the mark of the compaction.
//! - Nothing depends on a clock, a random number or the order of a map: members that apply the same
//!   entries have the same revisions, answers and hashes.

mod buffer;
mod cache;
mod compact;
mod encode;
mod hash;
mod history;
mod index;
mod key;
mod load;
mod open;
mod query;
mod range;
mod reader;
mod shared;
mod stats;
mod tree;
mod txn;
mod writer;

pub use compact::{CompactError, CompactStep};
pub use hash::{HashJob, HashKv};
pub use history::History;
pub use open::{OpenError, Options, open, open_gently};
pub use query::{
    Chunk, Fault, KeyMeta, RangeError, RangeQuery, RangeResult, Revisions, Sort, SortTarget,
};
pub use reader::Reader;
pub use stats::Stats;
pub use txn::{Committed, Txn};
pub use writer::{Pending, Writer};
