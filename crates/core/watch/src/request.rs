//! What a client may ask of its stream, already decoded.

use bytes::Bytes;
use types::{EventKind, KeyRange};

/// The smallest key, which an empty one means.
const FIRST_KEY: &[u8] = b"\0";

/// One message of the client. A message without content is ignored by the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Start a watcher; answered with [`Body::Created`] or [`Body::Refused`].
    ///
    /// [`Body::Created`]: crate::Body::Created
    /// [`Body::Refused`]: crate::Body::Refused
    Create(Create),
    /// End the watcher of this id; answered with [`Body::Canceled`], or not at all if unknown.
    ///
    /// [`Body::Canceled`]: crate::Body::Canceled
    Cancel(i64),
    /// Tell how far the stream is; answered with [`Body::Progress`] for id -1 if every watcher is
    /// synced, else not at all.
    ///
    /// [`Body::Progress`]: crate::Body::Progress
    Progress,
}

/// A watcher to start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Create {
    /// First key; empty means the smallest key.
    pub key: Bytes,
    /// End of the range in the API's form.
    pub range_end: Bytes,
    /// First revision to see; 0 means the next one.
    pub start_revision: i64,
    /// Whether quiet periods are reported.
    pub progress_notify: bool,
    /// Which events to leave out.
    pub filters: Filters,
    /// Whether events carry the previous pair.
    pub prev_kv: bool,
    /// The id wanted; 0 lets the stream choose.
    pub watch_id: i64,
    /// Whether large responses may be split.
    pub fragment: bool,
    /// Why the client may not watch the range, as the text of the in-band refusal.
    pub denied: Option<String>,
}

impl Create {
    /// What is to be watched.
    ///
    /// # Panics
    /// Never: an empty key stands for the smallest one.
    #[must_use]
    pub fn range(&self) -> KeyRange {
        let key = match self.key.is_empty() {
            true => Bytes::from_static(FIRST_KEY),
            false => self.key.clone(),
        };
        KeyRange::new(key, self.range_end.clone()).expect("the key is not empty")
    }
}

/// Kinds of events that a watcher does not want.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    /// Leave puts out.
    pub no_put: bool,
    /// Leave deletions out.
    pub no_delete: bool,
}

impl Filters {
    /// Adds a filter by its number in the API; unknown numbers mean nothing.
    pub fn add(&mut self, filter: i32) {
        match filter {
            0 => self.no_put = true,
            1 => self.no_delete = true,
            _ => {}
        }
    }

    /// Whether events of this kind are wanted.
    #[must_use]
    pub fn admits(self, kind: EventKind) -> bool {
        match kind {
            EventKind::Put => !self.no_put,
            EventKind::Delete => !self.no_delete,
        }
    }
}
