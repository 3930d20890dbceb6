//! What a member answered, as it is told to the caller.

use client::ClientError;
use proto::error::{Code, Error};
use rpc::Status;

/// The status of a call that failed behind the proxy.
pub(super) fn status(error: ClientError) -> Status {
    match error {
        ClientError::Server(known) => known.into(),
        ClientError::Status { code, message } => Status::new(code, message),
        ClientError::DeadlineExceeded { .. } => Status::deadline_exceeded(),
        ClientError::Canceled => Status::cancelled(),
        ClientError::Token => Error::InvalidAuthToken.into(),
        other => Status::new(other.code(), other.to_string()),
    }
}

/// Whether a stream that ended so may be opened again without anybody noticing.
pub(super) fn is_passing(status: &Status) -> bool {
    matches!(status.code, Code::Unavailable | Code::Internal)
        && status.message != Error::NoLeader.text()
}
