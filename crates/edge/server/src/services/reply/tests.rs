//! Replies equal prost's encoding byte for byte.

use proptest::prelude::*;
use prost::Message as _;
use proto::etcdserverpb::response_op::Response as WireResponse;
use proto::etcdserverpb::{
    DeleteRangeResponse, PutResponse, RangeResponse, RangeStreamResponse, ResponseOp, TxnResponse,
};
use proto::mvccpb::KeyValue;

use super::*;

fn pair() -> impl Strategy<Value = KeyValue> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from);
    (bytes(), bytes(), any::<[i64; 4]>()).prop_map(|(key, value, numbers)| {
        let [create_revision, mod_revision, version, lease] = numbers;
        KeyValue {
            key,
            create_revision,
            mod_revision,
            version,
            value,
            lease,
        }
    })
}

fn pairs() -> impl Strategy<Value = Vec<KeyValue>> {
    prop::collection::vec(pair(), 0..4)
}

fn header() -> impl Strategy<Value = ResponseHeader> {
    any::<(u64, u64, i64, u64)>().prop_map(|(cluster_id, member_id, revision, raft_term)| {
        ResponseHeader {
            cluster_id,
            member_id,
            revision,
            raft_term,
        }
    })
}

fn records(pairs: &[KeyValue]) -> Vec<Bytes> {
    pairs
        .iter()
        .map(|pair| pair.encode_to_vec().into())
        .collect()
}

/// An answer of the log together with the message that it has to become.
type Both = (Response, WireResponse);

fn answer() -> impl Strategy<Value = (i64, Both)> {
    let leaf = prop_oneof![
        (pairs(), any::<bool>(), any::<i64>()).prop_map(|(kvs, more, count)| {
            let result = RangeResult {
                kvs: records(&kvs),
                more,
                count,
                revision: 7,
            };
            let wire = RangeResponse {
                header: None,
                kvs,
                more,
                count,
            };
            (Response::Range(result), WireResponse::ResponseRange(wire))
        }),
        prop::option::of(pair()).prop_map(|prev_kv| {
            let prev = prev_kv.as_ref().map(|pair| pair.encode_to_vec().into());
            let wire = PutResponse {
                header: None,
                prev_kv,
            };
            (Response::Put { prev }, WireResponse::ResponsePut(wire))
        }),
        (any::<i64>(), pairs()).prop_map(|(deleted, prev_kvs)| {
            let prev = records(&prev_kvs);
            let wire = DeleteRangeResponse {
                header: None,
                deleted,
                prev_kvs,
            };
            (
                Response::DeleteRange { deleted, prev },
                WireResponse::ResponseDeleteRange(wire),
            )
        }),
    ];
    (any::<i64>(), leaf).prop_map(|(revision, both)| (revision, with_header(revision, both)))
}

/// Operations say nothing but the revision in their headers.
fn with_header(revision: i64, (response, mut wire): Both) -> Both {
    let header = Some(ResponseHeader {
        revision,
        ..ResponseHeader::default()
    });
    match &mut wire {
        WireResponse::ResponseRange(range) => range.header = header,
        WireResponse::ResponsePut(put) => put.header = header,
        WireResponse::ResponseDeleteRange(delete) => delete.header = header,
        WireResponse::ResponseTxn(_) => {}
    }
    (response, wire)
}

fn txn(succeeded: bool, answers: Vec<(i64, Both)>) -> (TxnResult, TxnResponse) {
    let (mut responses, mut wires) = (Vec::new(), Vec::new());
    for (revision, (response, wire)) in answers {
        responses.push(OpResult { revision, response });
        wires.push(ResponseOp {
            response: Some(wire),
        });
    }
    let header = Some(ResponseHeader::default());
    (
        TxnResult {
            succeeded,
            responses,
        },
        TxnResponse {
            header,
            succeeded,
            responses: wires,
        },
    )
}

proptest! {
    /// Spliced records must be what a client's decoder takes for records.
    #[test]
    fn same_bytes_as_the_messages(
        header in header(),
        kvs in pairs(),
        more in any::<bool>(),
        count in any::<i64>(),
        has_header in any::<bool>(),
    ) {
        let header = has_header.then_some(header);
        let records = records(&kvs);
        let range = || Range { header, kvs: &records, more, count };
        let wire = RangeResponse { header, kvs, more, count };
        prop_assert_eq!(range().encode(), wire.encode_to_vec());
        let wire = RangeStreamResponse { range_response: Some(wire) };
        prop_assert_eq!(RangeStream(range()).encode(), wire.encode_to_vec());
    }

    /// A transaction's answers nest, each with the header that etcd gives it.
    #[test]
    fn same_bytes_as_a_transaction(
        header in header(),
        outer in prop::collection::vec(answer(), 0..4),
        inner in prop::collection::vec(answer(), 0..4),
        succeeded in any::<(bool, bool)>(),
    ) {
        let (result, wire) = txn(succeeded.1, inner);
        let mut answers = outer;
        answers.push((5, (Response::Txn(result), WireResponse::ResponseTxn(wire))));
        let (result, mut wire) = txn(succeeded.0, answers);
        wire.header = Some(header);
        prop_assert_eq!(Txn { header, result: &result }.encode(), wire.encode_to_vec());
    }

    /// Puts and deletions by themselves.
    #[test]
    fn same_bytes_as_single_writes(header in header(), prev in pairs(), deleted in any::<i64>()) {
        let encoded = records(&prev);
        let put = Put { header, prev: encoded.first() };
        let wire = PutResponse { header: Some(header), prev_kv: prev.first().cloned() };
        prop_assert_eq!(put.encode(), wire.encode_to_vec());
        let delete = DeleteRange { header, deleted, prev: &encoded };
        let wire = DeleteRangeResponse { header: Some(header), deleted, prev_kvs: prev };
        prop_assert_eq!(delete.encode(), wire.encode_to_vec());
    }
}
