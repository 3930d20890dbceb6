//! A prefix before every key that goes in, and off every key that comes out.

use bytes::{Bytes, BytesMut};
use proto::error::Error;
use proto::etcdserverpb::{
    DeleteRangeRequest, DeleteRangeResponse, LeaseTimeToLiveResponse, PutRequest, PutResponse,
    RangeRequest, RangeResponse, TxnRequest, TxnResponse, WatchCreateRequest, request_op,
    response_op,
};
use proto::mvccpb::{Event, KeyValue};
use proto::v3electionpb::LeaderKey;

/// "From this key on" in place of the end of a range.
const FROM_KEY: &[u8] = &[0];

/// The prefix; empty for none.
#[derive(Clone, Debug, Default)]
pub(super) struct Namespace(Bytes);

impl Namespace {
    pub(super) fn new(prefix: &str) -> Self {
        Self(Bytes::copy_from_slice(prefix.as_bytes()))
    }

    pub(super) fn is_whole(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts the prefix before a key.
    pub(super) fn enter(&self, key: &mut Bytes) {
        let mut whole = BytesMut::with_capacity(self.0.len() + key.len());
        whole.extend_from_slice(&self.0);
        whole.extend_from_slice(key);
        *key = whole.freeze();
    }

    pub(super) fn enter_range(&self, key: &mut Bytes, range_end: &mut Bytes) {
        self.enter(key);
        if range_end == FROM_KEY {
            *range_end = self.end();
        } else if !range_end.is_empty() {
            self.enter(range_end);
        }
    }

    /// The first key behind all that have the prefix.
    fn end(&self) -> Bytes {
        let mut end = self.0.to_vec();
        while let Some(last) = end.pop() {
            if last < u8::MAX {
                end.push(last + 1);
                return end.into();
            }
        }
        Bytes::from_static(FROM_KEY)
    }

    /// Takes the prefix off a key.
    pub(super) fn leave(&self, key: &mut Bytes) {
        if key.starts_with(&self.0) {
            let _ = key.split_to(self.0.len());
        }
    }

    fn leave_pairs<'a>(&self, pairs: impl IntoIterator<Item = &'a mut KeyValue>) {
        for pair in pairs {
            self.leave(&mut pair.key);
        }
    }

    pub(super) fn range(&self, request: &mut RangeRequest) -> Result<(), Error> {
        has_key(&request.key)?;
        self.enter_range(&mut request.key, &mut request.range_end);
        Ok(())
    }

    pub(super) fn put(&self, request: &mut PutRequest) -> Result<(), Error> {
        has_key(&request.key)?;
        self.enter(&mut request.key);
        Ok(())
    }

    pub(super) fn delete_range(&self, request: &mut DeleteRangeRequest) -> Result<(), Error> {
        has_key(&request.key)?;
        self.enter_range(&mut request.key, &mut request.range_end);
        Ok(())
    }

    /// All keys of a transaction, also of those within it.
    pub(super) fn txn(&self, request: &mut TxnRequest) -> Result<(), Error> {
        for compare in &mut request.compare {
            has_key(&compare.key)?;
            self.enter_range(&mut compare.key, &mut compare.range_end);
        }
        let operations = request.success.iter_mut().chain(&mut request.failure);
        for operation in operations {
            match &mut operation.request {
                Some(request_op::Request::RequestRange(request)) => self.range(request)?,
                Some(request_op::Request::RequestPut(request)) => self.put(request)?,
                Some(request_op::Request::RequestDeleteRange(request)) => {
                    self.delete_range(request)?;
                }
                Some(request_op::Request::RequestTxn(request)) => self.txn(request)?,
                None => {}
            }
        }
        Ok(())
    }

    pub(super) fn watch(&self, request: &mut WatchCreateRequest) {
        if request.key.is_empty() {
            // The first key that can be.
            request.key = Bytes::from_static(&[0]);
        }
        self.enter_range(&mut request.key, &mut request.range_end);
    }

    pub(super) fn ranged(&self, answer: &mut RangeResponse) {
        self.leave_pairs(&mut answer.kvs);
    }

    pub(super) fn had_put(&self, answer: &mut PutResponse) {
        self.leave_pairs(&mut answer.prev_kv);
    }

    pub(super) fn deleted(&self, answer: &mut DeleteRangeResponse) {
        self.leave_pairs(&mut answer.prev_kvs);
    }

