//! The store as it is meant to be: a list of versions for each key, and nothing clever.

use std::collections::{BTreeMap, BTreeSet};

use apply::Rejected;
use bytes::Bytes;
use mvcc::{RangeQuery, RangeResult};
use proto::etcdserverpb::alarm_request::AlarmAction;
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{
    AlarmRequest, DeleteRangeRequest, InternalRaftRequest, PutRequest, RequestOp, TxnRequest,
};
use types::{KeyRange, LeaseId, Record};

use super::auth::Auth;
use super::reply::Reply;

/// What a key was from some revision on.
#[derive(Clone, Debug)]
struct Version {
    main: i64,
    /// None when it was deleted.
    record: Option<Record>,
}

/// One change of one key, as watchers should hear of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Happened {
    pub(crate) key: Bytes,
    /// The record put; none for a deletion.
    pub(crate) record: Option<Record>,
    /// What was there before.
    pub(crate) previous: Option<Record>,
}

#[derive(Clone, Debug)]
struct Lease {
    ttl: i64,
    keys: BTreeSet<Bytes>,
}

/// The whole state.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) revision: i64,
    pub(crate) compacted: i64,
    ttl_seconds_min: i64,
    keys: BTreeMap<Bytes, Vec<Version>>,
    events: BTreeMap<i64, Vec<Happened>>,
    leases: BTreeMap<i64, Lease>,
    /// Members without space, as far as the alarms say.
    without_space: BTreeSet<u64>,
    pub(super) auth: Auth,
}

/// A transaction under way: what it has changed so far.
#[derive(Debug)]
pub(crate) struct Work<'a> {
    pub(crate) model: &'a mut Model,
    happened: Vec<Happened>,
}

impl Model {
    pub(crate) fn new(ttl_seconds_min: i64) -> Self {
        Self {
            revision: 1,
            compacted: -1,
            ttl_seconds_min,
            keys: BTreeMap::new(),
            events: BTreeMap::new(),
            leases: BTreeMap::new(),
            without_space: BTreeSet::new(),
            auth: Auth::default(),
        }
    }

    /// What the next request of the log answers.
    pub(crate) fn apply(&mut self, request: &InternalRaftRequest) -> Option<Reply> {
        if let Some(alarm) = &request.alarm {
            self.alarm(alarm);
            return None;
        }
        if !self.without_space.is_empty() && needs_space(request) {
            return Some(Reply::Rejected(Rejected::NoSpace));
        }
        if let Err(rejected) = self.permit(request) {
            return Some(Reply::Rejected(rejected));
        }
        let outcome = if let Some(put) = &request.put {
            self.work(|work| work.put(put))
        } else if let Some(delete) = &request.delete_range {
            self.work(|work| work.delete_range(delete))
        } else if let Some(txn) = &request.txn {
            self.work(|work| work.txn(txn))
        } else if let Some(compaction) = &request.compaction {
            self.compact(compaction.revision)
        } else if let Some(grant) = &request.lease_grant {
            self.grant(grant.id, grant.ttl)
        } else if let Some(revoke) = &request.lease_revoke {
            self.revoke(revoke.id)
        } else if request.lease_checkpoint.is_some() {
            Ok(Reply::Done)
        } else {
            let changed = self.auth.apply(request)?;
            changed.map(|()| Reply::Done).map_err(Rejected::Auth)
        };
        Some(outcome.unwrap_or_else(Reply::Rejected))
    }

