//! Who calls: nothing of one caller is ever given to another.

use std::time::Duration;

use client::{Caller, ClientError};
use rpc::Call;

/// How long a member is looked for before a call fails: another proxy may have better luck.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// A caller, as far as members can tell callers apart.
///
/// Members know callers behind a proxy by their tokens alone, and treat streams differently that
/// have to end without a leader. Whatever is shared between calls has this as a part of its key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Who {
    token: Option<Box<str>>,
    requires_leader: bool,
}

impl Who {
    pub(super) fn of(call: &Call) -> Self {
        Self {
            token: call.token().map(Into::into),
            requires_leader: call.requires_leader(),
        }
    }

    /// Whether members see nobody in particular.
    pub(super) fn is_nobody(&self) -> bool {
        self.token.is_none()
    }

    pub(super) fn requires_leader(&self) -> bool {
        self.requires_leader
    }

    pub(super) fn caller(&self) -> Result<Caller, ClientError> {
        Caller::new(self.token.as_deref(), self.requires_leader, PATIENCE)
    }
}
