//! Addresses of members as users write them: `host:port`, `http://…`, `unix://…`.

use std::fmt;

/// Why an address was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// The address has a scheme that nobody knows.
    #[error("endpoint {text:?} has an unknown scheme {scheme:?}")]
    Scheme {
        /// The address as it was given.
        text: String,
        /// What stands before `://`.
        scheme: String,
    },
    /// The address is empty or has no host, port or path.
    #[error("endpoint {text:?} is not host:port, http(s)://host:port or unix(s)://path")]
    Malformed {
        /// The address as it was given.
        text: String,
    },
}

/// Where one member listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    text: String,
    target: Target,
    security: Security,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// `host:port`.
    Tcp(String),
    /// The path of a socket.
    Unix(String),
}

/// Whether TLS is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Security {
    /// The scheme says no.
    Plain,
    /// The scheme says yes.
    Tls,
    /// There is no scheme: if the client is set up for it.
    Open,
}

impl Endpoint {
    /// Reads one address; surrounding blanks do not count.
    ///
    /// ```
    /// let endpoint = client::Endpoint::parse("http://127.0.0.1:2379").unwrap();
    /// assert_eq!(endpoint.uri(), "http://127.0.0.1:2379");
    /// ```
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let text = text.trim();
        let without_path = |rest: &str| tcp(rest.split(['/', '?', '#']).next().unwrap_or_default());
        let unix = |path: &str| (!path.is_empty()).then(|| Target::Unix(path.to_owned()));
        let (target, security) = match text.split_once("://") {
            None => (tcp(text), Security::Open),
            Some(("http", rest)) => (without_path(rest), Security::Plain),
            Some(("https", rest)) => (without_path(rest), Security::Tls),
            Some(("unix", path)) => (unix(path), Security::Plain),
            Some(("unixs", path)) => (unix(path), Security::Tls),
            Some((scheme, _)) => {
                let (text, scheme) = (text.to_owned(), scheme.to_owned());
                return Err(EndpointError::Scheme { text, scheme });
            }
        };
        let text = text.to_owned();
        match target {
            Some(target) => Ok(Self {
                text,
                target,
                security,
            }),
            None => Err(EndpointError::Malformed { text }),
        }
    }

    /// The address as the transport wants it: with a scheme and without a path after the port.
    #[must_use]
    pub fn uri(&self) -> String {
        let is_tls = self.security == Security::Tls;
        match &self.target {
            Target::Tcp(authority) if is_tls => format!("https://{authority}"),
            Target::Tcp(authority) => format!("http://{authority}"),
            Target::Unix(path) if is_tls => format!("unixs://{path}"),
            Target::Unix(path) => format!("unix://{path}"),
        }
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    pub(crate) fn security(&self) -> Security {
        self.security
    }

    /// The name that the member's certificate has to be valid for.
    pub(crate) fn server_name(&self) -> &str {
        let authority = match &self.target {
            Target::Tcp(authority) => authority,
            Target::Unix(path) => path.rsplit('/').next().unwrap_or(path),
        };
        authority
            .rsplit_once(':')
            .map_or(authority, |(host, _)| host)
    }
}

/// The address as it was given.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn tcp(authority: &str) -> Option<Target> {
    let (host, port) = authority.rsplit_once(':')?;
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let plain = !host.contains([':', '[', ']', '@', ' ']);
    if host.is_empty() || !(bracketed || plain) || port.parse::<u16>().is_err() {
        return None;
    }
    Some(Target::Tcp(authority.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_uri(text: &str, uri: &str) {
        assert_eq!(Endpoint::parse(text).unwrap().uri(), uri, "{text}");
    }

    /// A member written in any of etcd's forms must be reached.
    #[test]
    fn every_plain_form_is_read() {
        check_uri("127.0.0.1:2379", "http://127.0.0.1:2379");
        check_uri(" 127.0.0.1:2379 ", "http://127.0.0.1:2379");
        check_uri("http://a.example:1/", "http://a.example:1");
        check_uri("http://a.example:1/x?y", "http://a.example:1");
        check_uri("[::1]:2379", "http://[::1]:2379");
        check_uri("unix:///run/etcd.sock", "unix:///run/etcd.sock");
        check_uri("unix://localhost:m0", "unix://localhost:m0");
    }

    /// A certificate is checked against the name that the user wrote.
    #[test]
    fn names_for_certificates() {
        for (text, uri, name) in [
            ("https://a.example:1/", "https://a.example:1", "a.example"),
            ("https://[::1]:1", "https://[::1]:1", "[::1]"),
            ("unixs://localhost:m0", "unixs://localhost:m0", "localhost"),
            ("unixs:///run/etcd:1", "unixs:///run/etcd:1", "etcd"),
            ("a:1", "http://a:1", "a"),
        ] {
            let endpoint = Endpoint::parse(text).unwrap();
            assert_eq!((&*endpoint.uri(), endpoint.server_name()), (uri, name));
        }
    }

    /// A mistake must be named instead of being dialled until the deadline.
    #[test]
    fn what_cannot_work_is_refused() {
        for text in [
            "", "a", "a:", "a:b", "a:70000", ":2379", "unix://", "unixs://", "::1:2379",
        ] {
            let refused = Endpoint::parse(text).unwrap_err();
            assert!(matches!(refused, EndpointError::Malformed { .. }), "{text}");
        }
        assert!(matches!(
            Endpoint::parse("ftp://a:1").unwrap_err(),
            EndpointError::Scheme { .. }
        ));
    }
}
