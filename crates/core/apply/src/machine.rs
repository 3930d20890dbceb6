//! The machine: one entry at a time, in index order.

use std::sync::Arc;

use auth::{AuthState, Who};
use bytes::Bytes;
use cluster::Membership;
use lease::Instant;
use mvcc::{Reader, Writer};
use prost::Message;
use proto::etcdserverpb::{AlarmType, InternalRaftRequest};
use store::Bucket;
use types::{Entry, EntryKind, Index, LeaseId, RequestId, RevisionEvents};

use crate::alarm::Alarms;
use crate::auth_requests::{self, TokenChange};
use crate::kv::{self, Leases};
use crate::permit::Permit;
use crate::response::{Applied, Fault, Rejected, Response, Stop};
use crate::shared_leases::SharedLeases;
use crate::{cost, legacy, membership, txn};

/// What the machine is told once.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Most bytes of the store's files; `None` for no limit. Only remarked upon, never refused here.
    pub quota_bytes: Option<u64>,
}

/// Everything that the log decides: keys, leases, alarms, users and members.
#[derive(Debug)]
pub struct Apply {
    pub(crate) writer: Writer,
    pub(crate) leases: SharedLeases,
    pub(crate) alarms: Alarms,
    pub(crate) auth: AuthState,
    pub(crate) membership: Membership,
    options: Options,
    applied: Index,
    consistent: Index,
}

/// What one entry did.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The answer for whoever proposed the entry; none for entries without a request.
    pub applied: Option<Applied>,
    /// The events of the revision that the entry made.
    pub events: Option<Arc<RevisionEvents>>,
    /// The change that raft has to carry out, or to drop when it was refused.
    pub conf_change: Option<cluster::ConfChange>,
    /// Whether members, versions or the downgrade state changed.
    pub membership_changed: bool,
    /// Whether the set of alarms changed.
    pub alarms_changed: bool,
    /// Whether users, roles, or whether they matter, changed.
    pub auth_changed: bool,
    /// What happened to the tokens that members remember.
    pub tokens: Option<TokenChange>,
}

impl Apply {
    /// Takes over the state as it was loaded; `consistent` is the index that it includes.
    #[must_use]
    pub fn new(
        writer: Writer,
        leases: SharedLeases,
        alarms: Alarms,
        membership: Membership,
        consistent: Index,
        options: Options,
    ) -> Self {
        Self {
            writer,
            leases,
            alarms,
            auth: AuthState::default(),
            membership,
            options,
            applied: consistent,
            consistent,
        }
    }

    /// The same with users and roles as they were loaded; without them there are none.
    #[must_use]
    pub fn with_auth(self, auth: AuthState) -> Self {
        Self { auth, ..self }
    }

    /// The writing half of the store, for compaction and batches.
    pub fn writer(&mut self) -> &mut Writer {
        &mut self.writer
    }