    fn work(
        &mut self,
        f: impl FnOnce(&mut Work<'_>) -> Result<Reply, Rejected>,
    ) -> Result<Reply, Rejected> {
        let mut work = Work {
            model: self,
            happened: Vec::new(),
        };
        let reply = f(&mut work);
        let happened = work.happened;
        if !happened.is_empty() {
            self.revision += 1;
            self.events.insert(self.revision, happened);
        }
        reply
    }

    fn alarm(&mut self, alarm: &AlarmRequest) {
        match AlarmAction::try_from(alarm.action) {
            Ok(AlarmAction::Activate) => {
                self.without_space.insert(alarm.member_id);
            }
            Ok(AlarmAction::Deactivate) => {
                self.without_space.remove(&alarm.member_id);
            }
            _ => {}
        }
    }

    fn compact(&mut self, revision: i64) -> Result<Reply, Rejected> {
        if revision <= self.compacted {
            return Err(Rejected::Compacted);
        }
        if revision > self.revision {
            return Err(Rejected::FutureRevision);
        }
        self.compacted = revision;
        Ok(Reply::Compaction)
    }

    fn grant(&mut self, id: i64, ttl: i64) -> Result<Reply, Rejected> {
        if self.leases.contains_key(&id) {
            return Err(Rejected::LeaseExists);
        }
        let ttl = ttl.max(self.ttl_seconds_min);
        let keys = BTreeSet::new();
        self.leases.insert(id, Lease { ttl, keys });
        Ok(Reply::Grant(id, ttl))
    }

    fn revoke(&mut self, id: i64) -> Result<Reply, Rejected> {
        let lease = self.leases.remove(&id).ok_or(Rejected::LeaseNotFound)?;
        self.work(|work| {
            for key in lease.keys {
                work.delete(&key);
            }
            Ok(Reply::Done)
        })
    }

    /// The leases that there are, with their times to live.
    pub(crate) fn leases(&self) -> impl Iterator<Item = (i64, i64)> {
        self.leases.iter().map(|(id, lease)| (*id, lease.ttl))
    }

    /// The keys that hang on a lease.
    pub(crate) fn keys_of(&self, lease: i64) -> impl Iterator<Item = &Bytes> {
        self.leases
            .get(&lease)
            .into_iter()
            .flat_map(|lease| &lease.keys)
    }

    pub(crate) fn has_lease(&self, id: i64) -> bool {
        self.leases.contains_key(&id)
    }

    /// What happened in a range from one revision to another, each included.
    pub(crate) fn happened(
        &self,
        from: i64,
        to: i64,
    ) -> impl Iterator<Item = (i64, &Vec<Happened>)> {
        let to = to.max(from - 1);
        self.events
            .range(from..to.saturating_add(1))
            .map(|(revision, happened)| (*revision, happened))
    }

    /// The record of a key at a revision.
    pub(crate) fn record_at(&self, key: &[u8], revision: i64) -> Option<&Record> {
        let versions = self.keys.get(key)?;
        let version = versions.iter().rev().find(|v| v.main <= revision)?;
        version.record.as_ref()
    }

    /// The answer to a read at a revision, whatever was compacted.
    pub(crate) fn range(&self, query: &RangeQuery, revision: i64) -> RangeResult {
        let mut kvs = Vec::new();
        let mut count = 0;
        for key in self.keys.keys().filter(|key| query.range.contains(key)) {
            let Some(record) = self.record_at(key, revision) else {
                continue;
            };
            count += 1;
            if query.limit > 0 && count > query.limit {
                continue;
            }
            let mut record = record.clone();
            if query.keys_only {
                record.value = Bytes::new();
                record.lease = LeaseId::NONE;
            }
            kvs.push(record.encode());
        }
        if query.count_only {
            kvs.clear();
        }
        RangeResult {
            more: !query.count_only && query.limit > 0 && count > query.limit,
            kvs,
            count,
            revision: self.revision,
        }
    }
}

/// Whether a request is refused while there is no space: it may put something.
fn needs_space(request: &InternalRaftRequest) -> bool {
    let puts = |ops: &[RequestOp]| {
        ops.iter()
            .any(|op| matches!(op.request, Some(Request::RequestPut(_))))
    };
    let txn_puts = |txn: &TxnRequest| puts(&txn.success) || puts(&txn.failure);
    request.put.is_some()
        || request.lease_grant.is_some()
        || request.txn.as_ref().is_some_and(txn_puts)
}

impl Work<'_> {
    /// The record of a key as the transaction sees it.
    pub(crate) fn now(&self, key: &[u8]) -> Option<&Record> {
        self.model.record_at(key, i64::MAX)
    }

    pub(crate) fn put(&mut self, put: &PutRequest) -> Result<Reply, Rejected> {
        if put.lease != 0 && !self.model.leases.contains_key(&put.lease) {
            return Err(Rejected::LeaseNotFound);
        }
        let main = self.model.revision + 1;
        let previous = self.now(&put.key).cloned();
        let (created, version) = match &previous {
            Some(record) => (record.create_revision, record.version),
            None => (main, 0),
        };
        let record = Record {
            key: put.key.clone(),
            create_revision: created,
            mod_revision: main,
            version: version + 1,
            value: put.value.clone(),
            lease: LeaseId(put.lease),
        };
        self.detach(&put.key);
        if let Some(lease) = self.model.leases.get_mut(&put.lease) {
            lease.keys.insert(put.key.clone());
        }
        self.change(put.key.clone(), Some(record));
        let prev = previous.filter(|_| put.prev_kv);
        Ok(Reply::Put(prev.map(|record| record.encode())))
    }

    pub(crate) fn delete_range(&mut self, delete: &DeleteRangeRequest) -> Result<Reply, Rejected> {
        let range = KeyRange::new(delete.key.clone(), delete.range_end.clone())
            .map_err(|types::EmptyKey| Rejected::EmptyKey)?;
        let keys = self.model.keys.keys().filter(|key| range.contains(key));
        let keys: Vec<Bytes> = keys.cloned().collect();
        let deleted: Vec<Record> = keys.iter().filter_map(|key| self.delete(key)).collect();
        let count = deleted.len() as i64;
        let deleted = deleted.into_iter().filter(|_| delete.prev_kv);
        Ok(Reply::Delete(
            count,
            deleted.map(|record| record.encode()).collect(),
        ))
    }

    /// Deletes a key, if it is there.
    fn delete(&mut self, key: &Bytes) -> Option<Record> {
        let previous = self.now(key).cloned()?;
        self.detach(key);
        self.change(key.clone(), None);
        Some(previous)
    }

    fn detach(&mut self, key: &[u8]) {
        for lease in self.model.leases.values_mut() {
            lease.keys.remove(key);
        }
    }

    fn change(&mut self, key: Bytes, record: Option<Record>) {
        let previous = self.now(&key).cloned();
        let main = self.model.revision + 1;
        let versions = self.model.keys.entry(key.clone()).or_default();
        versions.push(Version {
            main,
            record: record.clone(),
        });
        self.happened.push(Happened {
            key,
            record,
            previous,
        });
    }
}
