//! What bounds the memory and the turns of one stream.

/// Bounds of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Entries in the mailbox. A thousand small events are some 100 µs of sending, enough to ride
    /// out the batches of the apply thread; more only delays the moment when history is cheaper.
    pub mailbox_items: usize,
    /// Bytes that the entries in the mailbox keep alive. Falling behind costs one read of the
    /// history, so holding more than a few of the largest requests (1.5 MiB) buys nothing.
    pub mailbox_bytes: usize,
    /// Revisions in one chunk of history: about 1 ms of reading, so that other connections of the
    /// thread wait no longer. etcd's bound per response is 1000.
    pub chunk_revisions: usize,
    /// Bytes of one chunk of history, for the same reason.
    pub chunk_bytes: usize,
    /// Encoded responses of this size or more are split for watchers that allow it: the largest
    /// request and the 512 KiB that gRPC messages may have on top.
    pub fragment_bytes: usize,
}

/// The default of `--max-request-bytes`.
const REQUEST_BYTES_MAX: usize = 1_572_864;
/// What a message may have beside its request.
const MESSAGE_OVERHEAD_BYTES: usize = 512 * 1024;

impl Limits {
    /// The bounds for a server that takes requests of up to `request_bytes_max`.
    #[must_use]
    pub fn new(request_bytes_max: usize) -> Self {
        Self {
            mailbox_items: 1024,
            mailbox_bytes: 8 * 1024 * 1024,
            chunk_revisions: 256,
            chunk_bytes: 256 * 1024,
            fragment_bytes: request_bytes_max.saturating_add(MESSAGE_OVERHEAD_BYTES),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new(REQUEST_BYTES_MAX)
    }
}
