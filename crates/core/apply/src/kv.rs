//! Puts and deletions, alone or inside a transaction, with what they do to leases.

use bytes::Bytes;
use mvcc::{RangeQuery, Txn};
use proto::etcdserverpb::{DeleteRangeRequest, PutRequest};
use types::{KeyRange, LeaseId};

use crate::response::{Rejected, Response, Stop};

/// What puts and deletions need of the lease table.
pub(crate) trait Leases {
    /// Whether the lease exists.
    fn exists(&self, lease: LeaseId) -> bool;
    /// The key now follows this lease, and no other.
    fn attach(&mut self, key: Bytes, lease: LeaseId);
    /// The key now follows no lease.
    fn detach(&mut self, key: &[u8]);
}

/// Puts one key.
pub(crate) fn put(
    state: &mut Txn<'_>,
    leases: &mut dyn Leases,
    request: &PutRequest,
) -> Result<Response, Stop> {
    if request.key.is_empty() {
        return Err(Rejected::EmptyKey.into());
    }
    let mut lease = LeaseId(request.lease);
    if !lease.is_none() && !leases.exists(lease) {
        return Err(Rejected::LeaseNotFound.into());
    }
    let mut value = request.value.clone();
    let mut prev = None;
    if request.prev_kv || request.ignore_value || request.ignore_lease {
        prev = state.record(&request.key)?;
    }
    if request.ignore_value || request.ignore_lease {
        let encoded = prev.as_ref().ok_or(Rejected::KeyNotFound)?;
        let record = crate::record::decoded(encoded)?;
        if request.ignore_value {
            value = record.value;
        }
        if request.ignore_lease {
            lease = record.lease;
        }
    }
    state.put(&request.key, &value, lease);
    if lease.is_none() {
        leases.detach(&request.key);
    } else {
        leases.attach(request.key.clone(), lease);
    }
    Ok(Response::Put {
        prev: prev.filter(|_| request.prev_kv),
    })
}

/// Deletes a range of keys.
pub(crate) fn delete_range(
    state: &mut Txn<'_>,
    leases: &mut dyn Leases,
    request: &DeleteRangeRequest,
) -> Result<Response, Stop> {
    let range = KeyRange::new(request.key.clone(), request.range_end.clone())
        .map_err(|types::EmptyKey| Rejected::EmptyKey)?;
    let prev = if request.prev_kv {
        state.range(&RangeQuery::of(range.clone()))?.kvs
    } else {
        Vec::new()
    };
    let deleted = state.delete_range(&range);
    for key in &deleted {
        leases.detach(key);
    }
    Ok(Response::DeleteRange {
        deleted: deleted.len() as i64,
        prev,
    })
}
