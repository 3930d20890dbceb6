//! What the user who made a request of the log must be allowed to.

use ::auth::AuthError;
use apply::Rejected;
use bytes::Bytes;
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{
    DeleteRangeRequest, InternalRaftRequest, PutRequest, RequestOp, TxnRequest,
};
use types::KeyRange;

use super::auth::Right;
use super::model::Model;

/// Who made a request, and how new the rights were by which its member let it pass.
struct Caller<'a> {
    user: &'a str,
    revision: u64,
}

impl Model {
    /// Why the request is refused, if its user may not make it at this point of the log.
    pub(super) fn permit(&self, request: &InternalRaftRequest) -> Result<(), Rejected> {
        if !self.auth.is_enabled {
            return Ok(());
        }
        let header = request.header.as_ref();
        let caller = &header.map_or(
            Caller {
                user: "",
                revision: 0,
            },
            |header| Caller {
                user: &header.username,
                revision: header.auth_revision,
            },
        );
        let mut about_users = self.auth.clone();
        if let Some(put) = &request.put {
            self.may_put(caller, put)
        } else if let Some(delete) = &request.delete_range {
            self.may_delete(caller, delete)
        } else if let Some(txn) = &request.txn {
            self.may_txn(caller, txn)
        } else if let Some(revoke) = &request.lease_revoke {
            self.may_end(caller, revoke.id)
        } else if about_users.apply(request).is_some() {
            Ok(self.auth.permits_all(caller.user)?)
        } else {
            Ok(())
        }
    }

    fn may(
        &self,
        caller: &Caller<'_>,
        right: Right,
        key: &Bytes,
        end: &Bytes,
    ) -> Result<(), Rejected> {
        let range = KeyRange::new(key.clone(), end.clone())
            .map_err(|types::EmptyKey| Rejected::EmptyKey)?;
        if caller.revision != 0 && caller.revision < self.auth.revision {
            return Err(Rejected::Auth(AuthError::OldRevision));
        }
        Ok(self.auth.permits(caller.user, right, &range)?)
    }

    fn may_put(&self, caller: &Caller<'_>, put: &PutRequest) -> Result<(), Rejected> {
        self.may(caller, Right::Write, &put.key, &Bytes::new())?;
        self.may_end(caller, put.lease)?;
        match put.prev_kv {
            true => self.may(caller, Right::Read, &put.key, &Bytes::new()),
            false => Ok(()),
        }
    }

    fn may_delete(&self, caller: &Caller<'_>, delete: &DeleteRangeRequest) -> Result<(), Rejected> {
        self.may(caller, Right::Write, &delete.key, &delete.range_end)?;
        match delete.prev_kv {
            true => self.may(caller, Right::Read, &delete.key, &delete.range_end),
            false => Ok(()),
        }
    }

    fn may_txn(&self, caller: &Caller<'_>, txn: &TxnRequest) -> Result<(), Rejected> {
        for compare in &txn.compare {
            self.may(caller, Right::Read, &compare.key, &compare.range_end)?;
        }
        let mut ops = txn.success.iter().chain(&txn.failure);
        ops.try_for_each(|op: &RequestOp| match &op.request {
            Some(Request::RequestPut(put)) => self.may_put(caller, put),
            Some(Request::RequestDeleteRange(delete)) => self.may_delete(caller, delete),
            Some(Request::RequestRange(range)) => {
                self.may(caller, Right::Read, &range.key, &range.range_end)
            }
            Some(Request::RequestTxn(_)) | None => Ok(()),
        })
    }

    /// Who ends a lease writes all of its keys.
    fn may_end(&self, caller: &Caller<'_>, lease: i64) -> Result<(), Rejected> {
        if self.auth.permits_all(caller.user).is_ok() {
            return Ok(());
        }
        let mut keys = self.keys_of(lease);
        keys.try_for_each(|key| self.may(caller, Right::Write, key, &Bytes::new()))
    }
}
