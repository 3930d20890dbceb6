//! The table of leases: what is replicated, and the leader's deadlines beside it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use types::LeaseId;

use crate::attachments::Attachments;
use crate::queue::Queue;
use crate::record::LeaseRecord;
use crate::time::{Instant, Millis};

/// The longest TTL that a grant may ask for, in seconds; etcd's limit.
const TTL_SECONDS_MAX: i64 = 9_000_000_000;
/// How long an expired lease waits for its revoke to be applied before it is offered again.
const REOFFER_AFTER: Duration = Duration::from_secs(3);
/// From this many leases on, a new leader spreads expiries: fewer are revoked in a second anyway.
const SPREAD_FROM_LEASES: usize = 1000;
/// How many leases may then expire in any second; below what the leader can revoke in it.
const SPREAD_LEASES_PER_SECOND: usize = 750;

/// How a table is set up.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Shorter TTLs are raised to this many seconds: ceil(1.5 × election timeout). The raised TTL
    /// lands in stored bytes, so all members must agree on it.
    pub ttl_seconds_min: i64,
    /// How often the leader checkpoints what is left of a long lease; `None` when it does not.
    pub checkpoint_every: Option<Duration>,
}

impl Options {
    /// Options for an election timeout, without checkpoints.
    #[must_use]
    pub fn for_election_timeout(election: Duration) -> Self {
        let millis = u64::try_from(election.as_millis()).unwrap_or(u64::MAX / 4);
        let seconds = millis.saturating_mul(3).div_ceil(2000);
        Self {
            ttl_seconds_min: i64::try_from(seconds).unwrap_or(TTL_SECONDS_MAX),
            checkpoint_every: None,
        }
    }
}

/// Why a lease was not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// The id is zero, which means "no lease".
    #[error("lease id zero does not name a lease")]
    NotFound,
    /// The TTL is above nine billion seconds.
    #[error("lease ttl of {ttl} s is too large")]
    TtlTooLarge {
        /// What was asked for.
        ttl: i64,
    },
    /// The id is in use.
    #[error("lease {id} already exists")]
    Exists {
        /// The lease.
        id: LeaseId,
    },
}

/// There is no such lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("lease {0} not found")]
pub struct LeaseNotFound(pub LeaseId);

/// Why a lease was not renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenewError {
    /// There is no such lease.
    #[error("lease not found")]
    NotFound,
    /// Its time is up: wait until the revoke is applied, then answer as if it were not there.
    #[error("lease has expired and awaits its revoke")]
    Expired,
    /// This member is not the leader, so it does not know deadlines.
    #[error("not the primary of leases")]
    NotPrimary,
}

/// What a renewal did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewed {
    /// The TTL in seconds from now on.
    pub ttl: i64,
    /// A checkpoint of fewer seconds is stored: the leader must propose a checkpoint of zero.
    pub clears_checkpoint: bool,
}

/// How long a lease has to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeToLive {
    /// The granted TTL in seconds.
    pub granted: i64,
    /// Whole seconds left, zero when expired; `None` when this member is not primary.
    pub remaining: Option<i64>,
}

#[derive(Clone, Copy, Debug)]
struct Lease {
    ttl: i64,
    /// Seconds left at the last checkpoint; zero when there is none.
    remaining: i64,
    /// When it expires; NEVER on a member that is not primary.
    deadline: Millis,
    /// Where its entry is in the queue of deadlines; NEVER when it has none.
    queued: Millis,
    /// Where its entry is in the queue of checkpoints; NEVER when it has none.
    checkpoint: Millis,
    /// Whether a checkpoint may be on its way into the log.
    is_noted: bool,
}

/// All leases of a member and the keys attached to them.
#[derive(Debug)]
pub struct LeaseTable {
    options: Options,
    primary: bool,
    leases: BTreeMap<LeaseId, Lease>,
    deadlines: Queue,
    checkpoints: Queue,
    attachments: Attachments,
}

