//! Addresses of members as users write them: `host:port`, `http://…`, `unix://…`.

use std::fmt;

/// Why an address was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// The address asks for TLS.
    #[error("endpoint {text:?} asks for TLS, which this program cannot speak")]
    Tls {
        /// The address as it was given.
        text: String,
    },
    /// The address has a scheme that nobody knows.
    #[error("endpoint {text:?} has an unknown scheme {scheme:?}")]
    Scheme {
        /// The address as it was given.
        text: String,
        /// What stands before `://`.
        scheme: String,
    },
    /// The address is empty or has no host, port or path.
    #[error("endpoint {text:?} is not host:port, http://host:port or unix://path")]
    Malformed {
        /// The address as it was given.
        text: String,
    },
}

/// Where one member listens, without TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    text: String,
    target: Target,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    /// `host:port`.
    Tcp(String),
    /// The path of a socket.
    Unix(String),
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
        let target = match text.split_once("://") {
            None => tcp(text),
            Some(("http", rest)) => tcp(rest.split(['/', '?', '#']).next().unwrap_or_default()),
            Some(("unix", path)) if !path.is_empty() => Some(Target::Unix(path.to_owned())),
            Some(("https" | "unixs", _)) => {
                let text = text.to_owned();
                return Err(EndpointError::Tls { text });
            }
            Some(("unix", _)) => None,
            Some((scheme, _)) => {
                let (text, scheme) = (text.to_owned(), scheme.to_owned());
                return Err(EndpointError::Scheme { text, scheme });
            }
        };
        let text = text.to_owned();
        match target {
            Some(target) => Ok(Self { text, target }),
            None => Err(EndpointError::Malformed { text }),
        }
    }

    /// The address as the transport wants it: with a scheme and without a path after the port.
    #[must_use]
    pub fn uri(&self) -> String {
        match &self.target {
            Target::Tcp(authority) => format!("http://{authority}"),
            Target::Unix(path) => format!("unix://{path}"),
        }
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

    /// Dialling a TLS port in the clear would hang until the deadline instead of saying why.
    #[test]
    fn what_cannot_work_is_refused() {
        for text in ["https://a:1", "unixs://a"] {
            let refused = Endpoint::parse(text).unwrap_err();
            assert!(matches!(refused, EndpointError::Tls { .. }), "{text}");
        }
        for text in [
            "", "a", "a:", "a:b", "a:70000", ":2379", "unix://", "::1:2379",
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
