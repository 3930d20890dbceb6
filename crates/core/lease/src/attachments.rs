//! Which key hangs on which lease, both ways.
//!
//! Two trees for all leases together, instead of a set in every lease: with a million leases of
//! one key each, a set per lease would cost a whole tree node for one key.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use types::LeaseId;

#[derive(Debug, Default)]
pub(crate) struct Attachments {
    by_lease: BTreeSet<(LeaseId, Bytes)>,
    by_key: BTreeMap<Bytes, LeaseId>,
}

impl Attachments {
    pub(crate) fn attach(&mut self, key: Bytes, lease: LeaseId) {
        let before = self.by_key.insert(key.clone(), lease);
        if before == Some(lease) {
            return;
        }
        if let Some(before) = before {
            self.by_lease.remove(&(before, key.clone()));
        }
        self.by_lease.insert((lease, key));
    }

    pub(crate) fn detach(&mut self, key: &[u8]) -> LeaseId {
        let Some((key, lease)) = self.by_key.remove_entry(key) else {
            return LeaseId::NONE;
        };
        self.by_lease.remove(&(lease, key));
        lease
    }

    /// Detaches all keys of a lease; ascending.
    pub(crate) fn take(&mut self, lease: LeaseId) -> Vec<Bytes> {
        let keys: Vec<Bytes> = self.keys(lease).cloned().collect();
        for key in &keys {
            self.by_key.remove(key);
            self.by_lease.remove(&(lease, key.clone()));
        }
        keys
    }

    /// The keys of a lease, ascending.
    pub(crate) fn keys(&self, lease: LeaseId) -> impl Iterator<Item = &Bytes> {
        self.by_lease
            .range((lease, Bytes::new())..)
            .take_while(move |(id, _)| *id == lease)
            .map(|(_, key)| key)
    }

    pub(crate) fn lease(&self, key: &[u8]) -> LeaseId {
        self.by_key.get(key).copied().unwrap_or(LeaseId::NONE)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }
}
