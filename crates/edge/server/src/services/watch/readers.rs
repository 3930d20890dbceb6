//! Who reads a stream, and that it sends nothing that its reader may not see.
//!
//! Rights are asked for when a watcher is made, and again for all watchers of the stream whenever
//! users or roles have changed: a watcher whose range may no longer be read ends there, with the
//! reason. A token that has run out ends nothing: it has said whose stream this is.

use std::sync::Arc;

use auth::{Access, AuthError, AuthState, Who};
use proto::error::Error;
use rpc::Status;
use types::KeyRange;
use watch::{Create, Stream};

use super::super::error;
use super::super::identity::Identity;
use super::history::Store;
use crate::engine::Engine;

/// The reader of one stream. All calls of a stream carry the same token, so that there is one.
pub(super) struct Readers<'a> {
    engine: &'a Engine,
    /// Who it is, once that was found out; nobody before.
    user: Identity,
    /// The state that all watchers were last held against.
    seen: Arc<AuthState>,
}

impl<'a> Readers<'a> {
    pub(super) fn new(engine: &'a Engine) -> Self {
        Self {
            engine,
            user: Identity::default(),
            seen: Arc::clone(&engine.auth()),
        }
    }

    /// Why the caller may not have this watcher.
    pub(super) fn admit(
        &mut self,
        caller: Result<Identity, Error>,
        create: &Create,
    ) -> Option<String> {
        let caller = match caller {
            Ok(caller) => caller,
            Err(error) => return Some(reason(&error.into())),
        };
        let refused = refusal(&self.engine.auth(), caller.who(), &create.range());
        if !caller.is_nobody() {
            self.user = caller;
        }
        refused
    }

    /// Ends the watchers that have lost their right since they were last looked at.
    pub(super) fn recheck(&mut self, stream: &mut Stream, store: &Store<'_>) {
        let auth = self.engine.auth();
        if Arc::ptr_eq(&auth, &self.seen) {
            return;
        }
        self.seen = Arc::clone(&auth);
        let who = match self.user.who() {
            who if who.revision == 0 => who,
            // Whose stream it is does not grow old.
            who => Who {
                revision: auth.revision(),
                ..who
            },
        };
        stream.revoke(|range| refusal(&auth, who, range), store);
    }
}

fn refusal(auth: &AuthState, who: Who<'_>, range: &KeyRange) -> Option<String> {
    let refused = auth.check(who, Access::Read, range).err()?;
    Some(reason(&match refused {
        known @ (AuthError::UserEmpty | AuthError::OldRevision) => error::auth(known),
        _ => error::auth(AuthError::PermissionDenied),
    }))
}

/// A refusal as Go's gRPC library writes it, which clients compare with.
fn reason(status: &Status) -> String {
    format!(
        "rpc error: code = {} desc = {}",
        status.code.name(),
        status.message
    )
}
