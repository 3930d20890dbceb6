//! How the program ends: exit codes, and the line that says why.

use client::ClientError;

/// Something failed.
pub(crate) const ERROR: u8 = 1;
/// The client could not be made, or a lease call failed.
pub(crate) const BAD_CONNECTION: u8 = 2;
/// The input on stdin, or the keys found, cannot be used.
pub(crate) const INVALID_INPUT: u8 = 3;
/// A flag's value names something that does not exist.
pub(crate) const BAD_FEATURE: u8 = 4;
/// The work was cut short.
pub(crate) const INTERRUPTED: u8 = 5;
/// The arguments do not fit together.
pub(crate) const BAD_ARGUMENTS: u8 = 128;

/// The end of a command that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exit {
    pub(crate) code: u8,
    /// What follows `Error: ` on stderr; nothing is printed without it.
    pub(crate) message: Option<String>,
    /// Why no member could be reached, for the log line before the message.
    pub(crate) unreachable: Option<String>,
}

impl Exit {
    pub(crate) fn new(code: u8, message: impl Into<String>) -> Self {
        Self {
            code,
            message: Some(message.into()),
            unreachable: None,
        }
    }

    /// An end whose reason is printed already.
    pub(crate) fn silent(code: u8) -> Self {
        Self {
            code,
            message: None,
            unreachable: None,
        }
    }

    pub(crate) fn error(message: impl Into<String>) -> Self {
        Self::new(ERROR, message)
    }

    pub(crate) fn bad_arguments(message: impl Into<String>) -> Self {
        Self::new(BAD_ARGUMENTS, message)
    }

    pub(crate) fn bad_feature(message: impl Into<String>) -> Self {
        Self::new(BAD_FEATURE, message)
    }

    /// The same end with another code.
    pub(crate) fn with_code(self, code: u8) -> Self {
        Self { code, ..self }
    }
}

impl From<ClientError> for Exit {
    fn from(error: ClientError) -> Self {
        let code = match &error {
            ClientError::NoEndpoints => BAD_CONNECTION,
            ClientError::Token => BAD_ARGUMENTS,
            _ => ERROR,
        };
        let unreachable = match &error {
            ClientError::DeadlineExceeded { cause } => cause.clone(),
            _ => None,
        };
        Self {
            code,
            message: Some(error.to_string()),
            unreachable,
        }
    }
}

impl From<std::io::Error> for Exit {
    fn from(error: std::io::Error) -> Self {
        Self::error(error.to_string())
    }
}
