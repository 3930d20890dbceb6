//! Between etcd's database and our store, in both directions, in one pass with bounded memory.
//!
//! ```text
//! etcd's database (bbolt)                         our store
//! key              revision -> KeyValue    <->    records, in the order of revisions
//! meta, lease, alarm, auth, authUsers,
//! authRoles, cluster, members,
//! members_removed                          <->    the small buckets
//! meta/consistent_index, meta/term         <->    the position of the last batch
//! ```
//! - [`import()`] believes nothing: pages, the order of revisions, each record and each mark are checked,
//!   and the error says where. The consistent index is written with the last batch only: a store
//!   that an interrupted import has left is at index 0 and so never taken for a whole one.
//! - [`export()`] writes what a [`store::Snapshot`] holds, whatever is committed meanwhile; [`stream()`] hands
//!   the same over without a file.
//! - [`restore()`] founds a cluster on a snapshot: what `etcdutl snapshot restore` does.
//! - [`takeover()`] makes the data directory of an etcd ours, once, at the first start.
//! - [`hand_back()`] makes a data directory that etcd starts from.
//! - Records and values are carried over as bytes: hashes over them stay the same.

mod error;
mod export;
mod hand_back;
mod import;
mod log;
mod pack;
mod record;
mod restore;
mod takeover;

pub use boltfile::Outline;
pub use error::{ExportError, ImportError};
pub use export::{Records, export, measure, storage_version, stream};
pub use hand_back::{HandBackError, HandedBack, hand_back};
pub use import::{Imported, Progress, import};
pub use log::{LogError, MemberDirs};
pub use restore::{Restore, RestoreError, restore};
pub use takeover::{Refused, TakenOver, TakeoverError, takeover};