    pub(super) fn transacted(&self, answer: &mut TxnResponse) {
        for response in &mut answer.responses {
            match &mut response.response {
                Some(response_op::Response::ResponseRange(answer)) => self.ranged(answer),
                Some(response_op::Response::ResponsePut(answer)) => self.had_put(answer),
                Some(response_op::Response::ResponseDeleteRange(answer)) => self.deleted(answer),
                Some(response_op::Response::ResponseTxn(answer)) => self.transacted(answer),
                None => {}
            }
        }
    }

    pub(super) fn happened(&self, events: &mut [Event]) {
        for event in events {
            self.leave_pairs(&mut event.kv);
            self.leave_pairs(&mut event.prev_kv);
        }
    }

    /// Only the keys of a lease that have the prefix: others are nobody's business here.
    pub(super) fn leased(&self, answer: &mut LeaseTimeToLiveResponse) {
        answer.keys.retain(|key| key.starts_with(&self.0));
        for key in &mut answer.keys {
            self.leave(key);
        }
    }

    pub(super) fn enter_leader(&self, leader: &mut Option<LeaderKey>) {
        if let Some(leader) = leader {
            self.enter(&mut leader.name);
            self.enter(&mut leader.key);
        }
    }

    pub(super) fn leave_leader(&self, leader: &mut Option<LeaderKey>) {
        if let Some(leader) = leader {
            self.leave(&mut leader.name);
            self.leave(&mut leader.key);
        }
    }

    pub(super) fn leave_pair(&self, pair: &mut Option<KeyValue>) {
        self.leave_pairs(pair);
    }
}

/// The prefix itself is not a key that can be had from within.
fn has_key(key: &Bytes) -> Result<(), Error> {
    match key.is_empty() {
        true => Err(Error::EmptyKey),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proto::etcdserverpb::{Compare, RequestOp};

    use super::*;

    fn entered(prefix: &[u8], key: &[u8], end: &[u8]) -> (Bytes, Bytes) {
        let namespace = Namespace(Bytes::copy_from_slice(prefix));
        let (mut key, mut end) = (Bytes::copy_from_slice(key), Bytes::copy_from_slice(end));
        namespace.enter_range(&mut key, &mut end);
        (key, end)
    }

    /// A range that leaves the namespace shows one tenant the keys of another.
    #[test]
    fn ranges_stay_inside() {
        for (prefix, key, end, whole) in [
            (&b"p/"[..], &b"a"[..], &b""[..], (&b"p/a"[..], &b""[..])),
            (b"p/", b"a", b"b", (b"p/a", b"p/b")),
            (b"p/", b"\0", b"\0", (b"p/\0", b"p0")),
            (b"p\xff", b"a", b"\0", (b"p\xffa", b"q")),
            (b"\xff\xff", b"a", b"\0", (b"\xff\xffa", b"\0")),
        ] {
            let (key, end) = entered(prefix, key, end);
            assert_eq!((&*key, &*end), whole);
        }
    }

    /// Also in a transaction within a transaction.
    #[test]
    fn every_key_of_a_transaction() {
        let namespace = Namespace::new("p/");
        let range = |key: &'static str| RangeRequest {
            key: key.into(),
            range_end: "\0".into(),
            ..RangeRequest::default()
        };
        let operation = |request| RequestOp {
            request: Some(request),
        };
        let inner = TxnRequest {
            failure: vec![operation(request_op::Request::RequestDeleteRange(
                DeleteRangeRequest {
                    key: "d".into(),
                    ..DeleteRangeRequest::default()
                },
            ))],
            ..TxnRequest::default()
        };
        let mut outer = TxnRequest {
            compare: vec![Compare {
                key: "c".into(),
                ..Compare::default()
            }],
            success: vec![
                operation(request_op::Request::RequestRange(range("r"))),
                operation(request_op::Request::RequestTxn(inner)),
            ],
            ..TxnRequest::default()
        };
        namespace.txn(&mut outer).unwrap();
        let text = format!("{outer:?}");
        for key in ["p/c", "p/r", "p/d", "p0"] {
            assert!(text.contains(&format!("b\"{key}\"")), "{key} in {text}");
        }
        let mut empty = TxnRequest {
            success: vec![operation(request_op::Request::RequestRange(range("")))],
            ..TxnRequest::default()
        };
        assert_eq!(namespace.txn(&mut empty), Err(Error::EmptyKey));
    }
}
