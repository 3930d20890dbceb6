//! Requests of the log against a store on a simulated disk: outcomes, revisions, and that they are
//! the same on every replica, however often it restarts.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;
use std::time::Duration;

use apply::{Alarms, Apply, Options, Outcome, Rejected, Response, SharedLeases, TxnResult};
use bytes::Bytes;
use cluster::Membership;
use disk::MemDir;
use lease::{Instant, LeaseTable};
use mvcc::RangeQuery;
use proptest::prelude::*;
use prost::Message as _;
use proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{
    AlarmRequest, CompactionRequest, Compare, DeleteRangeRequest, InternalRaftRequest,
    LeaseGrantRequest, LeaseRevokeRequest, PutRequest, RangeRequest, RequestHeader, RequestOp,
    TxnRequest,
};
use store::Store;
use types::{ClusterId, Entry, EntryKind, Index, KeyRange, Record, Term};

/// A replica: the machine, its store, and the disk below.
struct Replica {
    disk: Arc<MemDir>,
    apply: Apply,
    store: Store,
    next: u64,
}

impl Replica {
    fn new() -> Self {
        Self::open(Arc::new(MemDir::new()))
    }

    fn open(disk: Arc<MemDir>) -> Self {
        let (writer, reader, store) = mvcc::open(
            disk.clone(),
            store::Options::default(),
            mvcc::Options::default(),
        )
        .unwrap();
        let mut table =
            LeaseTable::new(lease::Options::for_election_timeout(Duration::from_secs(1)));
        let files = store.reader();
        for (key, value) in files.bucket(store::Bucket::Lease) {
            let record = lease::LeaseRecord::decode(&key, &value).unwrap();
            table.restore(record.id, record.ttl, record.remaining);
        }
        for (key, lease) in reader.attached_leases() {
            table.attach(key, lease).unwrap();
        }
        let alarms = Alarms::load(&files.bucket(store::Bucket::Alarm));
        let membership = Membership::new(ClusterId(1), cluster::Options::default());
        let (consistent, _) = store.consistent_index();
        let options = Options { quota_bytes: None };
        let leases = SharedLeases::new(table);
        let apply = Apply::new(writer, leases, alarms, membership, consistent, options);
        Self {
            disk,
            apply,
            store,
            next: 1,
        }
    }

    fn entry(&mut self, index: u64, request: &InternalRaftRequest) -> Outcome {
        let data = Bytes::from(request.encode_to_vec());
        let entry = Entry {
            kind: EntryKind::Normal,
            term: Term(1),
            index: Index(index),
            data,
        };
        self.apply
            .entry(&entry, Instant(Duration::ZERO), true)
            .unwrap()
    }

    fn run(&mut self, request: &InternalRaftRequest) -> Result<Response, Rejected> {
        let outcome = self.entry(self.next, request);
        self.next += 1;
        outcome.applied.unwrap().result
    }

    /// Writes what was applied to the store, as the store thread does.
    fn commit(&mut self) {
        if let Some(pending) = self.apply.writer().take_batch() {
            pending.write(&mut self.store).unwrap();
        }
    }

    /// Loses everything that was not committed, as a crash does.
    fn crash(self) -> Self {
        let Self {
            disk, apply, store, ..
        } = self;
        drop((apply, store));
        Self::open(disk)
    }

    fn value(&self, key: &'static str) -> Option<Bytes> {
        let query = RangeQuery::of(KeyRange::Point(Bytes::from(key)));
        let found = self.apply.reader().range(&query).unwrap();
        found
            .kvs
            .first()
            .map(|record| Record::decode(record).unwrap().value)
    }

    fn revision(&mut self) -> i64 {
        self.apply.writer().revision()
    }
}

fn request(id: u64) -> InternalRaftRequest {
    let header = RequestHeader {
        id,
        ..RequestHeader::default()
    };
    InternalRaftRequest {
        header: Some(header),
        ..InternalRaftRequest::default()
    }
}

