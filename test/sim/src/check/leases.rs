//! Leases: none ends before its time.
//!
//! A client that was told that its lease is alive may count on it for the time to live, measured from
//! before it asked, by the clock of whichever member ends the lease. Where leaders note for their
//! successors how long a lease has left, the time has passed by the clocks of several members: then
//! it is measured by a clock that is never behind any of them.

use std::collections::BTreeMap;

use types::RequestId;

use crate::network::Slot;
use crate::queue::{MS, SECOND, Time};
use crate::violation::{Checked, ensure};

/// All clocks at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moment {
    /// Of each member.
    pub(crate) clocks: Vec<Time>,
    /// As fast as the fastest.
    pub(crate) fastest: Time,
}

/// What clients were promised, and who ended it.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    is_shared: bool,
    promised: BTreeMap<i64, Promise>,
    /// Revocations that were proposed because the time was up.
    expiries: BTreeMap<RequestId, Expiry>,
    /// How each lease ended that was not revoked by a client.
    ended: BTreeMap<i64, Expiry>,
}

#[derive(Clone, Debug)]
struct Promise {
    ttl: i64,
    /// When a client asked for the last time.
    asked: Moment,
}

#[derive(Clone, Debug)]
struct Expiry {
    lease: i64,
    slot: Slot,
    at: Moment,
}

impl Leases {
    /// A checker for leaders that note for their successors what leases have left, or do not.
    pub(crate) fn new(is_shared: bool) -> Self {
        Self {
            is_shared,
            ..Self::default()
        }
    }

    /// A client was told that a lease lives; it had asked at that moment.
    pub(crate) fn promised(&mut self, lease: i64, ttl: i64, asked: &Moment) -> Checked {
        let promise = self.promised.entry(lease).or_insert_with(|| Promise {
            ttl,
            asked: asked.clone(),
        });
        // Clocks never go back.
        if asked.fastest > promise.asked.fastest {
            promise.asked = asked.clone();
        }
        match self.ended.get(&lease) {
            Some(expiry) => check(self.is_shared, promise, expiry),
            None => Ok(()),
        }
    }

    /// A member proposes to end a lease because its time is up.
    pub(crate) fn expires(&mut self, id: RequestId, lease: i64, slot: Slot, at: &Moment) {
        let at = at.clone();
        self.expiries.insert(id, Expiry { lease, slot, at });
    }

    /// The revocation with this id is applied.
    pub(crate) fn revoked(&mut self, id: RequestId) -> Checked {
        let Some(expiry) = self.expiries.get(&id) else {
            return Ok(());
        };
        self.ended.insert(expiry.lease, expiry.clone());
        match self.promised.get(&expiry.lease) {
            Some(promise) => check(self.is_shared, promise, expiry),
            None => Ok(()),
        }
    }
}

fn check(is_shared: bool, promise: &Promise, expiry: &Expiry) -> Checked {
    let clock = |moment: &Moment| match is_shared {
        true => moment.fastest,
        false => moment.clocks.get(expiry.slot).copied().unwrap_or(0),
    };
    let until = clock(&promise.asked) + promise.ttl.unsigned_abs() * SECOND;
    let ended = clock(&expiry.at);
    // Deadlines are kept in whole milliseconds.
    ensure(ended + MS >= until, "leases live their time", || {
        format!(
            "member {} ends lease {:x} at {} ms, but it was promised until {} ms",
            expiry.slot,
            expiry.lease,
            ended / MS,
            until / MS
        )
    })
}