    /// The reading half of the store.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.writer.reader()
    }

    /// The members as of the last entry.
    #[must_use]
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// The alarms as of the last entry.
    #[must_use]
    pub fn alarms(&self) -> &Alarms {
        &self.alarms
    }

    /// Users and roles as of the last entry.
    #[must_use]
    pub fn auth(&self) -> &AuthState {
        &self.auth
    }

    /// The last entry applied.
    #[must_use]
    pub fn applied(&self) -> Index {
        self.applied
    }

    /// Applies the next entry. `now` arms the deadlines of new leases; `events` says whether anybody
    /// watches, so that events need to be encoded.
    ///
    /// # Errors
    /// [`Fault`] when this member cannot go on; the entry then counts as not applied.
    pub fn entry(&mut self, entry: &Entry, now: Instant, events: bool) -> Result<Outcome, Fault> {
        if entry.index <= self.consistent {
            return Ok(self.skipped(entry));
        }
        let outcome = match entry.kind {
            EntryKind::Normal if entry.data.is_empty() => Outcome::default(),
            EntryKind::Normal => self.request(entry, now, events)?,
            EntryKind::ConfChange => self.conf_change(entry)?,
            EntryKind::ConfChangeV2 => {
                return Err(bad_entry(
                    entry,
                    "joint configuration changes are not used here",
                ));
            }
        };
        self.applied = entry.index;
        self.consistent = entry.index;
        self.writer.set_applied(entry.index, entry.term);
        Ok(outcome)
    }

    /// An entry whose effects the store already holds.
    fn skipped(&mut self, entry: &Entry) -> Outcome {
        self.applied = self.applied.max(entry.index);
        let conf_change = (entry.kind == EntryKind::ConfChange).then(membership::nothing);
        Outcome {
            conf_change,
            ..Outcome::default()
        }
    }

    fn request(&mut self, entry: &Entry, now: Instant, events: bool) -> Result<Outcome, Fault> {
        let request = InternalRaftRequest::decode(entry.data.clone())
            .or_else(|error| legacy::decode(&entry.data).ok_or(error))
            .map_err(|error| bad_entry(entry, &error.to_string()))?;
        let id = RequestId(match &request.header {
            Some(header) if request.id == 0 => header.id,
            _ => request.id,
        });
        let cost = cost_of(&request);
        let mut outcome = Outcome::default();
        let result = match self.dispatch(request, now, events, &mut outcome) {
            Ok(response) => Ok(response),
            Err(Stop::Rejected(rejected)) => Err(rejected),
            Err(Stop::Fault(fault)) => return Err(fault),
        };
        let over_quota = cost > 0 && result.is_ok() && self.is_over_quota(cost);
        let revision = self.writer.revision();
        outcome.applied = Some(Applied {
            id,
            index: entry.index,
            revision,
            result,
            over_quota,
        });
        Ok(outcome)
    }

    fn is_over_quota(&self, cost: u64) -> bool {
        self.options
            .quota_bytes
            .is_some_and(|quota| self.writer.size_bytes() + cost >= quota)
    }

    /// The gate of the alarms: CORRUPT stops what goes through the store, NOSPACE what costs space.
    fn gate(&self, request: &InternalRaftRequest) -> Result<(), Rejected> {
        let touches_store = request.put.is_some()
            || request.range.is_some()
            || request.delete_range.is_some()
            || request.txn.is_some()
            || request.compaction.is_some()
            || request.lease_grant.is_some()
            || request.lease_revoke.is_some();
        if touches_store && self.alarms.is_active(AlarmType::Corrupt) {
            return Err(Rejected::Corrupt);
        }
        if cost_of(request) > 0 && self.alarms.is_active(AlarmType::Nospace) {
            return Err(Rejected::NoSpace);
        }
        Ok(())
    }

    /// Whether the caller that the request's header names may do this, at this point of the log.
    fn permit(&self, request: &InternalRaftRequest) -> Result<(), Rejected> {
        let header = request.header.as_ref();
        let who = header.map_or(Who::default(), |header| Who {
            user: &header.username,
            revision: header.auth_revision,
        });
        let permit = Permit {
            auth: &self.auth,
            who,
            leases: &self.leases,
        };
        permit.request(request)
    }

    fn dispatch(
        &mut self,
        request: InternalRaftRequest,
        now: Instant,
        events: bool,
        outcome: &mut Outcome,
    ) -> Result<Response, Stop> {
        if !self.alarms.is_empty() {
            self.gate(&request)?;
        }
        self.permit(&request)?;
        if let Some(put) = request.put {
            self.with_txn(events, outcome, |txn, leases| kv::put(txn, leases, &put))
        } else if let Some(delete) = request.delete_range {
            self.with_txn(events, outcome, |txn, leases| {
                kv::delete_range(txn, leases, &delete)
            })
        } else if let Some(request) = request.txn {
            self.with_txn(events, outcome, |state, leases| {
                txn::apply(state, leases, &request)
            })
        } else if let Some(compaction) = request.compaction {
            self.compact(compaction.revision)
        } else if let Some(grant) = request.lease_grant {
            self.lease_grant(LeaseId(grant.id), grant.ttl, now)
        } else if let Some(revoke) = request.lease_revoke {
            self.lease_revoke(LeaseId(revoke.id), events, outcome)
        } else if let Some(checkpoint) = request.lease_checkpoint {
            for checkpoint in &checkpoint.checkpoints {
                self.lease_checkpoint(LeaseId(checkpoint.id), checkpoint.remaining_ttl, now);
            }
            Ok(Response::Done)
        } else if let Some(alarm) = request.alarm {
            let applied = self.alarms.apply(&alarm)?;
            if let Some((key, value)) = applied.change {
                self.writer.put_bucket(Bucket::Alarm, key, value);
                outcome.alarms_changed = true;
            }
            Ok(Response::Alarm(applied.alarms))
        } else {
            self.other_request(&request, outcome)
        }
    }

    /// Runs `f` in one transaction of the store and publishes what it changed.
    fn with_txn(
        &mut self,
        events: bool,
        outcome: &mut Outcome,
        f: impl FnOnce(&mut mvcc::Txn<'_>, &mut dyn Leases) -> Result<Response, Stop>,
    ) -> Result<Response, Stop> {
        let mut txn = self.writer.txn();
        let response = f(&mut txn, &mut self.leases);
        outcome.events = txn.commit(events).events;
        response
    }

    fn compact(&mut self, revision: i64) -> Result<Response, Stop> {
        self.writer.compact(revision).map_err(|error| match error {
            mvcc::CompactError::Compacted { .. } => Rejected::Compacted,
            mvcc::CompactError::Future { .. } => Rejected::FutureRevision,
        })?;
        Ok(Response::Compaction)
    }

    fn lease_grant(&mut self, id: LeaseId, ttl: i64, now: Instant) -> Result<Response, Stop> {
        let mut leases = self.leases.lock();
        let ttl = leases.grant(id, ttl, now).map_err(|error| match error {
            lease::GrantError::NotFound => Rejected::LeaseNotFound,
            lease::GrantError::TtlTooLarge { .. } => Rejected::LeaseTtlTooLarge,
            lease::GrantError::Exists { .. } => Rejected::LeaseExists,
        })?;
        let record = leases.record(id).map(|record| record.encode());
        drop(leases);
        self.writer.put_bucket(Bucket::Lease, lease_key(id), record);
        Ok(Response::LeaseGrant { id, ttl })
    }

    /// Deletes the lease and, in one revision, its keys in ascending order.
    fn lease_revoke(
        &mut self,
        id: LeaseId,
        events: bool,
        outcome: &mut Outcome,
    ) -> Result<Response, Stop> {
        let keys = self
            .leases
            .lock()
            .revoke(id)
            .map_err(|_| Rejected::LeaseNotFound)?;
        let mut txn = self.writer.txn();
        for key in keys {
            txn.delete_range(&types::KeyRange::Point(key));
        }
        outcome.events = txn.commit(events).events;
        self.writer.put_bucket(Bucket::Lease, lease_key(id), None);
        Ok(Response::Done)
    }

    fn lease_checkpoint(&mut self, id: LeaseId, remaining: i64, now: Instant) {
        let record = self.leases.lock().checkpoint(id, remaining, now);
        if let Some(record) = record {
            self.writer
                .put_bucket(Bucket::Lease, lease_key(id), Some(record.encode()));
        }
    }

    /// Requests about users and members.
    fn other_request(
        &mut self,
        request: &InternalRaftRequest,
        outcome: &mut Outcome,
    ) -> Result<Response, Stop> {
        let Some(applied) = auth_requests::apply(&mut self.auth, request, self.consistent) else {
            return self.cluster_request(request, outcome);
        };
        let applied = applied?;
        outcome.auth_changed = !applied.changes.is_empty();
        outcome.tokens = applied.tokens;
        for change in applied.changes {
            let bucket = match change.table {
                auth::Table::Auth => Bucket::Auth,
                auth::Table::Users => Bucket::AuthUsers,
                auth::Table::Roles => Bucket::AuthRoles,
            };
            self.writer.put_bucket(bucket, change.key, change.value);
        }
        Ok(applied.response)
    }

    fn cluster_request(
        &mut self,
        request: &InternalRaftRequest,
        outcome: &mut Outcome,
    ) -> Result<Response, Stop> {
        let changes = membership::apply_request(&mut self.membership, request)?;
        if request.cluster_version_set.is_some() {
            self.check_version()?;
        }
        outcome.membership_changed = !changes.is_empty();
        self.write_changes(changes);
        Ok(Response::Done)
    }

    /// A member that the cluster has left behind must not go on: it would apply what comes after in
    /// its own way.
    fn check_version(&self) -> Result<(), Fault> {
        let own = proto::limits::SERVER_VERSION.parse();
        let own: cluster::Version = own.unwrap_or(cluster::Version::minor(0, 0));
        Ok(self.membership.check_server(own)?)
    }

    fn conf_change(&mut self, entry: &Entry) -> Result<Outcome, Fault> {
        let change = cluster::ConfChange::decode(&entry.data)
            .map_err(|error| bad_entry(entry, &error.to_string()))?;
        let id = change.id;
        let applied = membership::apply_conf_change(&mut self.membership, &change);
        let (result, conf_change) = match applied {
            Ok(changes) => {
                self.write_changes(changes);
                (Ok(Response::Done), change)
            }
            Err(rejected) => (Err(rejected), membership::nothing()),
        };
        Ok(Outcome {
            membership_changed: result.is_ok(),
            applied: Some(Applied {
                id,
                index: entry.index,
                revision: self.writer.revision(),
                result,
                over_quota: false,
            }),
            conf_change: Some(conf_change),
            ..Outcome::default()
        })
    }

    fn write_changes(&mut self, changes: Vec<cluster::BucketChange>) {
        for change in changes {
            let bucket = match change.table {
                cluster::Table::Members => Bucket::Members,
                cluster::Table::MembersRemoved => Bucket::MembersRemoved,
                cluster::Table::Cluster => Bucket::Cluster,
            };
            self.writer.put_bucket(bucket, change.key, change.value);
        }
    }
}

fn cost_of(request: &InternalRaftRequest) -> u64 {
    if let Some(put) = &request.put {
        cost::of_put(put)
    } else if let Some(txn) = &request.txn {
        cost::of_txn(txn)
    } else if request.lease_grant.is_some() {
        proto::limits::LEASE_OVERHEAD_BYTES
    } else {
        0
    }
}

fn lease_key(id: LeaseId) -> Bytes {
    Bytes::copy_from_slice(&lease::LeaseRecord::key(id))
}

fn bad_entry(entry: &Entry, reason: &str) -> Fault {
    Fault::Entry {
        index: entry.index,
        reason: reason.to_owned(),
    }
}
