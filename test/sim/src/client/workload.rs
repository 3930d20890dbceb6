//! What clients want.

use bytes::Bytes;
use mvcc::RangeQuery;
use proto::etcdserverpb::alarm_request::AlarmAction;
use proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{
    AlarmRequest, AlarmType, CompactionRequest, Compare, DeleteRangeRequest, InternalRaftRequest,
    LeaseGrantRequest, LeaseRevokeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest,
};
use types::{KeyRange, LeaseId};

use super::govern;
use crate::random::Random;
use crate::sim::{Ask, bytes};

/// How many questions of a run with users are about these.
const GOVERN_PERCENT: u64 = 10;

/// What clients have learned together.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) revision: i64,
    /// Leases with their times to live.
    pub(crate) leases: Vec<(LeaseId, i64)>,
    /// How many of the first changes of users have been asked for.
    pub(super) governed: usize,
    values: u64,
    grants: i64,
}

/// Draws questions.
#[derive(Debug)]
pub(crate) struct Workload {
    pub(crate) keys: u64,
    pub(crate) has_users: bool,
    pub(crate) ttl_seconds: (i64, i64),
}

impl Workload {
    /// The next question of any client.
    pub(crate) fn next(&self, known: &mut Known, random: &mut Random) -> Ask {
        if self.has_users && random.percent(GOVERN_PERCENT) {
            return govern::request(known, random);
        }
        match random.below(100) {
            0..30 => write(|request| request.put = Some(self.put(known, random))),
            30..38 => write(|request| request.delete_range = Some(self.delete(random))),
            38..52 => write(|request| request.txn = Some(self.txn(known, random))),
            52..68 => Ask::Range(self.query(0, random), true),
            68..78 => {
                let revision = random.between(1, known.revision.unsigned_abs() + 2);
                let query = self.query(revision.cast_signed(), random);
                Ask::Range(query, random.percent(50))
            }
            78..84 => Ask::Range(self.query(0, random), false),
            84..86 => {
                let back = random.below(30).cast_signed();
                let revision = (known.revision - back).max(1);
                write(|request| {
                    request.compaction = Some(CompactionRequest {
                        revision,
                        physical: false,
                    })
                })
            }
            86..90 => write(|request| request.lease_grant = Some(self.grant(known, random))),
            90..97 => Ask::KeepAlive(lease(known, random)),
            97..98 => {
                let id = lease(known, random).0;
                write(|request| request.lease_revoke = Some(LeaseRevokeRequest { id }))
            }
            98 => write(|request| request.alarm = Some(alarm(random))),
            _ => write(|request| {
                let mut put = self.put(known, random);
                put.lease = lease(known, random).0;
                request.put = Some(put);
            }),
        }
    }

    /// A put of a value that no other has.
    pub(crate) fn put(&self, known: &mut Known, random: &mut Random) -> PutRequest {
        known.values += 1;
        let padding = *random.pick(&[0, 0, 0, 10, 100, 700]);
        let mut put = PutRequest {
            key: self.key(random),
            value: bytes(format!("{}{}", known.values, "x".repeat(padding))),
            prev_kv: random.percent(30),
            ..PutRequest::default()
        };
        if random.percent(12) {
            put.lease = lease(known, random).0;
        }
        put
    }

    fn key(&self, random: &mut Random) -> Bytes {
        bytes(format!("k{:02}", random.below(self.keys)))
    }

    fn delete(&self, random: &mut Random) -> DeleteRangeRequest {
        let (key, range_end) = self.ends(random);
        DeleteRangeRequest {
            key,
            range_end,
            prev_kv: random.percent(50),
        }
    }

    /// The two ends of a range: mostly a single key.
    fn ends(&self, random: &mut Random) -> (Bytes, Bytes) {
        let key = self.key(random);
        match random.below(10) {
            0..7 => (key, Bytes::new()),
            7 => (key, self.key(random)),
            8 => (key, Bytes::from_static(b"\0")),
            _ => (Bytes::from_static(b"\0"), Bytes::from_static(b"\0")),
        }
    }