fn put(key: &'static str, value: &'static str) -> PutRequest {
    PutRequest {
        key: key.into(),
        value: value.into(),
        ..PutRequest::default()
    }
}

fn op(request: Request) -> RequestOp {
    RequestOp {
        request: Some(request),
    }
}

fn txn(compare: Vec<Compare>, success: Vec<Request>, failure: Vec<Request>) -> InternalRaftRequest {
    let ops = |requests: Vec<Request>| requests.into_iter().map(op).collect();
    let txn = TxnRequest {
        compare,
        success: ops(success),
        failure: ops(failure),
    };
    InternalRaftRequest {
        txn: Some(txn),
        ..request(1)
    }
}

fn compare(
    key: &'static str,
    target: CompareTarget,
    result: CompareResult,
    with: TargetUnion,
) -> Compare {
    Compare {
        key: key.into(),
        target: target.into(),
        result: result.into(),
        target_union: Some(with),
        ..Compare::default()
    }
}

fn txn_result(result: Result<Response, Rejected>) -> TxnResult {
    match result {
        Ok(Response::Txn(result)) => result,
        other => panic!("not a transaction's answer: {other:?}"),
    }
}

/// A real server dies of this request, and again at every restart, because it is in the log.
#[test]
fn a_key_deleted_and_put_with_ignore_value_in_one_txn_is_refused() {
    let mut replica = Replica::new();
    replica
        .run(&InternalRaftRequest {
            put: Some(put("k", "v")),
            ..request(1)
        })
        .unwrap();
    let everything = DeleteRangeRequest {
        key: Bytes::from_static(b"\0"),
        range_end: Bytes::from_static(b"\0"),
        prev_kv: false,
    };
    let keep = PutRequest {
        key: "k".into(),
        ignore_value: true,
        ..PutRequest::default()
    };
    let deadly = txn(
        vec![],
        vec![
            Request::RequestDeleteRange(everything),
            Request::RequestPut(keep),
        ],
        vec![],
    );
    assert_eq!(replica.run(&deadly).unwrap_err(), Rejected::KeyNotFound);
    assert_eq!(replica.revision(), 2);
    assert_eq!(replica.value("k").as_deref(), Some(&b"v"[..]));
}

/// Clients build locks on "create revision is 0"; values of missing keys compare as nothing.
#[test]
fn missing_keys_compare_as_zero_but_have_no_value() {
    let mut replica = Replica::new();
    for (target, with, result, holds) in [
        (
            CompareTarget::Create,
            TargetUnion::CreateRevision(0),
            CompareResult::Equal,
            true,
        ),
        (
            CompareTarget::Version,
            TargetUnion::Version(1),
            CompareResult::Less,
            true,
        ),
        (
            CompareTarget::Mod,
            TargetUnion::ModRevision(0),
            CompareResult::NotEqual,
            false,
        ),
        (
            CompareTarget::Lease,
            TargetUnion::Lease(0),
            CompareResult::Equal,
            true,
        ),
        (
            CompareTarget::Value,
            TargetUnion::Value("x".into()),
            CompareResult::NotEqual,
            false,
        ),
        (
            CompareTarget::Value,
            TargetUnion::Value("".into()),
            CompareResult::Equal,
            false,
        ),
        // Another kind of value counts as zero.
        (
            CompareTarget::Create,
            TargetUnion::Version(7),
            CompareResult::Equal,
            true,
        ),
    ] {
        let asked = txn(
            vec![compare("absent", target, result, with)],
            vec![],
            vec![],
        );
        assert_eq!(
            txn_result(replica.run(&asked)).succeeded,
            holds,
            "{target:?} {result:?}"
        );
    }
    assert_eq!(replica.revision(), 1);
}

