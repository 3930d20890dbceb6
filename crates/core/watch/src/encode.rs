//! The bytes of `etcdserverpb.WatchResponse`, made around events that are encoded already.
//!
//! ```text
//! 0a header { 08 cluster_id | 10 member_id | 18 revision | 20 raft_term }
//! 10 watch_id | 18 created | 20 canceled | 28 compact_revision
//! 32 cancel_reason | 38 fragment | 5a event …
//! event: the shared bytes (type, kv), then 1a prev_kv
//! ```
//! Ascending fields, zero fields left out, as protobuf's own encoders do.

use bytes::{BufMut, BytesMut};
use types::{ClusterId, MemberId, Term};
use wire::{bytes_len, number_len, put_bytes, put_head, put_number};

use crate::response::{Body, Response, SentEvent};

const HEADER: u8 = 1;
const HEADER_CLUSTER: u8 = 1;
const HEADER_MEMBER: u8 = 2;
const HEADER_REVISION: u8 = 3;
const HEADER_TERM: u8 = 4;
const WATCH_ID: u8 = 2;
const CREATED: u8 = 3;
const CANCELED: u8 = 4;
const COMPACT_REVISION: u8 = 5;
const CANCEL_REASON: u8 = 6;
const FRAGMENT: u8 = 7;
const EVENTS: u8 = 11;
const EVENT_PREV_KV: u8 = 3;

/// The most that a response with events holds beside them: a header of four numbers, the watch
/// id and the fragment mark.
pub(crate) const ENVELOPE_BYTES_MAX: usize = 2 + 4 * 11 + 11 + 2;

/// Who answers: the part of the header that is not the stream's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The cluster.
    pub cluster: ClusterId,
    /// The member that answers.
    pub member: MemberId,
    /// Its term when it answers.
    pub term: Term,
}

/// A response as the numbers and slices of its message.
#[derive(Default)]
struct Fields<'a> {
    created: bool,
    canceled: bool,
    compact_revision: i64,
    cancel_reason: String,
    fragment: bool,
    events: &'a [SentEvent],
}

impl Response {
    /// The size of the encoded message.
    #[must_use]
    pub fn encoded_len(&self, identity: &Identity) -> usize {
        self.measure(identity, &self.fields())
    }

    /// Appends the encoded message to `out`, which grows once at most.
    pub fn encode(&self, identity: &Identity, out: &mut BytesMut) {
        let fields = self.fields();
        out.reserve(self.measure(identity, &fields));
        put_head(out, HEADER, header_len(identity, self.revision));
        for (field, number) in header(identity, self.revision) {
            put_number(out, field, number);
        }
        for (field, number) in self.numbers(&fields) {
            put_number(out, field, number);
        }
        if !fields.cancel_reason.is_empty() {
            put_bytes(out, CANCEL_REASON, fields.cancel_reason.as_bytes());
        }
        put_number(out, FRAGMENT, fields.fragment.into());
        for event in fields.events {
            event.encode(out);
        }
    }

    fn fields(&self) -> Fields<'_> {
        match &self.body {
            Body::Created => Fields {
                created: true,
                ..Fields::default()
            },
            Body::Refused(refusal) => Fields {
                created: true,
                canceled: true,
                cancel_reason: refusal.to_string(),
                ..Fields::default()
            },
            Body::Canceled { compacted } => Fields {
                canceled: true,
                compact_revision: *compacted,
                ..Fields::default()
            },
            Body::Revoked(reason) => Fields {
                canceled: true,
                cancel_reason: reason.clone(),
                ..Fields::default()
            },
            Body::Progress => Fields::default(),
            Body::Events { events, fragment } => Fields {
                events,
                fragment: *fragment,
                ..Fields::default()
            },
        }
    }

    /// The numeric fields between the header and the reason.
    fn numbers(&self, fields: &Fields<'_>) -> [(u8, u64); 4] {
        [
            (WATCH_ID, self.watch_id.cast_unsigned()),
            (CREATED, fields.created.into()),
            (CANCELED, fields.canceled.into()),
            (COMPACT_REVISION, fields.compact_revision.cast_unsigned()),
        ]
    }

    fn measure(&self, identity: &Identity, fields: &Fields<'_>) -> usize {
        let reason = match fields.cancel_reason.len() {
            0 => 0,
            len => bytes_len(len),
        };
        let numbers = self.numbers(fields).map(|(_, number)| number_len(number));
        bytes_len(header_len(identity, self.revision))
            + numbers.iter().sum::<usize>()
            + reason
            + number_len(fields.fragment.into())
            + fields
                .events
                .iter()
                .map(SentEvent::field_len)
                .sum::<usize>()
    }
}

impl SentEvent {
    /// The size of the event as a field of the response.
    pub(crate) fn field_len(&self) -> usize {
        bytes_len(self.message_len())
    }

    fn message_len(&self) -> usize {
        let previous = self.previous.as_ref();
        self.encoded.len() + previous.map_or(0, |record| bytes_len(record.len()))
    }

    fn encode(&self, out: &mut BytesMut) {
        put_head(out, EVENTS, self.message_len());
        out.put_slice(&self.encoded);
        if let Some(record) = &self.previous {
            put_bytes(out, EVENT_PREV_KV, record);
        }
    }
}

fn header(identity: &Identity, revision: i64) -> [(u8, u64); 4] {
    [
        (HEADER_CLUSTER, identity.cluster.0),
        (HEADER_MEMBER, identity.member.0),
        (HEADER_REVISION, revision.cast_unsigned()),
        (HEADER_TERM, identity.term.0),
    ]
}

fn header_len(identity: &Identity, revision: i64) -> usize {
    let fields = header(identity, revision);
    fields.iter().map(|(_, number)| number_len(*number)).sum()
}

#[cfg(test)]
#[path = "encode/tests.rs"]
mod tests;
