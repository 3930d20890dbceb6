//! Replies as bytes, around records that are encoded already.
//!
//! A stored record has the bytes of `mvccpb.KeyValue`, so it goes into a reply as it is:
//!
//! ```text
//! RangeResponse        0a header | 12 kv … | 18 more | 20 count
//! PutResponse          0a header | 12 prev_kv
//! DeleteRangeResponse  0a header | 10 deleted | 1a prev_kv …
//! TxnResponse          0a header | 10 succeeded | 1a ResponseOp …
//! ResponseOp           0a range | 12 put | 1a delete range | 22 txn
//! ```
//! Operations of a transaction have a header with a revision only, nested transactions an empty
//! one.

use apply::{OpResult, Response, TxnResult};
use bytes::{BufMut, Bytes, BytesMut};
use mvcc::RangeResult;
use prost::encoding::{
    WireType, bool, encode_key, encode_varint, encoded_len_varint, int64, message,
};
use proto::etcdserverpb::ResponseHeader;

const HEADER: u32 = 1;

/// A reply that is measured before it is written, so that it is allocated once.
pub(crate) trait Reply {
    /// The length of the message.
    fn len(&self) -> usize;

    /// Writes the message.
    fn write(&self, out: &mut BytesMut);

    /// The message.
    fn encode(&self) -> Bytes {
        let len = self.len();
        let mut out = BytesMut::with_capacity(len);
        self.write(&mut out);
        debug_assert_eq!(out.len(), len, "a reply was measured wrongly");
        out.freeze()
    }
}

/// `RangeResponse`; the parts of a streamed one leave out what they do not have.
#[derive(Default)]
pub(crate) struct Range<'a> {
    /// The header, if there is one.
    pub(crate) header: Option<ResponseHeader>,
    /// The encoded records.
    pub(crate) kvs: &'a [Bytes],
    /// Whether the limit has cut the answer.
    pub(crate) more: bool,
    /// How many keys the range has.
    pub(crate) count: i64,
}

impl<'a> Range<'a> {
    /// The whole answer to a range.
    pub(crate) fn of(header: ResponseHeader, result: &'a RangeResult) -> Self {
        let RangeResult {
            kvs, more, count, ..
        } = result;
        Self {
            header: Some(header),
            kvs,
            more: *more,
            count: *count,
        }
    }
}

impl Reply for Range<'_> {
    fn len(&self) -> usize {
        self.header.as_ref().map_or(0, header_len)
            + records_len(self.kvs)
            + if self.more {
                bool::encoded_len(3, &true)
            } else {
                0
            }
            + if self.count == 0 {
                0
            } else {
                int64::encoded_len(4, &self.count)
            }
    }

    fn write(&self, out: &mut BytesMut) {
        if let Some(header) = &self.header {
            message::encode(HEADER, header, out);
        }
        put_records(2, self.kvs, out);
        if self.more {
            bool::encode(3, &true, out);
        }
        if self.count != 0 {
            int64::encode(4, &self.count, out);
        }
    }
}

/// `RangeStreamResponse`.
pub(crate) struct RangeStream<'a>(pub(crate) Range<'a>);

impl Reply for RangeStream<'_> {
    fn len(&self) -> usize {
        embedded_len(self.0.len())
    }

    fn write(&self, out: &mut BytesMut) {
        put_embedded(1, &self.0, out);
    }
}

/// `PutResponse`.
pub(crate) struct Put<'a> {
    pub(crate) header: ResponseHeader,
    pub(crate) prev: Option<&'a Bytes>,
}

impl Reply for Put<'_> {
    fn len(&self) -> usize {
        header_len(&self.header) + records_len(self.prev)
    }

    fn write(&self, out: &mut BytesMut) {
        message::encode(HEADER, &self.header, out);
        put_records(2, self.prev, out);
    }
}

/// `DeleteRangeResponse`.
pub(crate) struct DeleteRange<'a> {
    pub(crate) header: ResponseHeader,
    pub(crate) deleted: i64,
    pub(crate) prev: &'a [Bytes],
}

impl Reply for DeleteRange<'_> {
    fn len(&self) -> usize {
        header_len(&self.header)
            + if self.deleted == 0 {
                0
            } else {
                int64::encoded_len(2, &self.deleted)
            }
            + records_len(self.prev)
    }

    fn write(&self, out: &mut BytesMut) {
        message::encode(HEADER, &self.header, out);
        if self.deleted != 0 {
            int64::encode(2, &self.deleted, out);
        }
        put_records(3, self.prev, out);
    }
}

/// `TxnResponse`.
pub(crate) struct Txn<'a> {
    pub(crate) header: ResponseHeader,
    pub(crate) result: &'a TxnResult,
}

impl Reply for Txn<'_> {
    fn len(&self) -> usize {
        header_len(&self.header)
            + if self.result.succeeded {
                bool::encoded_len(2, &true)
            } else {
                0
            }
            + self
                .result
                .responses
                .iter()
                .map(|op| embedded_len(Op(op).len()))
                .sum::<usize>()
    }

    fn write(&self, out: &mut BytesMut) {
        message::encode(HEADER, &self.header, out);
        if self.result.succeeded {
            bool::encode(2, &true, out);
        }
        for op in &self.result.responses {
            put_embedded(3, &Op(op), out);
        }
    }
}

/// `ResponseOp`; an answer that no operation can have is an empty one.
struct Op<'a>(&'a OpResult);

impl Op<'_> {
    /// Does something with the field and the reply inside.
    fn with_inner<T>(&self, with: impl FnOnce(u32, &dyn Reply) -> T) -> Option<T> {
        let OpResult { revision, response } = self.0;
        let header = ResponseHeader {
            revision: *revision,
            ..ResponseHeader::default()
        };
        Some(match response {
            Response::Range(result) => with(1, &Range::of(header, result)),
            Response::Put { prev } => with(
                2,
                &Put {
                    header,
                    prev: prev.as_ref(),
                },
            ),
            Response::DeleteRange { deleted, prev } => with(
                3,
                &DeleteRange {
                    header,
                    deleted: *deleted,
                    prev,
                },
            ),
            Response::Txn(result) => with(
                4,
                &Txn {
                    header: ResponseHeader::default(),
                    result,
                },
            ),
            _ => return None,
        })
    }
}

impl Reply for Op<'_> {
    fn len(&self) -> usize {
        self.with_inner(|_, reply| embedded_len(reply.len()))
            .unwrap_or_default()
    }

    fn write(&self, out: &mut BytesMut) {
        self.with_inner(|field, reply| put_embedded(field, reply, out));
    }
}

fn header_len(header: &ResponseHeader) -> usize {
    message::encoded_len(HEADER, header)
}

/// The length of an embedded message with its one-byte key.
fn embedded_len(len: usize) -> usize {
    1 + encoded_len_varint(len as u64) + len
}

fn put_embedded(field: u32, reply: &dyn Reply, out: &mut BytesMut) {
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(reply.len() as u64, out);
    reply.write(out);
}

fn records_len<'a>(records: impl IntoIterator<Item = &'a Bytes>) -> usize {
    records
        .into_iter()
        .map(|record| embedded_len(record.len()))
        .sum()
}

fn put_records<'a>(field: u32, records: impl IntoIterator<Item = &'a Bytes>, out: &mut BytesMut) {
    for record in records {
        encode_key(field, WireType::LengthDelimited, out);
        encode_varint(record.len() as u64, out);
        out.put_slice(record);
    }
}

#[cfg(test)]
#[path = "reply/tests.rs"]
mod tests;
