//! The hand-made encoding against the protobuf library.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use prost::Message;
use proto::etcdserverpb::{ResponseHeader, WatchResponse};
use proto::mvccpb::{Event, KeyValue};
use types::{ClusterId, MemberId, Term};
use watch::{Body, Identity, Refusal, Response, SentEvent};

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![Just(0), Just(-1), 1..300_i64, any::<i64>()]
}

fn pair() -> impl Strategy<Value = KeyValue> {
    let bytes = |max| prop::collection::vec(any::<u8>(), 0..max).prop_map(Bytes::from);
    (bytes(200), bytes(20_000), number(), number()).prop_map(|(key, value, revision, lease)| {
        KeyValue {
            key,
            value,
            create_revision: revision,
            mod_revision: revision,
            version: 1,
            lease,
        }
    })
}

fn event() -> impl Strategy<Value = Event> {
    (0..2_i32, pair(), prop::option::of(pair())).prop_map(|(kind, kv, prev_kv)| Event {
        r#type: kind,
        kv: Some(kv),
        prev_kv,
    })
}

/// What is sent for an event that the library would encode.
fn sent(event: &Event) -> SentEvent {
    let shared = Event {
        prev_kv: None,
        ..event.clone()
    };
    SentEvent {
        encoded: shared.encode_to_vec().into(),
        previous: event
            .prev_kv
            .as_ref()
            .map(|pair| pair.encode_to_vec().into()),
    }
}

fn message() -> impl Strategy<Value = (Body, WatchResponse)> {
    let events = prop::collection::vec(event(), 1..4);
    prop_oneof![
        (0..4_u8).prop_map(refused),
        Just((
            Body::Created,
            WatchResponse {
                created: true,
                ..WatchResponse::default()
            }
        )),
        number().prop_map(|compacted| (
            Body::Canceled { compacted },
            WatchResponse {
                canceled: true,
                compact_revision: compacted,
                ..WatchResponse::default()
            }
        )),
        Just((Body::Progress, WatchResponse::default())),
        (events, any::<bool>()).prop_map(|(events, fragment)| (
            Body::Events {
                events: events.iter().map(sent).collect(),
                fragment
            },
            WatchResponse {
                events,
                fragment,
                ..WatchResponse::default()
            }
        )),
    ]
}

fn refused(kind: u8) -> (Body, WatchResponse) {
    let refusal = match kind {
        0 => Refusal::NegativeStart,
        1 => Refusal::EmptyRange,
        2 => Refusal::DuplicateId,
        _ => Refusal::Denied("x".repeat(200)),
    };
    let message = WatchResponse {
        created: true,
        canceled: true,
        cancel_reason: refusal.to_string(),
        ..WatchResponse::default()
    };
    (Body::Refused(refusal), message)
}

proptest! {
    /// A byte more or less and every client loses its watch.
    #[test]
    fn same_bytes_as_the_library(
        (body, message) in message(),
        numbers in (number(), number(), number(), number(), number()),
    ) {
        let (watch_id, revision, cluster, member, term) = numbers;
        let response = Response { watch_id, revision, body };
        let identity = Identity {
            cluster: ClusterId(cluster.cast_unsigned()),
            member: MemberId(member.cast_unsigned()),
            term: Term(term.cast_unsigned()),
        };
        let message = WatchResponse {
            header: Some(ResponseHeader {
                cluster_id: identity.cluster.0,
                member_id: identity.member.0,
                revision,
                raft_term: identity.term.0,
            }),
            watch_id,
            ..message
        };
        let mut bytes = BytesMut::new();
        response.encode(&identity, &mut bytes);
        prop_assert_eq!(bytes.len(), response.encoded_len(&identity));
        prop_assert_eq!(&bytes[..], &message.encode_to_vec()[..]);
        prop_assert_eq!(WatchResponse::decode(bytes.freeze()).unwrap(), message);
    }
}
