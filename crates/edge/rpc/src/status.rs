//! How a call ended, and how that is written into headers.

use std::{borrow::Cow, fmt::Write as _};

use http::{HeaderMap, HeaderName, HeaderValue};
use proto::error::{Code, Error};

pub(crate) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// The gRPC status of a call that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The code on the wire.
    pub code: Code,
    /// The text on the wire, before percent-encoding.
    pub message: Cow<'static, str>,
}

impl Status {
    /// A status of any code and text.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// The call's deadline passed, or the server's own for it.
    #[must_use]
    pub fn deadline_exceeded() -> Self {
        Self::new(Code::DeadlineExceeded, "context deadline exceeded")
    }

    /// The client went away.
    #[must_use]
    pub fn cancelled() -> Self {
        Self::new(Code::Cancelled, "context canceled")
    }

    /// The request's bytes are not the message that the method takes.
    #[must_use]
    pub fn undecodable() -> Self {
        Self::new(
            Code::Internal,
            "grpc: error unmarshalling request: proto: cannot parse invalid wire-format data",
        )
    }

    /// The method is registered but not built.
    #[must_use]
    pub fn unimplemented(service: &str, method: &str) -> Self {
        Self::new(
            Code::Unimplemented,
            format!("unknown method {method} for service {service}"),
        )
    }

    /// The trailers that say so.
    pub(crate) fn trailers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(3);
        self.write_to(&mut headers);
        headers
    }

    /// Adds `grpc-status` and `grpc-message`.
    pub(crate) fn write_to(&self, headers: &mut HeaderMap) {
        headers.insert(GRPC_STATUS, code_value(self.code));
        if let Ok(text) = HeaderValue::try_from(percent_encoded(&self.message)) {
            headers.insert(GRPC_MESSAGE, text);
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        Self::new(error.code(), error.text())
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.message)
    }
}

impl std::error::Error for Status {}

/// The trailers of a call that succeeded.
pub(crate) fn ok_trailers() -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(1);
    headers.insert(GRPC_STATUS, HeaderValue::from_static("0"));
    headers
}

fn code_value(code: Code) -> HeaderValue {
    HeaderValue::from(u16::from(code.number()))
}

/// Printable ASCII except `%` stays as it is; every other byte becomes `%XX`.
fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'%' | ..b' ' | 0x7f.. => {
                // Writing into a String cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
            _ => out.push(char::from(byte)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text with a line break or an umlaut would otherwise lose the whole header.
    #[test]
    fn texts_become_header_values() {
        assert_eq!(percent_encoded("a b\"c"), "a b\"c");
        assert_eq!(percent_encoded("100%\nü\u{7f}"), "100%25%0A%C3%BC%7F");
        let trailers = Status::from(Error::EmptyKey).trailers();
        assert_eq!(trailers["grpc-status"], "3");
        assert_eq!(trailers["grpc-message"], "etcdserver: key is not provided");
        assert_eq!(ok_trailers()["grpc-status"], "0");
    }
}
