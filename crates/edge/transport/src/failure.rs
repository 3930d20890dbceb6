//! Why talking to a peer has failed.

use std::error::Error;
use std::io;
use std::time::Duration;

use http::StatusCode;
use peer::FrameError;

use crate::client::ClientError;

/// Why a stream, a message or a snapshot has not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the member has no peer URL that can be used")]
    NoUrl,
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("the member refuses with status {status}: {text}")]
    Status { status: StatusCode, text: String },
    #[error("the member says that this one was removed from the cluster")]
    Removed,
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    #[error("the member is too old for this stream")]
    Unsupported,
    #[error("nothing came for {0:?}")]
    Silent(Duration),
    #[error("the member has closed the stream")]
    Closed,
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("the database of {len} bytes ends after {made}")]
    Cut { len: u64, made: u64 },
    #[error("the member takes no more")]
    Stalled,
}

impl Failure {
    /// A refusal in the words of the member.
    pub(crate) fn refusal(status: StatusCode, text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text).trim_end().to_owned();
        Self::Status { status, text }
    }

    /// Whether nobody listens at the URL, on a host that is there to say so.
    pub(crate) fn is_refused(&self) -> bool {
        match self {
            Self::Client(ClientError::Connect { source, .. }) => {
                source.kind() == io::ErrorKind::ConnectionRefused
            }
            _ => false,
        }
    }
}

/// What the answer to a post says.
pub(crate) fn posted(status: StatusCode, text: &[u8]) -> Result<(), Failure> {
    match status {
        StatusCode::NO_CONTENT => Ok(()),
        StatusCode::FORBIDDEN => Err(Failure::Removed),
        status => Err(Failure::refusal(status, text)),
    }
}

/// An error with what has caused it.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
