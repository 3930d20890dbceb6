//! How the inner errors look to clients.

use apply::Rejected;
use auth::AuthError;
use mvcc::RangeError;
use proto::error::{Code, Error};
use rpc::Status;

/// A request that every member refuses.
pub(crate) fn rejected(rejected: Rejected) -> Status {
    Status::from(match rejected {
        Rejected::KeyNotFound => Error::KeyNotFound,
        Rejected::EmptyKey => Error::EmptyKey,
        Rejected::LeaseNotFound => Error::LeaseNotFound,
        Rejected::LeaseExists => Error::LeaseExist,
        Rejected::LeaseTtlTooLarge => Error::LeaseTTLTooLarge,
        Rejected::Compacted => Error::Compacted,
        Rejected::FutureRevision => Error::FutureRev,
        Rejected::NoSpace => Error::NoSpace,
        Rejected::Corrupt => Error::Corrupt,
        // An id that was used before counts as one that is not there, as in etcd.
        Rejected::MemberNotFound | Rejected::MemberRemoved => Error::MemberNotFound,
        Rejected::MemberExists => Error::MemberExist,
        Rejected::PeerUrlExists => Error::PeerURLExist,
        Rejected::MemberNotLearner => Error::MemberNotLearner,
        Rejected::LastVoter => Error::MemberNotEnoughStarted,
        Rejected::TooManyLearners => Error::TooManyLearners,
        Rejected::MemberBadUrls => Error::MemberBadURLs,
        Rejected::Auth(error) => return auth(error),
        Rejected::UnknownAlarmAction => return unknown_alarm_action(),
        Rejected::Unsupported => {
            return Status::new(Code::Unimplemented, "etcdserver: request is not supported");
        }
    })
}

/// What users and roles do not allow, or cannot be made to.
pub(crate) fn auth(error: AuthError) -> Status {
    Status::from(match error {
        AuthError::RootUserNotExist => Error::RootUserNotExist,
        AuthError::RootRoleNotExist => Error::RootRoleNotExist,
        AuthError::UserExists => Error::UserAlreadyExist,
        AuthError::UserEmpty => Error::UserEmpty,
        AuthError::UserNotFound => Error::UserNotFound,
        AuthError::RoleExists => Error::RoleAlreadyExist,
        AuthError::RoleNotFound => Error::RoleNotFound,
        AuthError::RoleEmpty => Error::RoleEmpty,
        AuthError::Failed => Error::AuthFailed,
        AuthError::PermissionNotGiven => Error::PermissionNotGiven,
        AuthError::PermissionDenied => Error::PermissionDenied,
        AuthError::RoleNotGranted => Error::RoleNotGranted,
        AuthError::PermissionNotGranted => Error::PermissionNotGranted,
        AuthError::NotEnabled => Error::AuthNotEnabled,
        AuthError::InvalidManagement => Error::InvalidAuthMgmt,
        AuthError::OldRevision => Error::AuthOldRevision,
        // It has no symbol in etcd's table.
        AuthError::NoPasswordUser => Error::NoPasswordUser,
    })
}

/// A read that has no answer. A broken store stops the member: what it does not find may have been
/// acknowledged.
pub(crate) fn range(error: RangeError) -> Status {
    match error {
        RangeError::Compacted { .. } => Error::Compacted.into(),
        RangeError::Future { .. } => Error::FutureRev.into(),
        RangeError::Fault(fault) => crate::engine::fatal("cannot read the store", &fault),
    }
}

/// Real servers die of it.
pub(crate) fn unknown_alarm_action() -> Status {
    Status::new(Code::InvalidArgument, "etcdserver: unknown alarm action")
}

/// The log answers each request with its own kind of response.
pub(crate) fn mismatched() -> Status {
    Status::new(
        Code::Internal,
        "etcdserver: response does not match its request",
    )
}

/// A failure of this server that is not the client's fault and does not endanger the data.
pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Status {
    let text = crate::engine::describe(error);
    tracing::warn!(error = text, "a call has failed");
    Status::new(Code::Unknown, format!("etcdserver: {text}"))
}
