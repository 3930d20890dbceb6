//! The lease table as the apply side and the connections share it.

use std::sync::Arc;

use bytes::Bytes;
use lease::LeaseTable;
use parking_lot::{Mutex, MutexGuard};
use types::LeaseId;

use crate::kv::Leases;

/// The one lease table of a member.
///
/// Only the apply side grants, revokes, attaches and detaches; connections renew and look. The lock
/// guards the table alone and is held for one short operation at a time, never over I/O.
#[derive(Clone, Debug)]
pub struct SharedLeases(Arc<Mutex<LeaseTable>>);

impl SharedLeases {
    /// Shares a table.
    #[must_use]
    pub fn new(table: LeaseTable) -> Self {
        Self(Arc::new(Mutex::new(table)))
    }

    /// The table, for one short operation.
    pub fn lock(&self) -> MutexGuard<'_, LeaseTable> {
        self.0.lock()
    }
}

impl Leases for SharedLeases {
    fn exists(&self, lease: LeaseId) -> bool {
        self.lock().contains(lease)
    }

    fn attach(&mut self, key: Bytes, lease: LeaseId) {
        // The lease was checked before anything was written, and only this side revokes.
        let attached = self.lock().attach(key, lease);
        debug_assert!(attached.is_ok(), "a lease vanished while its key was put");
    }

    fn detach(&mut self, key: &[u8]) {
        self.lock().detach(key);
    }
}
