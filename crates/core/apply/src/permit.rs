//! What a request may touch: one check for each kind of operation, used wherever it occurs.
//!
//! The same functions decide when an entry is applied and when a read is answered, for an operation
//! alone and inside transactions of any depth. A request's key and end become a
//! [`types::KeyRange`] here, once, and nothing else is ever asked about.

use auth::{Access, AuthError, AuthState, Who};
use bytes::Bytes;
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{
    DeleteRangeRequest, InternalRaftRequest, PutRequest, RangeRequest, RequestOp, TxnRequest,
};
use types::{KeyRange, LeaseId};

use crate::response::Rejected;
use crate::shared_leases::SharedLeases;

/// A caller in front of the state that decides what it may do.
#[derive(Clone, Copy, Debug)]
pub struct Permit<'a> {
    /// Users, roles and permissions.
    pub auth: &'a AuthState,
    /// Who asks.
    pub who: Who<'a>,
    /// Which keys hang on which lease.
    pub leases: &'a SharedLeases,
}

impl Permit<'_> {
    /// Whether a request of the log may be applied. Other kinds than these are decided at the door.
    ///
    /// # Errors
    /// As [`Permit::range`].
    pub fn request(&self, request: &InternalRaftRequest) -> Result<(), Rejected> {
        if !self.auth.is_enabled() {
            return Ok(());
        }
        if let Some(put) = &request.put {
            self.put(put)
        } else if let Some(range) = &request.range {
            self.range(range)
        } else if let Some(delete) = &request.delete_range {
            self.delete_range(delete)
        } else if let Some(txn) = &request.txn {
            self.txn(txn)
        } else if let Some(revoke) = &request.lease_revoke {
            self.lease_write(LeaseId(revoke.id))
        } else if is_administrative(request) {
            Ok(self.auth.check_admin(self.who)?)
        } else {
            Ok(())
        }
    }

    /// Whether a range may be read.
    ///
    /// # Errors
    /// [`Rejected::Auth`]; [`Rejected::EmptyKey`] for a request that names no key.
    pub fn range(&self, request: &RangeRequest) -> Result<(), Rejected> {
        self.keys(Access::Read, &request.key, &request.range_end)
    }

    /// Whether a key may be put: write access to it and to all that hangs on the lease, and read
    /// access to see what it replaces.
    ///
    /// # Errors
    /// As [`Permit::range`].
    pub fn put(&self, request: &PutRequest) -> Result<(), Rejected> {
        let point = Bytes::new();
        self.keys(Access::Write, &request.key, &point)?;
        // Who may not revoke a lease must not tie further keys to its end.
        self.lease_write(LeaseId(request.lease))?;
        if request.prev_kv {
            self.keys(Access::Read, &request.key, &point)?;
        }
        Ok(())
    }

    /// Whether a range may be deleted, and seen if it is to be returned.
    ///
    /// # Errors
    /// As [`Permit::range`].
    pub fn delete_range(&self, request: &DeleteRangeRequest) -> Result<(), Rejected> {
        self.keys(Access::Write, &request.key, &request.range_end)?;
        if request.prev_kv {
            self.keys(Access::Read, &request.key, &request.range_end)?;
        }
        Ok(())
    }

    /// Whether everything that a transaction might do is allowed: compares and both branches, at
    /// every depth.
    ///
    /// # Errors
    /// As [`Permit::range`].
    pub fn txn(&self, request: &TxnRequest) -> Result<(), Rejected> {
        for compare in &request.compare {
            self.keys(Access::Read, &compare.key, &compare.range_end)?;
        }
        let mut ops = request.success.iter().chain(&request.failure);
        ops.try_for_each(|op| self.operation(op))
    }

    fn operation(&self, op: &RequestOp) -> Result<(), Rejected> {
        match &op.request {
            Some(Request::RequestRange(range)) => self.range(range),
            Some(Request::RequestPut(put)) => self.put(put),
            Some(Request::RequestDeleteRange(delete)) => self.delete_range(delete),
            Some(Request::RequestTxn(txn)) => self.txn(txn),
            None => Ok(()),
        }
    }

    /// Whether a lease may be ended or kept alive: write access to every key that hangs on it. A
    /// lease without keys, or none, is anybody's.
    ///
    /// # Errors
    /// As [`Permit::range`].
    pub fn lease_write(&self, lease: LeaseId) -> Result<(), Rejected> {
        if lease.is_none() || self.auth.check_admin(self.who).is_ok() {
            return Ok(());
        }
        self.each(Access::Write, &self.keys_of(lease))
    }

    /// The keys that hang on a lease, all of which may be read.
    ///
    /// # Errors
    /// As [`Permit::range`].
    pub fn readable_keys(&self, lease: LeaseId) -> Result<Vec<Bytes>, Rejected> {
        let keys = self.keys_of(lease);
        self.each(Access::Read, &keys)?;
        Ok(keys)
    }

    /// Copied: the table is locked for one short operation at a time.
    fn keys_of(&self, lease: LeaseId) -> Vec<Bytes> {
        self.leases.lock().keys(lease).cloned().collect()
    }

    fn each(&self, access: Access, keys: &[Bytes]) -> Result<(), Rejected> {
        if self.auth.check_admin(self.who).is_ok() {
            return Ok(());
        }
        for key in keys {
            let key = KeyRange::Point(key.clone());
            self.auth.check(self.who, access, &key)?;
        }
        Ok(())
    }

    fn keys(&self, access: Access, key: &Bytes, range_end: &Bytes) -> Result<(), Rejected> {
        if !self.auth.is_enabled() {
            return Ok(());
        }
        let range = KeyRange::new(key.clone(), range_end.clone())
            .map_err(|types::EmptyKey| Rejected::EmptyKey)?;
        Ok(self.auth.check(self.who, access, &range)?)
    }
}

/// The requests that only administrators may make.
fn is_administrative(request: &InternalRaftRequest) -> bool {
    request.auth_enable.is_some()
        || request.auth_disable.is_some()
        || request.auth_user_add.is_some()
        || request.auth_user_delete.is_some()
        || request.auth_user_change_password.is_some()
        || request.auth_user_grant_role.is_some()
        || request.auth_user_revoke_role.is_some()
        || request.auth_role_add.is_some()
        || request.auth_role_delete.is_some()
        || request.auth_role_grant_permission.is_some()
        || request.auth_role_revoke_permission.is_some()
        || request.auth_user_list.is_some()
        || request.auth_role_list.is_some()
}

impl From<AuthError> for Rejected {
    fn from(error: AuthError) -> Self {
        Self::Auth(error)
    }
}
