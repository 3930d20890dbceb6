//! Addresses of members as users write them: `host:port`, `http://…`, `unix://…`.

use std::fmt;

/// Why an address was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EndpointError {
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

/// The URI of an endpoint that cannot be: the name is reserved for what does not exist.
pub(crate) const NOWHERE: &str = "http://endpoint.invalid";

/// Where one member listens. An address that cannot be dialled is one as well: whoever calls there
/// hears why, as of any member that cannot be reached, and the other members are asked instead.
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
    /// Nothing can listen there.
    Nowhere(EndpointError),
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
    /// let endpoint = client::Endpoint::parse("http://127.0.0.1:2379");
    /// assert_eq!(endpoint.uri(), "http://127.0.0.1:2379");
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Self {
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
                let unknown = EndpointError::Scheme { text, scheme };
                (Some(Target::Nowhere(unknown)), Security::Plain)
            }
        };
        let text = text.to_owned();
        let nowhere = || Target::Nowhere(EndpointError::Malformed { text: text.clone() });
        Self {
            target: target.unwrap_or_else(nowhere),
            security,
            text,
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
            Target::Nowhere(_) => NOWHERE.to_owned(),
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
            Target::Nowhere(_) => "",
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
    let is_name = host.parse::<http::uri::Authority>().is_ok();
    if !(bracketed || plain) || !(is_name || host.is_empty()) || port.parse::<u16>().is_err() {
        return None;
    }
    // Without a host it is this machine.
    let authority = match host {
        "" => format!("localhost:{port}"),
        _ => authority.to_owned(),
    };
    Some(Target::Tcp(authority))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_uri(text: &str, uri: &str) {
        assert_eq!(Endpoint::parse(text).uri(), uri, "{text}");
    }

    /// A member written in any of etcd's forms must be reached.
    #[test]
    fn every_plain_form_is_read() {
        check_uri("127.0.0.1:2379", "http://127.0.0.1:2379");
        check_uri(" 127.0.0.1:2379 ", "http://127.0.0.1:2379");
        check_uri("http://a.example:1/", "http://a.example:1");
        check_uri("http://a.example:1/x?y", "http://a.example:1");
        check_uri("[::1]:2379", "http://[::1]:2379");
        check_uri(":2379", "http://localhost:2379");
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
            let endpoint = Endpoint::parse(text);
            assert_eq!((&*endpoint.uri(), endpoint.server_name()), (uri, name));
        }
    }

    /// A mistake in one address must be named, and must not keep anybody from the others.
    #[test]
    fn what_cannot_work_leads_nowhere() {
        for text in [
            "", "a", "a:", "a:b", "a/b:1", "a:70000", "unix://", "unixs://", "::1:2379",
        ] {
            let text = text.to_owned();
            let endpoint = Endpoint::parse(&text);
            let nowhere = Target::Nowhere(EndpointError::Malformed { text });
            assert_eq!(endpoint.target(), &nowhere);
        }
        assert!(matches!(
            Endpoint::parse("ftp://a:1").target(),
            Target::Nowhere(EndpointError::Scheme { .. })
        ));
    }
}
