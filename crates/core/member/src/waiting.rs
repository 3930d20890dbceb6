//! Requests that nobody takes at the moment: there is no leader, or it is handing over.

use std::collections::VecDeque;

use bytes::Bytes;
use types::{EntryKind, RequestId};

/// Most requests that wait; more are left to time out.
const WAITING_MAX: usize = 10_000;
/// Most bytes of requests that wait.
const WAITING_BYTES_MAX: usize = 256 << 20;

/// A request to replicate.
#[derive(Debug)]
pub(crate) struct Request {
    /// None if another member has forwarded it, which waits for its outcome there.
    pub(crate) id: Option<RequestId>,
    pub(crate) kind: EntryKind,
    pub(crate) data: Bytes,
}

/// The requests that wait, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    requests: VecDeque<(u64, Request)>,
    bytes: usize,
}

impl Waiting {
    /// Keeps a request that came at tick `now`; gives it back when there is no room.
    pub(crate) fn add(&mut self, now: u64, request: Request) -> Result<(), Request> {
        let bytes = self.bytes + request.data.len();
        if self.requests.len() >= WAITING_MAX || bytes > WAITING_BYTES_MAX {
            return Err(request);
        }
        self.bytes = bytes;
        self.requests.push_back((now, request));
        Ok(())
    }

    /// Drops those that came `after` ticks ago: whoever waited was told that it took too long, and
    /// should not find the request carried out much later.
    pub(crate) fn expire(&mut self, now: u64, after: u64) {
        while let Some((came, request)) = self.requests.front()
            && now >= came + after
        {
            self.bytes -= request.data.len();
            self.requests.pop_front();
        }
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Takes the oldest.
    pub(crate) fn pop(&mut self) -> Option<Request> {
        let (_, request) = self.requests.pop_front()?;
        self.bytes -= request.data.len();
        Some(request)
    }

    /// Takes everything.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = Request> + use<> {
        self.bytes = 0;
        std::mem::take(&mut self.requests)
            .into_iter()
            .map(|(_, request)| request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(id: u64, len: usize) -> Request {
        Request {
            id: Some(RequestId(id)),
            kind: EntryKind::Normal,
            data: Bytes::from(vec![0; len]),
        }
    }

    /// A cluster without a leader must not fill the memory, nor carry out what was given up.
    #[test]
    fn waiting_is_bounded() {
        let mut waiting = Waiting::default();
        assert!(waiting.add(1, request(1, 10)).is_ok());
        assert!(waiting.add(2, request(2, WAITING_BYTES_MAX - 10)).is_ok());
        assert!(waiting.add(2, request(3, 1)).is_err());
        waiting.expire(6, 5);
        assert!(waiting.add(6, request(4, 10)).is_ok());
        let left: Vec<_> = waiting.take().map(|request| request.id).collect();
        assert_eq!(left, [Some(RequestId(2)), Some(RequestId(4))]);
        assert!(waiting.is_empty());
        assert!(waiting.add(6, request(5, 10)).is_ok());
        assert_eq!(
            waiting.pop().and_then(|request| request.id),
            Some(RequestId(5))
        );
        assert!(waiting.pop().is_none());
        for id in 0..WAITING_MAX as u64 {
            assert!(waiting.add(7, request(id, 0)).is_ok());
        }
        assert!(waiting.add(7, request(0, 0)).is_err());
    }
}