/// Compares of nested transactions look at the state before the outer one writes.
#[test]
fn nested_compares_are_decided_before_any_write() {
    let mut replica = Replica::new();
    let inner = TxnRequest {
        compare: vec![compare(
            "k",
            CompareTarget::Version,
            CompareResult::Equal,
            TargetUnion::Version(0),
        )],
        success: vec![op(Request::RequestPut(put("seen", "before")))],
        failure: vec![op(Request::RequestPut(put("seen", "after")))],
    };
    let range = RangeRequest {
        key: "k".into(),
        ..RangeRequest::default()
    };
    let outer = txn(
        vec![],
        vec![
            Request::RequestPut(put("k", "v")),
            Request::RequestRange(range),
            Request::RequestTxn(inner),
        ],
        vec![],
    );
    let result = txn_result(replica.run(&outer));
    assert_eq!(replica.value("seen").as_deref(), Some(&b"before"[..]));
    // One revision for all of it, and the range sees the put before it.
    assert_eq!(replica.revision(), 2);
    let revisions: Vec<i64> = result.responses.iter().map(|op| op.revision).collect();
    assert_eq!(revisions, [2, 2, 2]);
    let Response::Range(range) = &result.responses[1].response else {
        panic!("not a range")
    };
    assert_eq!(range.kvs.len(), 1);
}

/// A transaction that fails half-way must leave no half.
#[test]
fn a_refused_txn_leaves_no_trace() {
    let mut replica = Replica::new();
    let leased = PutRequest {
        lease: 99,
        ..put("b", "2")
    };
    let refused = txn(
        vec![],
        vec![
            Request::RequestPut(put("a", "1")),
            Request::RequestPut(leased),
        ],
        vec![],
    );
    assert_eq!(replica.run(&refused).unwrap_err(), Rejected::LeaseNotFound);
    let future = RangeRequest {
        key: "a".into(),
        revision: 9,
        ..RangeRequest::default()
    };
    let refused = txn(
        vec![],
        vec![
            Request::RequestPut(put("a", "1")),
            Request::RequestRange(future),
        ],
        vec![],
    );
    assert_eq!(replica.run(&refused).unwrap_err(), Rejected::FutureRevision);
    assert_eq!((replica.revision(), replica.value("a")), (1, None));
}

/// On a full disk puts must stop, and what frees space must go on.
#[test]
fn nospace_stops_what_costs_space() {
    let mut replica = Replica::new();
    replica
        .run(&InternalRaftRequest {
            put: Some(put("a", "1")),
            ..request(1)
        })
        .unwrap();
    let alarm = AlarmRequest {
        action: 1,
        member_id: 1,
        alarm: 1,
    };
    replica
        .run(&InternalRaftRequest {
            alarm: Some(alarm),
            ..request(1)
        })
        .unwrap();
    let put_again = InternalRaftRequest {
        put: Some(put("a", "1")),
        ..request(1)
    };
    assert_eq!(replica.run(&put_again).unwrap_err(), Rejected::NoSpace);
    // Any put in either branch counts, chosen or not.
    let with_put = txn(vec![], vec![], vec![Request::RequestPut(put("a", "1"))]);
    assert_eq!(replica.run(&with_put).unwrap_err(), Rejected::NoSpace);
    let delete = DeleteRangeRequest {
        key: "a".into(),
        ..DeleteRangeRequest::default()
    };
    replica
        .run(&InternalRaftRequest {
            delete_range: Some(delete),
            ..request(1)
        })
        .unwrap();
    assert_eq!(replica.value("a"), None);
}

