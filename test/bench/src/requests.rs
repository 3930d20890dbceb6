//! The requests that the loads consist of, as gRPC messages.

use bytes::Bytes;
use prost::Message;
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{AuthenticateRequest, PutRequest, RangeRequest, RequestOp, TxnRequest};

use crate::random::Random;

/// Bytes of a key.
const KEY_BYTES: usize = 32;
/// Bytes of a value.
pub(crate) const VALUE_BYTES: usize = 256;
/// What gRPC puts before a message: a flag and a length.
pub(crate) const PREFIX_BYTES: usize = 5;
/// The prefix of all keys.
pub(crate) const PREFIX: &[u8] = b"/bench/";
/// Where the keys with that prefix end.
pub(crate) const PREFIX_END: &[u8] = b"/bench0";
/// The user that loads work as where names are asked for.
pub(crate) const USER: &str = "bench";
/// The password of all users.
pub(crate) const PASSWORD: &str = "a password of some length";
/// Keys of one page.
const PAGE_KEYS: i64 = 500;
/// Bytes of values in one transaction when keys are loaded: less than any server takes at once.
const FILL_BYTES: usize = 100 * VALUE_BYTES;
/// Random bytes that values are cut from; they cannot be compressed.
const POOL_BYTES: usize = 1 << 20;

/// What a load asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Puts of random keys among so many.
    Put { keys: u64 },
    /// So many of these puts.
    Puts { count: u64, keys: u64 },
    /// Linearizable gets of random keys among so many.
    Get { keys: u64 },
    /// The first page of all keys.
    Page,
    /// Puts of all keys up to this one, once, in transactions.
    Fill { keys: u64, value_bytes: usize },
    /// Tokens for the user's password.
    Authenticate,
}

/// Makes one request after the other.
#[derive(Debug)]
pub(crate) struct Requests {
    ask: Ask,
    random: Random,
    pool: Bytes,
    /// How much of an end was asked for.
    done: u64,
}

impl Requests {
    pub(crate) fn new(ask: Ask) -> Self {
        let mut random = Random::new(0x6d61_676e_6574_6974);
        let pool = (0..POOL_BYTES / 8).flat_map(|_| random.next().to_le_bytes());
        Self {
            ask,
            pool: pool.collect(),
            random,
            done: 0,
        }
    }

    /// The method that they call.
    pub(crate) fn path(&self) -> &'static str {
        match self.ask {
            Ask::Put { .. } | Ask::Puts { .. } => "/etcdserverpb.KV/Put",
            Ask::Get { .. } | Ask::Page => "/etcdserverpb.KV/Range",
            Ask::Fill { .. } => "/etcdserverpb.KV/Txn",
            Ask::Authenticate => "/etcdserverpb.Auth/Authenticate",
        }
    }

    /// The next message with its gRPC prefix; none when everything has been asked for.
    pub(crate) fn next(&mut self) -> Option<Vec<u8>> {
        match self.ask {
            Ask::Put { keys } => Some(framed(&self.random_put(keys))),
            Ask::Puts { count, keys } if self.done < count => {
                self.done += 1;
                Some(framed(&self.random_put(keys)))
            }
            Ask::Get { keys } => {
                let number = self.random.below(keys);
                Some(framed(&get(number)))
            }
            Ask::Page => Some(framed(&page())),
            Ask::Fill { keys, value_bytes } if self.done < keys => {
                Some(framed(&self.fill(keys, value_bytes)))
            }
            Ask::Puts { .. } | Ask::Fill { .. } => None,
            Ask::Authenticate => Some(framed(&AuthenticateRequest {
                name: USER.to_owned(),
                password: PASSWORD.to_owned(),
            })),
        }
    }

    fn random_put(&mut self, keys: u64) -> PutRequest {
        let number = self.random.below(keys);
        self.put(number, VALUE_BYTES)
    }

    fn fill(&mut self, keys: u64, value_bytes: usize) -> TxnRequest {
        let batch = (FILL_BYTES / value_bytes).max(1) as u64;
        let end = keys.min(self.done + batch);
        let puts = (self.done..end).map(|number| RequestOp {
            request: Some(Request::RequestPut(self.put(number, value_bytes))),
        });
        let success = puts.collect();
        self.done = end;
        TxnRequest {
            success,
            ..TxnRequest::default()
        }
    }

    fn put(&mut self, number: u64, value_bytes: usize) -> PutRequest {
        let start = self.random.below((POOL_BYTES - value_bytes) as u64) as usize;
        PutRequest {
            key: key(number),
            value: self.pool.slice(start..start + value_bytes),
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
        key: Bytes::from_static(PREFIX),
        range_end: Bytes::from_static(PREFIX_END),
        limit: PAGE_KEYS,
        ..RangeRequest::default()
    }
}

/// A message behind its prefix.
pub(crate) fn framed(message: &impl Message) -> Vec<u8> {
    let length = message.encoded_len();
    let mut framed = Vec::with_capacity(PREFIX_BYTES + length);
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
        let mut requests = Requests::new(Ask::Fill {
            keys: 250,
            value_bytes: VALUE_BYTES,
        });
        let mut keys = Vec::new();
        while let Some(message) = requests.next() {
            let txn = TxnRequest::decode(&message[PREFIX_BYTES..]).unwrap();
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
