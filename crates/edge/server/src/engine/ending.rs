//! The end of a member that ends by itself.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// Why a member ends without being asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It is not a member of the cluster any more, for ever.
    Removed,
    /// The process was asked to stop.
    Stopped,
}

/// Tells whoever waits that the member ends; the first reason stands. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Ending(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    end: Mutex<Option<End>>,
    changed: Condvar,
}

impl Ending {
    /// Why the member ends, if it does.
    #[must_use]
    pub fn get(&self) -> Option<End> {
        *self.0.end.lock()
    }

    /// Waits until the member ends.
    #[must_use]
    pub fn wait(&self) -> End {
        let mut end = self.0.end.lock();
        loop {
            match *end {
                Some(end) => return end,
                None => self.0.changed.wait(&mut end),
            }
        }
    }

    /// Waits until the member ends, for a while.
    #[must_use]
    pub fn wait_for(&self, time: Duration) -> Option<End> {
        let mut end = self.0.end.lock();
        if end.is_none() {
            let _ = self.0.changed.wait_for(&mut end, time);
        }
        *end
    }

    /// The member ends.
    pub fn set(&self, reason: End) {
        self.0.end.lock().get_or_insert(reason);
        self.0.changed.notify_all();
    }
}
