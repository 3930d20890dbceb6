//! What a stream answers, before it is encoded.

use bytes::Bytes;

/// The id in responses that concern no watcher: refusals and manual progress.
pub(crate) const NO_WATCHER: i64 = -1;

/// One message to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The watcher that it is for; -1 for refusals and manual progress.
    pub watch_id: i64,
    /// The revision of the header.
    pub revision: i64,
    /// What it says.
    pub body: Body,
}

/// The kinds of messages to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// The watcher stands.
    Created,
    /// The watcher was not made.
    Refused(Refusal),
    /// The watcher has ended: on request, or because what it needs next was compacted.
    Canceled {
        /// The compacted revision; 0 on request.
        compacted: i64,
    },
    /// The watcher has ended: its client may no longer read what it watches. The text says why.
    Revoked(String),
    /// Everything up to the header's revision has been sent.
    Progress,
    /// What happened.
    Events {
        /// The events; never empty.
        events: Vec<SentEvent>,
        /// Whether further parts of the same response follow.
        fragment: bool,
    },
}

/// One event as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentEvent {
    /// `mvccpb.Event` without `prev_kv`, shared by all who watch.
    pub encoded: Bytes,
    /// The record that the event replaced, if the watcher asked for it and it is still there.
    pub previous: Option<Bytes>,
}

/// Why a watcher was not made; the text is what etcd sends as the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The start revision is negative.
    #[error("etcdserver: mvcc: required revision has been compacted")]
    NegativeStart,
    /// The range can hold no key.
    #[error("mvcc: watcher range is empty")]
    EmptyRange,
    /// The id wanted is in use on this stream.
    #[error("mvcc: duplicate watch ID provided on the WatchStream")]
    DuplicateId,
    /// The client may not read the range.
    #[error("{0}")]
    Denied(String),
}
