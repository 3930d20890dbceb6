//! What fuzzing starts from: a few whole inputs of each target.

use bytes::Bytes;
use cluster::{ConfChange, ConfChangeKind};
use lease::LeaseRecord;
use prost::Message as _;
use proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{
    CompactionRequest, Compare, DeleteRangeRequest, InternalRaftRequest, LeaseGrantRequest,
    LeaseRevokeRequest, PutRequest, RangeRequest, RequestHeader, RequestOp, TxnRequest,
};
use types::{LeaseId, MemberId, Record, RecordKey, RequestId, Revision};

use crate::{boltfiles, imports, logs, peers, stores};

/// The target, the name and the bytes of each seed.
#[must_use]
pub fn seeds() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let lease = LeaseRecord {
        id: LeaseId(7),
        ttl: 60,
        remaining: 30,
    };
    vec![
        ("apply_entries", "requests", requests()),
        ("apply_entries", "delete_then_keep", delete_then_keep()),
        ("boltfile", "two_buckets", boltfiles::sample()),
        ("cluster_changes", "change", change()),
        ("cluster_changes", "member", MEMBER.to_vec()),
        ("cluster_changes", "version", b"3.7.0".to_vec()),
        ("import_database", "history", imports::sample()),
        (
            "lease_records",
            "record",
            [&LeaseRecord::key(lease.id)[..], &lease.encode()].concat(),
        ),
        ("mvcc_records", "record", record()),
        ("mvcc_records", "key", key(false)),
        ("mvcc_records", "tombstone_key", key(true)),
        ("peer_messages", "snapshot", peers::snapshot_sample()),
        ("peer_streams", "messages", peers::stream_sample(false)),
        ("peer_streams", "appends", peers::stream_sample(true)),
        ("snap_file", "mark", imports::snap_sample()),
        ("store_segment", "used", stores::sample_segment()),
        ("wal_frames", "frames", logs::frames_sample()),
        (
            "wal_records",
            "entry",
            vec![0x08, 0x00, 0x10, 0x01, 0x18, 0x01, 0x22, 0x01, b'x'],
        ),
        (
            "wal_records",
            "snapshot",
            vec![0x08, 0x05, 0x10, 0x01, 0x1a, 0x02, 0x08, 0x01],
        ),
        ("wal_segment", "whole", logs::sample()),
        ("wal_segment", "torn", logs::torn_sample()),
    ]
}

const MEMBER: &[u8] =
    br#"{"id":10276657743932975437,"peerURLs":["http://localhost:2380"],"name":"default","clientURLs":["http://localhost:2379"]}"#;

fn change() -> Vec<u8> {
    let change = ConfChange {
        id: RequestId(5),
        kind: ConfChangeKind::AddNode,
        node: MemberId(0x8e9e_05c5_2164_694d),
        context: Bytes::from_static(MEMBER),
    };
    change.encode().to_vec()
}

fn record() -> Vec<u8> {
    let record = Record {
        key: Bytes::from_static(b"key"),
        create_revision: 2,
        mod_revision: 3,
        version: 2,
        value: Bytes::from_static(b"value"),
        lease: LeaseId(7),
    };
    record.encode().to_vec()
}

fn key(tombstone: bool) -> Vec<u8> {
    let key = RecordKey {
        revision: Revision::new(3, 1),
        tombstone,
    };
    key.with_bytes(<[u8]>::to_vec)
}

/// Entries as the target reads them.
fn entries(requests: Vec<InternalRaftRequest>) -> Vec<u8> {
    let mut out = Vec::new();
    for (id, mut request) in requests.into_iter().enumerate() {
        request.header = Some(RequestHeader {
            id: id as u64 + 1,
            ..RequestHeader::default()
        });
        let data = request.encode_to_vec();
        out.push(2);
        out.extend((data.len() as u16).to_le_bytes());
        out.extend(data);
    }
    out
}

fn put(key: &'static str, lease: i64, ignore_value: bool) -> PutRequest {
    PutRequest {
        key: key.into(),
        value: if ignore_value {
            Bytes::new()
        } else {
            "v".into()
        },
        lease,
        ignore_value,
        ..PutRequest::default()
    }
}

fn requests() -> Vec<u8> {
    let grant = LeaseGrantRequest { id: 7, ttl: 60 };
    let compare = Compare {
        result: CompareResult::Equal.into(),
        target: CompareTarget::Version.into(),
        key: "a".into(),
        range_end: Bytes::new(),
        target_union: Some(TargetUnion::Version(1)),
    };
    let range = RangeRequest {
        key: "a".into(),
        range_end: "z".into(),
        ..RangeRequest::default()
    };
    let txn = TxnRequest {
        compare: vec![compare],
        success: vec![
            operation(Request::RequestPut(put("b", 0, false))),
            operation(Request::RequestRange(range)),
        ],
        failure: vec![operation(Request::RequestTxn(TxnRequest::default()))],
    };
    let delete = DeleteRangeRequest {
        key: "b".into(),
        range_end: "c".into(),
        prev_kv: true,
    };
    let compaction = CompactionRequest {
        revision: 3,
        physical: true,
    };
    let empty = InternalRaftRequest::default;
    entries(vec![
        InternalRaftRequest {
            lease_grant: Some(grant),
            ..empty()
        },
        InternalRaftRequest {
            put: Some(put("a", 7, false)),
            ..empty()
        },
        InternalRaftRequest {
            txn: Some(txn),
            ..empty()
        },
        InternalRaftRequest {
            delete_range: Some(delete),
            ..empty()
        },
        InternalRaftRequest {
            compaction: Some(compaction),
            ..empty()
        },
        InternalRaftRequest {
            lease_revoke: Some(LeaseRevokeRequest { id: 7 }),
            ..empty()
        },
    ])
}

fn operation(request: Request) -> RequestOp {
    RequestOp {
        request: Some(request),
    }
}

/// The transaction that a real server dies of while it applies it.
fn delete_then_keep() -> Vec<u8> {
    let delete = DeleteRangeRequest {
        key: Bytes::from_static(b"\0"),
        range_end: Bytes::from_static(b"\0"),
        prev_kv: false,
    };
    let txn = TxnRequest {
        success: vec![
            operation(Request::RequestDeleteRange(delete)),
            operation(Request::RequestPut(put("a", 0, true))),
        ],
        ..TxnRequest::default()
    };
    let empty = InternalRaftRequest::default;
    entries(vec![
        InternalRaftRequest {
            put: Some(put("a", 0, false)),
            ..empty()
        },
        InternalRaftRequest {
            txn: Some(txn),
            ..empty()
        },
    ])
}
