//! Who calls: the one place that decides it, for every call on every path.
//!
//! A token names its user; without one, the common name of a verified client certificate does,
//! where the flags say so. A call that came through the REST gateway is never given the identity of
//! a certificate. While authentication is off everybody is nobody, and may do everything.
//!
//! The identity is tied to the auth revision at which it was found out: whatever is decided with it
//! later, here or when the log is applied, is refused if users or roles have changed in between.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use apply::{Permit, Rejected};
use auth::{AuthError, Who};
use proto::error::Error;
use rpc::{Call, Notes, Status};
use tokio::time::{Instant, sleep};

use super::{Services, error};
use crate::credentials::Verdict;

/// Pause between two looks at whether the entry that made a token is applied.
const APPLY_PAUSE: Duration = Duration::from_millis(5);

/// A caller.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity {
    user: Option<Arc<str>>,
    /// The auth revision that it speaks for; zero for nobody.
    revision: u64,
    /// Notes of the call, if somebody wants them.
    notes: Option<Rc<Notes>>,
}

impl Identity {
    /// What the log and the checks want to know.
    pub(crate) fn who(&self) -> Who<'_> {
        Who {
            user: self.user.as_deref().unwrap_or_default(),
            revision: self.revision,
        }
    }

    /// Notes of the call, if somebody wants them.
    pub(super) fn notes(&self) -> Option<&Rc<Notes>> {
        self.notes.as_ref()
    }

    pub(super) fn is_nobody(&self) -> bool {
        self.user.is_none()
    }
}

impl Services {
    /// Who makes this call.
    ///
    /// # Errors
    /// [`Error::InvalidAuthToken`].
    pub(super) async fn identify(&self, call: &Call) -> Result<Identity, Error> {
        let auth = self.engine().auth();
        let mut identity = Identity::default();
        if auth.is_enabled() {
            let revision = auth.revision();
            drop(auth);
            identity = self.identify_at(call, revision).await?;
        }
        if let Some(notes) = call.notes() {
            notes.set_user(identity.user.clone());
            identity.notes = Some(Rc::clone(notes));
        }
        Ok(identity)
    }

    async fn identify_at(&self, call: &Call, revision: u64) -> Result<Identity, Error> {
        let Some(token) = call.token() else {
            return Ok(Self::certified(call, revision));
        };
        match self.engine().credentials().verify(token) {
            Verdict::User(user, spoken_for) => Ok(Identity {
                user: Some(user),
                revision: spoken_for.unwrap_or(revision),
                notes: None,
            }),
            Verdict::After(index) => Box::pin(self.identify_after(index, token)).await,
            Verdict::Invalid => Err(Error::InvalidAuthToken),
        }
    }

    /// The owner of a token that another member may have given out just before.
    async fn identify_after(&self, index: u64, token: &str) -> Result<Identity, Error> {
        let deadline = Instant::now() + self.engine().limits().request_timeout;
        while self.engine().status().applied().0 < index {
            if Instant::now() >= deadline {
                return Err(Error::InvalidAuthToken);
            }
            sleep(APPLY_PAUSE).await;
        }
        let revision = self.engine().auth().revision();
        match self.engine().credentials().verify(token) {
            Verdict::User(user, spoken_for) => Ok(Identity {
                user: Some(user),
                revision: spoken_for.unwrap_or(revision),
                notes: None,
            }),
            Verdict::After(_) | Verdict::Invalid => Err(Error::InvalidAuthToken),
        }
    }

    /// The user that the client's certificate names. One without a name is a user that nobody made.
    fn certified(call: &Call, revision: u64) -> Identity {
        if call.via_gateway() {
            return Identity::default();
        }
        call.peer()
            .common_name()
            .map_or_else(Identity::default, |name| Identity {
                user: Some(name.into()),
                revision,
                notes: None,
            })
    }

    /// Refuses a caller whose rights do not suffice, as far as this member knows. The check also runs
    /// while everything is allowed: it may bring back what it looked at.
    pub(super) fn permit(
        &self,
        identity: &Identity,
        check: impl FnOnce(&Permit<'_>) -> Result<(), Rejected>,
    ) -> Result<(), Status> {
        let auth = self.engine().auth();
        let permit = Permit {
            auth: &auth,
            who: identity.who(),
            leases: self.engine().leases(),
        };
        check(&permit).map_err(error::rejected)
    }

    /// Refuses a caller who cannot administer.
    pub(super) fn permit_admin(&self, identity: &Identity) -> Result<(), Status> {
        let checked = self.engine().auth().check_admin(identity.who());
        checked.map_err(error::auth)
    }

    /// The same, after looking again at what this member may not have known yet.
    pub(super) async fn permit_admin_surely(&self, identity: &Identity) -> Result<(), Status> {
        if self.permit_admin(identity).is_ok() {
            return Ok(());
        }
        self.handle.linearizable().await?;
        self.permit_admin(identity)
    }

    /// Refuses nobody, while authentication is on.
    pub(super) fn permit_known(&self, identity: &Identity) -> Result<(), Status> {
        if identity.is_nobody() && self.engine().auth().is_enabled() {
            return Err(error::auth(AuthError::UserEmpty));
        }
        Ok(())
    }

    /// Refuses what was read under rights that have changed since they were checked.
    pub(super) fn still_permitted(&self, identity: &Identity) -> Result<(), Status> {
        let revision = identity.revision;
        if revision != 0 && revision != self.engine().auth().revision() {
            return Err(error::auth(AuthError::OldRevision));
        }
        Ok(())
    }

    /// Keeps nobody's requests out of the log, while authentication is on; what this member does
    /// not know yet is waited for first.
    pub(super) async fn permit_proposal(&self, identity: &Identity) -> Result<(), Status> {
        if self.permit_known(identity).is_ok() {
            return Ok(());
        }
        self.handle.linearizable().await?;
        self.permit_known(identity)
    }
}
