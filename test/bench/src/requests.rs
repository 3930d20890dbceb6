//! The requests that the loads consist of, as gRPC messages.

use bytes::Bytes;
use prost::Message;
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{PutRequest, RangeRequest, RequestOp, TxnRequest};

use crate::random::Random;

/// Bytes of a key.
const KEY_BYTES: usize = 32;
/// Bytes of a value.
const VALUE_BYTES: usize = 256;
/// Keys of one page.
const PAGE_KEYS: i64 = 500;
/// Puts in one transaction when keys are loaded.
pub(crate) const FILL_BATCH: u64 = 100;
/// Random bytes that values are cut from; they cannot be compressed.
const POOL_BYTES: usize = 1 << 20;

/// What a load asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Puts of random keys among so many.
    Put { keys: u64 },
    /// Linearizable gets of random keys among so many.
    Get { keys: u64 },
    /// The first page of all keys.
    Page,
    /// Puts of all keys up to this one, once, in transactions.
    Fill { keys: u64 },
}

/// Makes one request after the other.
#[derive(Debug)]
pub(crate) struct Requests {
    ask: Ask,
    random: Random,
    pool: Bytes,
    filled: u64,
}

impl Requests {
    pub(crate) fn new(ask: Ask) -> Self {
        let mut random = Random::new(0x6d61_676e_6574_6974);
        let pool = (0..POOL_BYTES / 8).flat_map(|_| random.next().to_le_bytes());
        Self {
            ask,
            pool: pool.collect(),
            random,
            filled: 0,
        }
    }

    /// The method that they call.
    pub(crate) fn path(&self) -> &'static str {
        match self.ask {
            Ask::Put { .. } => "/etcdserverpb.KV/Put",
            Ask::Get { .. } | Ask::Page => "/etcdserverpb.KV/Range",
            Ask::Fill { .. } => "/etcdserverpb.KV/Txn",
        }
    }

    /// The next message with its gRPC prefix; none when everything has been asked for.
    pub(crate) fn next(&mut self) -> Option<Vec<u8>> {
        match self.ask {
            Ask::Put { keys } => {
                let number = self.random.below(keys);
                Some(framed(&self.put(number)))
            }
            Ask::Get { keys } => {
                let number = self.random.below(keys);
                Some(framed(&get(number)))
            }
            Ask::Page => Some(framed(&page())),
            Ask::Fill { keys } if self.filled < keys => {
                let end = keys.min(self.filled + FILL_BATCH);
                let puts = (self.filled..end).map(|number| RequestOp {
                    request: Some(Request::RequestPut(self.put(number))),
                });
                let success = puts.collect();
                self.filled = end;
                Some(framed(&TxnRequest {
                    success,
                    ..TxnRequest::default()
                }))
            }
            Ask::Fill { .. } => None,
        }
    }

    fn put(&mut self, number: u64) -> PutRequest {
        let start = self.random.below((POOL_BYTES - VALUE_BYTES) as u64) as usize;
        PutRequest {
            key: key(number),
            value: self.pool.slice(start..start + VALUE_BYTES),
            ..PutRequest::default()
        }
    }
}

/// The key of a number. Neighbouring numbers are far apart in the order of keys, so that loading is
/// not in order.
fn key(number: u64) -> Bytes {
    let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let key = format!("/bench/{spread:016x}/{number:08x}");
    debug_assert_eq!(key.len(), KEY_BYTES);
    key.into()
}

fn get(number: u64) -> RangeRequest {
    RangeRequest {
        key: key(number),
        ..RangeRequest::default()
    }
}

fn page() -> RangeRequest {
    RangeRequest {
        key: Bytes::from_static(b"/bench/"),
        range_end: Bytes::from_static(b"/bench0"),
        limit: PAGE_KEYS,
        ..RangeRequest::default()
    }
}

/// A message behind the five bytes that gRPC puts before it.
fn framed(message: &impl Message) -> Vec<u8> {
    let length = message.encoded_len();
    let mut framed = Vec::with_capacity(5 + length);
    framed.push(0);
    framed.extend_from_slice(&(length as u32).to_be_bytes());
    message
        .encode(&mut framed)
        .expect("a vector grows as needed");
    framed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Filling must give every key exactly once, or the loaded members differ in size.
    #[test]
    fn filling_ends_with_the_last_key() {
        let mut requests = Requests::new(Ask::Fill { keys: 250 });
        let mut keys = Vec::new();
        while let Some(message) = requests.next() {
            let txn = TxnRequest::decode(&message[5..]).unwrap();
            keys.extend(txn.success.into_iter().map(|op| match op.request {
                Some(Request::RequestPut(put)) => put.key,
                other => panic!("{other:?}"),
            }));
        }
        let expected: Vec<Bytes> = (0..250).map(key).collect();
        assert_eq!(keys, expected);
        assert!(keys.iter().all(|key| key.len() == KEY_BYTES));
    }
}