fn any_request() -> impl Strategy<Value = InternalRaftRequest> {
    let key = prop::sample::select(vec!["a", "b", "c", "d"]);
    let any_put = (
        key.clone(),
        prop::sample::select(vec!["1", "2"]),
        0_i64..3,
        any::<bool>(),
    )
        .prop_map(|(key, value, lease, ignore_lease)| match ignore_lease {
            true => PutRequest {
                ignore_lease,
                ..put(key, value)
            },
            false => PutRequest {
                lease,
                ..put(key, value)
            },
        });
    let any_delete = (key, prop::sample::select(vec!["", "\0", "c"])).prop_map(|(key, end)| {
        DeleteRangeRequest {
            key: key.into(),
            range_end: end.into(),
            prev_kv: true,
        }
    });
    prop_oneof![
        4 => any_put.clone().prop_map(|put| InternalRaftRequest { put: Some(put), ..request(1) }),
        2 => any_delete.clone().prop_map(|delete_range| {
            InternalRaftRequest { delete_range: Some(delete_range), ..request(1) }
        }),
        2 => (any_put.clone(), any_delete, any_put).prop_map(|(first, delete, second)| {
            let ops = vec![
                Request::RequestPut(first),
                Request::RequestDeleteRange(delete),
                Request::RequestPut(second),
            ];
            txn(vec![], ops, vec![])
        }),
        1 => (1_i64..3).prop_map(|id| {
            let grant = LeaseGrantRequest { ttl: 10, id };
            InternalRaftRequest { lease_grant: Some(grant), ..request(1) }
        }),
        1 => (1_i64..3).prop_map(|id| {
            InternalRaftRequest { lease_revoke: Some(LeaseRevokeRequest { id }), ..request(1) }
        }),
        1 => (0_i64..30).prop_map(|revision| {
            let compaction = CompactionRequest { revision, physical: false };
            InternalRaftRequest { compaction: Some(compaction), ..request(1) }
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Members that apply the same log must agree, though each commits and crashes at other times.
    #[test]
    fn replicas_agree(
        log in prop::collection::vec((any_request(), 0_u8..8), 1..60),
    ) {
        let mut steady = Replica::new();
        let mut shaken = Replica::new();
        let mut applied = Vec::new();
        for (request, event) in &log {
            let index = applied.len() as u64 + 1;
            applied.push(request);
            let expected = steady.entry(index, request).applied.unwrap();
            let outcome = shaken.entry(index, request).applied.unwrap();
            prop_assert_eq!(format!("{:?}", outcome.result), format!("{:?}", expected.result));
            prop_assert_eq!(outcome.revision, expected.revision);
            match event {
                0 => shaken.commit(),
                1 => {
                    shaken = shaken.crash();
                    // The log is replayed from the beginning; what the store holds is skipped.
                    for (at, request) in applied.iter().enumerate() {
                        shaken.entry(at as u64 + 1, request);
                    }
                }
                _ => {}
            }
        }
        let hash = |replica: &Replica| replica.apply.reader().hash_kv(0).unwrap();
        prop_assert_eq!(hash(&steady), hash(&shaken));
        let leases = |replica: &Replica| replica.apply.reader().attached_leases();
        prop_assert_eq!(leases(&steady), leases(&shaken));
    }
}

/// A member that stays behind the version of its cluster would read what comes after in its own way:
/// it stops, and names the two versions.
#[test]
fn a_later_cluster_version_stops_the_member() {
    let mut replica = Replica::new();
    let version = |id, version: &str| InternalRaftRequest {
        cluster_version_set: Some(proto::membershippb::ClusterVersionSetRequest {
            ver: version.to_owned(),
        }),
        ..request(id)
    };
    replica.run(&version(1, "3.6.0")).unwrap();
    replica.run(&version(2, "3.7.9")).unwrap();
    let entry = Entry {
        term: Term(1),
        index: Index(3),
        data: version(3, "3.8.0").encode_to_vec().into(),
        ..Entry::default()
    };
    let fault = replica.apply.entry(&entry, Instant(Duration::ZERO), true);
    let text = fault.unwrap_err().to_string();
    assert!(text.contains("invalid downgrade"), "{text}");
    assert!(text.ends_with("3.7.1 is below 3.8.0"), "{text}");
}
