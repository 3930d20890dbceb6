//! What a stream has not sent yet, as others see it.

use std::sync::Arc;

use super::Stream;
use crate::mailbox::Mailbox;

/// What waits for one stream; looked at from outside, because a stream whose client does not read is
/// not asked for anything.
#[derive(Clone, Debug)]
pub struct Backlog(Arc<Mailbox>);

impl Backlog {
    /// The watcher that the oldest waiting entry is for, and the revision that it needs next.
    #[must_use]
    pub fn oldest(&self) -> Option<(i64, i64)> {
        self.0.oldest()
    }
}

impl Stream {
    /// What waits for this stream.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        Backlog(Arc::clone(&self.mailbox))
    }
}