impl LeaseTable {
    /// An empty table of a member that is not primary.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            options,
            primary: false,
            leases: BTreeMap::new(),
            deadlines: Queue::default(),
            checkpoints: Queue::default(),
            attachments: Attachments::default(),
        }
    }

    /// Makes a lease and returns its effective TTL, which is never below the minimum.
    ///
    /// # Errors
    /// [`GrantError`]; the table is unchanged.
    pub fn grant(&mut self, id: LeaseId, ttl: i64, now: Instant) -> Result<i64, GrantError> {
        if id.is_none() {
            return Err(GrantError::NotFound);
        }
        if ttl > TTL_SECONDS_MAX {
            return Err(GrantError::TtlTooLarge { ttl });
        }
        if self.leases.contains_key(&id) {
            return Err(GrantError::Exists { id });
        }
        self.restore(id, ttl, 0);
        if self.primary {
            self.arm(id, Millis::from_instant(now));
        }
        Ok(ttl.max(self.options.ttl_seconds_min))
    }

    /// Puts back a lease from its stored record; it lives for ever until a promotion.
    pub fn restore(&mut self, id: LeaseId, ttl: i64, remaining: i64) {
        let lease = Lease {
            ttl: ttl.max(self.options.ttl_seconds_min),
            remaining,
            deadline: Millis::NEVER,
            queued: Millis::NEVER,
            checkpoint: Millis::NEVER,
            is_noted: false,
        };
        let before = self.leases.insert(id, lease);
        self.unqueue(id, before);
    }

    /// Removes a lease and returns the keys to delete, ascending; they are detached.
    ///
    /// # Errors
    /// [`LeaseNotFound`].
    pub fn revoke(&mut self, id: LeaseId) -> Result<Vec<Bytes>, LeaseNotFound> {
        let lease = self.leases.remove(&id).ok_or(LeaseNotFound(id))?;
        self.unqueue(id, Some(lease));
        Ok(self.attachments.take(id))
    }

    /// Stores what is left of a lease; returns the record to write, `None` for an unknown lease.
    ///
    /// Zero says that the lease was renewed. A leader that began before it came to this entry has
    /// counted with an older rest, so it gives the lease its whole life from `now`.
    pub fn checkpoint(&mut self, id: LeaseId, remaining: i64, now: Instant) -> Option<LeaseRecord> {
        let lease = self.leases.get_mut(&id)?;
        lease.remaining = remaining;
        if remaining == 0 {
            lease.is_noted = false;
            if self.primary {
                let whole = Millis::from_instant(now).plus_seconds(lease.ttl);
                lease.deadline = lease.deadline.max(whole);
            }
        }
        self.record(id)
    }

    /// The record to store for a lease.
    #[must_use]
    pub fn record(&self, id: LeaseId) -> Option<LeaseRecord> {
        let lease = self.leases.get(&id)?;
        Some(LeaseRecord {
            id,
            ttl: lease.ttl,
            remaining: lease.remaining,
        })
    }

    /// Attaches a key to a lease, and detaches it from the one before.
    ///
    /// The key is kept: it should not be a slice of a larger buffer.
    ///
    /// # Errors
    /// [`LeaseNotFound`]; the key stays where it is.
    pub fn attach(&mut self, key: Bytes, lease: LeaseId) -> Result<(), LeaseNotFound> {
        if !self.leases.contains_key(&lease) {
            return Err(LeaseNotFound(lease));
        }
        self.attachments.attach(key, lease);
        Ok(())
    }

    /// Detaches a key and returns the lease that it hung on, or none.
    pub fn detach(&mut self, key: &[u8]) -> LeaseId {
        self.attachments.detach(key)
    }

    /// The lease that a key is attached to, or none.
    #[must_use]
    pub fn key_lease(&self, key: &[u8]) -> LeaseId {
        self.attachments.lease(key)
    }

    /// The keys attached to a lease, ascending; empty for an unknown lease.
    pub fn keys(&self, id: LeaseId) -> impl Iterator<Item = &Bytes> {
        self.attachments.keys(id)
    }

    /// How many keys are attached to any lease.
    #[must_use]
    pub fn attached_keys(&self) -> usize {
        self.attachments.len()
    }

    /// Whether the lease exists.
    #[must_use]
    pub fn contains(&self, id: LeaseId) -> bool {
        self.leases.contains_key(&id)
    }

    /// How many leases there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.leases.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.leases.is_empty()
    }

    /// All leases, ordered by the time left and then by id; on a member that is not primary by id.
    #[must_use]
    pub fn list(&self) -> Vec<LeaseId> {
        let mut order: Vec<(Millis, LeaseId)> = self
            .leases
            .iter()
            .map(|(id, lease)| (lease.deadline, *id))
            .collect();
        order.sort_unstable();
        order.into_iter().map(|(_, id)| id).collect()
    }

    /// How long a lease has to live; `None` for an unknown lease.
    #[must_use]
    pub fn time_to_live(&self, id: LeaseId, now: Instant) -> Option<TimeToLive> {
        let lease = self.leases.get(&id)?;
        let now = Millis::from_instant(now);
        Some(TimeToLive {
            granted: lease.ttl,
            remaining: self.primary.then(|| lease.deadline.seconds_after(now)),
        })
    }

    /// Whether this member keeps the deadlines.
    #[must_use]
    pub fn is_primary(&self) -> bool {
        self.primary
    }

    /// Gives a lease its whole TTL again.
    ///
    /// # Errors
    /// [`RenewError`]; an expired lease is not saved, since its revoke may be on its way.
    pub fn renew(&mut self, id: LeaseId, now: Instant) -> Result<Renewed, RenewError> {
        if !self.primary {
            return Err(RenewError::NotPrimary);
        }
        let now = Millis::from_instant(now);
        let lease = self.leases.get_mut(&id).ok_or(RenewError::NotFound)?;
        if lease.deadline <= now {
            return Err(RenewError::Expired);
        }
        let renewed = Renewed {
            ttl: lease.ttl,
            // One that is still on its way says less than the lease has from now on, too.
            clears_checkpoint: lease.remaining > 0 || lease.is_noted,
        };
        // The replicated checkpoint stays until the proposed one is applied. The queue entry is
        // not after the old deadline, so it is found in time and moved then.
        lease.deadline = now.plus_seconds(lease.ttl).max(lease.deadline);
        self.schedule_checkpoint(id, now);
        Ok(renewed)
    }

    /// Leases whose time is up, earliest first, at most `limit`.
    ///
    /// Each is offered again three seconds later, until it is revoked.
    pub fn expired(&mut self, now: Instant, limit: usize) -> Vec<LeaseId> {
        let now = Millis::from_instant(now);
        let mut expired = Vec::new();
        while expired.len() < limit {
            let Some(id) = self.deadlines.pop_due(now) else {
                break;
            };
            let Some(lease) = self.leases.get_mut(&id) else {
                continue;
            };
            if lease.deadline <= now {
                expired.push(id);
                lease.queued = now.plus(REOFFER_AFTER);
            } else {
                lease.queued = lease.deadline;
            }
            self.deadlines.insert(lease.queued, id);
        }
        expired
    }

    /// When [`Self::expired`] may have something to say; a renewal can make this too early.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.next().map(Millis::to_instant)
    }

    /// Leases whose rest is worth storing, with the seconds left; at most `limit`.
    ///
    /// Each comes again after the interval, while more than the interval is left.
    pub fn checkpoints_due(&mut self, now: Instant, limit: usize) -> Vec<(LeaseId, i64)> {
        let now = Millis::from_instant(now);
        let mut due = Vec::new();
        while due.len() < limit {
            let Some(id) = self.checkpoints.pop_due(now) else {
                break;
            };
            let Some(lease) = self.leases.get_mut(&id) else {
                continue;
            };
            lease.checkpoint = Millis::NEVER;
            // Rounded up, or a new leader would end the lease before its time.
            let left = lease.deadline.seconds_until(now);
            if lease.deadline > now && left < lease.ttl {
                lease.is_noted = true;
                due.push((id, left));
            }
            self.schedule_checkpoint(id, now);
        }
        due
    }

    /// This member leads from now on: every lease gets its checkpointed rest, or else its whole
    /// TTL, and `extend` on top, since renewals may have been lost with the old leader.
    pub fn promote(&mut self, now: Instant, extend: Duration) {
        self.primary = true;
        let now = Millis::from_instant(now);
        let mut order: Vec<(Millis, LeaseId)> = self
            .leases
            .iter()
            .map(|(id, lease)| (now.plus_seconds(lease.left()).plus(extend), *id))
            .collect();
        order.sort_unstable();
        if order.len() >= SPREAD_FROM_LEASES {
            spread(&mut order);
        }
        for (deadline, id) in &order {
            if let Some(lease) = self.leases.get_mut(id) {
                lease.deadline = *deadline;
                lease.queued = *deadline;
                lease.checkpoint = Millis::NEVER;
            }
        }
        self.checkpoints.clear();
        for (_, id) in &order {
            self.schedule_checkpoint(*id, now);
        }
        self.deadlines.rebuild(order);
    }

    /// This member does not lead any more: its leases live for ever.
    pub fn demote(&mut self) {
        self.primary = false;
        self.deadlines.clear();
        self.checkpoints.clear();
        for lease in self.leases.values_mut() {
            lease.deadline = Millis::NEVER;
            lease.queued = Millis::NEVER;
            lease.checkpoint = Millis::NEVER;
        }
    }

    fn arm(&mut self, id: LeaseId, now: Millis) {
        if let Some(lease) = self.leases.get_mut(&id) {
            lease.deadline = now.plus_seconds(lease.left());
            lease.queued = lease.deadline;
            self.deadlines.insert(lease.queued, id);
        }
        self.schedule_checkpoint(id, now);
    }

    fn schedule_checkpoint(&mut self, id: LeaseId, now: Millis) {
        let (Some(every), Some(lease)) = (self.options.checkpoint_every, self.leases.get_mut(&id))
        else {
            return;
        };
        self.checkpoints.remove(lease.checkpoint, id);
        let at = now.plus(every);
        lease.checkpoint = if at < lease.deadline {
            at
        } else {
            Millis::NEVER
        };
        if lease.checkpoint != Millis::NEVER {
            self.checkpoints.insert(at, id);
        }
    }

    fn unqueue(&mut self, id: LeaseId, lease: Option<Lease>) {
        if let Some(lease) = lease {
            self.deadlines.remove(lease.queued, id);
            self.checkpoints.remove(lease.checkpoint, id);
        }
    }
}

impl Lease {
    /// What a new leader gives it, in seconds.
    fn left(&self) -> i64 {
        if self.remaining > 0 {
            self.remaining
        } else {
            self.ttl
        }
    }
}

/// Moves deadlines (sorted) later until no second holds more than the limit.
fn spread(order: &mut [(Millis, LeaseId)]) {
    for at in SPREAD_LEASES_PER_SECOND..order.len() {
        let earliest = order[at - SPREAD_LEASES_PER_SECOND].0.plus_seconds(1);
        order[at].0 = order[at].0.max(earliest);
    }
}

#[cfg(test)]
mod tests;
