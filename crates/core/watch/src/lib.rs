//! Watching: from the revisions that are applied to the responses of one watch stream.
//!
//! ```text
//!   apply thread                          connection thread, one machine per gRPC stream
//!   ------------                          ----------------------------------------------
//!   Hub::report ---- match by key ---> Mailbox --- pop ---> Stream::poll ---> Response
//!                                      (bounded)               ^
//!                                                              | History: chunks, previous pairs
//! ```
//!
//! Vocabulary:
//! - A *watcher* is one create request on a stream: a key range, filters and the revision that it
//!   must see next.
//! - A watcher is *synced* while it is registered in the [`Hub`]: every later revision that concerns
//!   it is put into the mailbox of its stream as a reference to the shared [`RevisionEvents`].
//! - A watcher is *behind* while it is not: it started in the past, or its mailbox was full. Its
//!   stream reads [`History`] for it in small chunks until it has caught up.
//!
//! Rules kept here:
//! 1. Publishing never waits for a stream. A full mailbox turns the watcher into one that is behind,
//!    with a marker in the mailbox that says from which revision.
//! 2. A watcher passes from behind to synced only under the hub's lock and only when it has seen
//!    everything up to the last published revision. So there is neither a gap nor a duplicate.
//! 3. A stream holds at most one mailbox and one chunk of history, whatever the client does; only
//!    a single revision larger than that may exceed it, as its events belong into one response.
//! 4. The caller makes a revision visible in [`History`] first and publishes it then; it answers the
//!    requests of a batch after publishing the batch.
//! 5. A mark of progress travels through the mailbox behind the events that it vouches for.
//!
//! Locks: the hub's lock guards the registry and the last published revision; a mailbox's lock
//! guards its queue. The order is hub, then mailbox. Streams are woken with neither held.
//!
//! What etcd does differently: it parks watchers whose channel is full and retries them every
//! 10 ms, and brings watchers that are behind forward in rounds of 512 every 100 ms, on the store's
//! own lock.
//!
//! [`RevisionEvents`]: types::RevisionEvents

mod draft;
mod encode;
mod history;
mod hub;
mod intervals;
mod limits;
mod mailbox;
mod registry;
mod request;
mod response;
mod stats;
mod stream;
mod watcher;

pub use encode::Identity;
pub use history::{Chunk, History, HistoryError, Revisions};
pub use hub::{Hub, Report};
pub use limits::Limits;
pub use mailbox::Wake;
pub use request::{Create, Filters, Request};
pub use response::{Body, Refusal, Response, SentEvent};
pub use stats::Stats;
pub use stream::{Backlog, Step, Stream};
