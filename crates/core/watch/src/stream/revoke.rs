//! Ending watchers whose client may no longer read what they watch.

use types::KeyRange;

use super::Stream;
use crate::history::History;
use crate::response::{Body, Response};

impl Stream {
    /// Ends every watcher for whose range `refusal` gives a reason; the client hears the reason.
    pub fn revoke<H: History>(
        &mut self,
        refusal: impl Fn(&KeyRange) -> Option<String>,
        history: &H,
    ) {
        let refused: Vec<(i64, String)> = self
            .watchers
            .iter()
            .filter_map(|(id, watcher)| Some((*id, refusal(&watcher.spec.range)?)))
            .collect();
        let revision = history.revisions().current;
        for (watch_id, reason) in refused {
            self.end(watch_id);
            self.answers.push_back(Response {
                watch_id,
                revision,
                body: Body::Revoked(reason),
            });
        }
    }

    /// Whether a response that was polled may still be sent: events may not, once their watcher has
    /// ended.
    #[must_use]
    pub fn may_send(&self, response: &Response) -> bool {
        !matches!(response.body, Body::Events { .. })
            || self.watchers.contains_key(&response.watch_id)
    }
}
