//! Why a call did not succeed.

use std::sync::Arc;

use proto::error::{Code, Error as Known};
use tonic::Status;

/// Why a call did not succeed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClientError {
    /// The member refused or failed, with one of the texts of etcd's table.
    #[error("{}", .0.text())]
    Server(Known),
    /// The member or the connection failed in another way.
    #[error("rpc error: code = {} desc = {message}", code.name())]
    Status {
        /// The gRPC code.
        code: Code,
        /// The gRPC message.
        message: String,
    },
    /// The handle's deadline passed.
    #[error("context deadline exceeded")]
    DeadlineExceeded {
        /// What stood in the way last, when no member could be reached.
        cause: Option<String>,
    },
    /// The caller gave up.
    #[error("context canceled")]
    Canceled,
    /// The set of endpoints is empty.
    #[error("etcdclient: no available endpoints")]
    NoEndpoints,
    /// The files for TLS are unusable.
    #[error("{0}")]
    Tls(Arc<tls::TlsError>),
    /// The token has bytes that a header cannot carry.
    #[error("the auth token is not printable ASCII")]
    Token,
    /// An answer lacks what the API promises.
    #[error("the answer of {method} lacks {what}")]
    Incomplete {
        /// The method that was called.
        method: &'static str,
        /// The missing part.
        what: &'static str,
    },
    /// The session's lease has run out.
    #[error("mutex: session is expired")]
    SessionExpired,
    /// The election was won by somebody else meanwhile.
    #[error("election: not leader")]
    NotLeader,
}

impl ClientError {
    /// The gRPC code, or the one that fits best.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Server(known) => known.code(),
            Self::Status { code, .. } => *code,
            Self::DeadlineExceeded { .. } => Code::DeadlineExceeded,
            Self::Canceled => Code::Cancelled,
            Self::NoEndpoints => Code::Unavailable,
            Self::Tls(_) | Self::Token => Code::InvalidArgument,
            Self::Incomplete { .. } => Code::Internal,
            Self::SessionExpired | Self::NotLeader => Code::Unknown,
        }
    }

    /// Whether this is the server's answer `known`.
    #[must_use]
    pub fn is(&self, known: Known) -> bool {
        match self {
            Self::Server(found) => *found == known,
            Self::Status { message, .. } => message == known.text(),
            _ => false,
        }
    }

    /// Whether a new token may help.
    pub(crate) fn wants_login(&self) -> bool {
        self.is(Known::UserEmpty)
            || self.is(Known::InvalidAuthToken)
            || self.is(Known::AuthOldRevision)
    }

    /// Whether a stream that ended so may be opened again.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self.code(), Code::Unavailable | Code::Internal) && !self.is(Known::NoLeader)
    }
}

impl From<Status> for ClientError {
    fn from(status: Status) -> Self {
        let code = code_of(status.code());
        let message = status.message();
        if let Some(text) = too_large(message) {
            let code = Code::ResourceExhausted;
            return Self::Status {
                code,
                message: text,
            };
        }
        // Clients tell errors apart by text; the code of the table counts, not the wire's.
        match Known::ALL.iter().find(|known| known.text() == message) {
            Some(Known::ContextDeadline) => Self::DeadlineExceeded { cause: None },
            Some(Known::ContextCanceled) => Self::Canceled,
            // Go's client does not know these texts, and prints the answer as it came.
            Some(Known::UnknownMethod | Known::NoPasswordUser | Known::VerifyOnlyKey) => {
                Self::Status {
                    code,
                    message: message.to_owned(),
                }
            }
            Some(known) => Self::Server(*known),
            None => Self::Status {
                code,
                message: message.to_owned(),
            },
        }
    }
}

/// The words of Go's gRPC library for an answer beyond the limit, instead of tonic's.
fn too_large(message: &str) -> Option<String> {
    let rest = message.strip_prefix("Error, decoded message length too large: found ")?;
    let (found, rest) = rest.split_once(" bytes, the limit is: ")?;
    let limit = rest.split_once(' ')?.0;
    Some(format!(
        "grpc: received message larger than max ({found} vs. {limit})"
    ))
}

fn code_of(code: tonic::Code) -> Code {
    let number = usize::try_from(i32::from(code)).unwrap_or_default();
    Code::ALL.get(number).copied().unwrap_or(Code::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scripts match the text after `Error:`, which is the bare text for etcd's own errors only.
    #[test]
    fn etcd_errors_print_their_text_and_others_their_code() {
        let known = Status::out_of_range("etcdserver: mvcc: required revision has been compacted");
        let known = ClientError::from(known);
        assert!(known.is(Known::Compacted));
        assert_eq!(
            known.to_string(),
            "etcdserver: mvcc: required revision has been compacted"
        );
        let other = ClientError::from(Status::unimplemented("unknown service x"));
        assert_eq!(
            other.to_string(),
            "rpc error: code = Unimplemented desc = unknown service x"
        );
        assert_eq!(other.code(), Code::Unimplemented);
        let large =
            "Error, decoded message length too large: found 28 bytes, the limit is: 5 bytes";
        assert_eq!(
            ClientError::from(Status::out_of_range(large)).to_string(),
            "rpc error: code = ResourceExhausted desc = grpc: received message larger than max \
             (28 vs. 5)"
        );
        let late = ClientError::from(Status::deadline_exceeded("context deadline exceeded"));
        assert!(matches!(late, ClientError::DeadlineExceeded { .. }));
    }

    /// A watch that reopens after a lost leader would hide the loss it was asked to report.
    #[test]
    fn a_missing_leader_ends_a_stream() {
        assert!(ClientError::from(Status::unavailable("transport")).is_passing());
        assert!(!ClientError::Server(Known::NoLeader).is_passing());
        assert!(!ClientError::Server(Known::PermissionDenied).is_passing());
    }
}