    /// A range of keys, for a read or a watch.
    pub(crate) fn range(&self, random: &mut Random) -> KeyRange {
        let (key, end) = self.ends(random);
        let range = KeyRange::new(key, end).unwrap_or(KeyRange::All);
        // Nobody may watch a range that can hold nothing.
        if range.is_empty() {
            return KeyRange::All;
        }
        range
    }

    fn query(&self, revision: i64, random: &mut Random) -> RangeQuery {
        RangeQuery {
            revision,
            limit: if random.percent(20) {
                random.below(4).cast_signed()
            } else {
                0
            },
            keys_only: random.percent(10),
            count_only: random.percent(10),
            ..RangeQuery::of(self.range(random))
        }
    }

    fn grant(&self, known: &mut Known, random: &mut Random) -> LeaseGrantRequest {
        let (low, high) = self.ttl_seconds;
        known.grants += 1;
        LeaseGrantRequest {
            id: 1000 + known.grants,
            ttl: low + random.below((high - low + 1).unsigned_abs()).cast_signed(),
        }
    }

    /// Compares, and operations on keys of which none comes twice.
    fn txn(&self, known: &mut Known, random: &mut Random) -> TxnRequest {
        let compares = random.below(3);
        TxnRequest {
            compare: (0..compares).map(|_| self.compare(known, random)).collect(),
            success: self.branch(known, random),
            failure: self.branch(known, random),
        }
    }

    fn branch(&self, known: &mut Known, random: &mut Random) -> Vec<RequestOp> {
        let mut keys = std::collections::BTreeSet::new();
        let count = random.below(4);
        let mut ops = Vec::new();
        for _ in 0..count {
            let mut put = self.put(known, random);
            if !keys.insert(put.key.clone()) {
                continue;
            }
            let request = match random.below(10) {
                0..5 => {
                    put.prev_kv = random.percent(30);
                    Request::RequestPut(put)
                }
                5..8 => Request::RequestDeleteRange(DeleteRangeRequest {
                    key: put.key,
                    range_end: Bytes::new(),
                    prev_kv: random.percent(50),
                }),
                _ => Request::RequestRange(RangeRequest {
                    key: put.key,
                    ..RangeRequest::default()
                }),
            };
            ops.push(RequestOp {
                request: Some(request),
            });
        }
        ops
    }

    fn compare(&self, known: &Known, random: &mut Random) -> Compare {
        let near = (known.revision - random.below(10).cast_signed()).max(0);
        let (target, union) = match random.below(4) {
            0 => {
                let version = random.below(3).cast_signed();
                (CompareTarget::Version, TargetUnion::Version(version))
            }
            1 => (CompareTarget::Create, TargetUnion::CreateRevision(near)),
            2 => (CompareTarget::Mod, TargetUnion::ModRevision(near)),
            _ => {
                let value = bytes(random.below(known.values + 1).to_string());
                (CompareTarget::Value, TargetUnion::Value(value))
            }
        };
        let results = [
            CompareResult::Equal,
            CompareResult::Greater,
            CompareResult::Less,
            CompareResult::NotEqual,
        ];
        Compare {
            result: (*random.pick(&results)).into(),
            target: target.into(),
            key: self.key(random),
            target_union: Some(union),
            ..Compare::default()
        }
    }
}

/// The alarm for want of space of one of two members, lowered more often than raised.
fn alarm(random: &mut Random) -> AlarmRequest {
    let action = match random.percent(30) {
        true => AlarmAction::Activate,
        false => AlarmAction::Deactivate,
    };
    AlarmRequest {
        action: action.into(),
        member_id: random.between(1, 2),
        alarm: AlarmType::Nospace.into(),
    }
}

/// A request for the log.
pub(crate) fn write(fill: impl FnOnce(&mut InternalRaftRequest)) -> Ask {
    let mut request = InternalRaftRequest::default();
    fill(&mut request);
    Ask::Write(Box::new(request))
}

/// One of the newest leases, or one that never was.
fn lease(known: &Known, random: &mut Random) -> LeaseId {
    let newest = known.leases.len().saturating_sub(6);
    match &known.leases[newest..] {
        [] => LeaseId(7),
        _ if random.percent(3) => LeaseId(7),
        leases => random.pick(leases).0,
    }
}
