//! What a handler learns about a call beside its message.

use std::{fmt, rc::Rc, str};

use http::HeaderMap;
use tokio::time::Instant;

use crate::{drain::Drain, notes::Notes, peer::Peer};

/// A method: its place in the handler's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MethodId(pub u16);

/// A metadata value that has to be text is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("metadata {key} is not text")]
pub struct InvalidMetadata {
    /// The metadata key.
    pub key: &'static str,
}

/// One gRPC call.
pub struct Call {
    /// Which method is called.
    pub method: MethodId,
    pub(crate) headers: HeaderMap,
    pub(crate) peer: Rc<Peer>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) drain: Drain,
    /// Those of the call that the client made, and whether this one is made on its behalf.
    pub(crate) notes: Option<Rc<Notes>>,
    pub(crate) is_inner: bool,
}

impl Call {
    /// Keeps notes of this call from now on.
    pub fn take_notes(&mut self) -> Rc<Notes> {
        Rc::clone(self.notes.get_or_insert_default())
    }

    /// The notes of this call, if somebody wants them.
    #[must_use]
    pub fn notes(&self) -> Option<&Rc<Notes>> {
        self.notes.as_ref()
    }

    /// Whether another call makes this one, for its own caller.
    #[must_use]
    pub fn is_inner(&self) -> bool {
        self.is_inner
    }

    /// A call of another method for the same caller: with its metadata, its deadline and so its rights.
    #[must_use]
    pub fn for_method(&self, method: MethodId) -> Self {
        Self {
            method,
            headers: self.headers.clone(),
            peer: Rc::clone(&self.peer),
            deadline: self.deadline,
            drain: self.drain.clone(),
            notes: self.notes.clone(),
            is_inner: true,
        }
    }

    /// Returns once the server stops: unary calls that wait for others end then.
    pub async fn stopped(&self) {
        self.drain.clone().started().await;
    }

    /// The auth token: `token`, else `authorization`, without a `Bearer ` prefix.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        let given = self.headers.get("token");
        let given = given.or_else(|| self.headers.get("authorization"))?;
        // What is not text is a token as well, and nobody's.
        let value = given.to_str().unwrap_or_default();
        Some(value.strip_prefix("Bearer ").unwrap_or(value))
    }

    /// Whether the client wants to be refused when there is no leader.
    #[must_use]
    pub fn requires_leader(&self) -> bool {
        self.headers
            .get("hasleader")
            .is_some_and(|value| value == "true")
    }

    /// The version that the client says it speaks.
    ///
    /// # Errors
    /// [`InvalidMetadata`] when it is not UTF-8.
    pub fn client_api_version(&self) -> Result<Option<&str>, InvalidMetadata> {
        const KEY: &str = "client-api-version";
        match self.headers.get(KEY) {
            None => Ok(None),
            Some(value) => match str::from_utf8(value.as_bytes()) {
                Ok(text) => Ok(Some(text)),
                Err(_) => Err(InvalidMetadata { key: KEY }),
            },
        }
    }

    /// Whether the REST gateway made this call, so that a client certificate names nobody.
    #[must_use]
    pub fn via_gateway(&self) -> bool {
        self.headers.contains_key("grpcgateway-accept")
    }

    /// A metadata value that is printable text.
    #[must_use]
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.headers.get(key)?.to_str().ok()
    }

    /// Who calls.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// When the client stops waiting.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Headers hold tokens: they are not for logs.
        f.debug_struct("Call")
            .field("method", &self.method)
            .field("peer", &self.peer)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
impl Call {
    /// A call for tests of what reads metadata.
    pub(crate) fn with_headers(headers: HeaderMap) -> Self {
        Self {
            method: MethodId(0),
            headers,
            peer: Rc::new(Peer::plain(crate::peer::PeerAddress::Unix)),
            deadline: None,
            drain: Drain::default(),
            notes: None,
            is_inner: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn call(pairs: &[(&'static str, &'static [u8])]) -> Call {
        let mut headers = HeaderMap::new();
        for (key, value) in pairs {
            headers.insert(*key, HeaderValue::from_bytes(value).unwrap());
        }
        Call::with_headers(headers)
    }

    /// A token read from the wrong place would lock clients out.
    #[test]
    fn metadata() {
        assert_eq!(call(&[("authorization", b"Bearer a")]).token(), Some("a"));
        let both = call(&[("token", b"b"), ("authorization", b"a")]);
        assert_eq!(both.token(), Some("b"));
        assert_eq!(call(&[]).token(), None);
        let unreadable = call(&[("token", b"\xff"), ("authorization", b"a")]);
        assert_eq!(unreadable.token(), Some(""), "no other identity instead");
        assert!(call(&[("hasleader", b"true")]).requires_leader());
        assert!(!call(&[("hasleader", b"false")]).requires_leader());
        assert!(
            call(&[("client-api-version", b"\xff")])
                .client_api_version()
                .is_err()
        );
        let version = call(&[("client-api-version", b"3.7")]);
        assert_eq!(version.client_api_version(), Ok(Some("3.7")));
    }
}
