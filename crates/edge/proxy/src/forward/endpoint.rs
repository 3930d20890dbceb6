//! Where to listen and where to forward to, and that these are not the same.

use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _, UdpSocket};

use super::ForwardError;

/// One place that connections are forwarded to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    address: String,
    must_prove: bool,
    priority: u16,
    weight: u16,
}

impl Endpoint {
    /// Reads `host:port`, with or without a scheme; with `prove`, it has to show a certificate,
    /// unless the scheme says that it has none.
    ///
    /// # Errors
    /// [`ForwardError::Endpoint`] when there is no port.
    pub fn parse(text: &str, prove: bool) -> Result<Self, ForwardError> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let address = rest.split('/').next().unwrap_or_default();
        match split(address) {
            Some((host, _)) if !host.is_empty() => Ok(Self {
                address: address.to_owned(),
                must_prove: prove && scheme != "http",
                priority: 0,
                weight: 0,
            }),
            _ => Err(ForwardError::Endpoint(text.to_owned())),
        }
    }

    /// An endpoint that a record of the DNS names, with its rank: those of the lowest priority are
    /// used first, and among them each as often as its weight says.
    ///
    /// # Errors
    /// As [`Endpoint::parse`].
    pub fn ranked(
        text: &str,
        prove: bool,
        priority: u16,
        weight: u16,
    ) -> Result<Self, ForwardError> {
        let endpoint = Self::parse(text, prove)?;
        Ok(Self {
            priority,
            weight,
            ..endpoint
        })
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// The name that its certificate must be valid for.
    pub(super) fn host(&self) -> &str {
        split(&self.address).map_or("", |(host, _)| host)
    }

    pub(super) fn must_prove(&self) -> bool {
        self.must_prove
    }

    pub(super) fn priority(&self) -> u16 {
        self.priority
    }

    pub(super) fn weight(&self) -> u16 {
        self.weight
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

/// Host without brackets, and port.
fn split(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    if bare.is_none() && host.contains(':') {
        return None;
    }
    Some((bare.unwrap_or(host), port.parse().ok()?))
}

/// Reads `host:port` of a place to listen, and finds the addresses of its host.
///
/// # Errors
/// [`ForwardError::ListenAddress`] and [`ForwardError::ListenHost`].
pub fn listen_address(text: &str) -> Result<(String, Vec<SocketAddr>), ForwardError> {
    let parts = split(text);
    let (host, port) = parts.ok_or_else(|| ForwardError::ListenAddress(text.to_owned()))?;
    if host.is_empty() {
        // Every address of the machine; the wildcard of IPv6 takes both kinds where there are both.
        let any = SocketAddr::from(([0, 0, 0, 0], port));
        return Ok((text.to_owned(), vec![any]));
    }
    let unknown = || ForwardError::ListenHost(host.to_owned());
    let all = (host, port).to_socket_addrs().map_err(|_| unknown())?;
    let first = all.into_iter().min_by_key(SocketAddr::is_ipv6);
    Ok((text.to_owned(), vec![first.ok_or_else(unknown)?]))
}

/// Refuses endpoints that are the listener itself (CVE-2020-15114): a connection to it would be
/// forwarded until the last descriptor is used up.
///
/// # Errors
/// [`ForwardError::Loop`].
pub fn check_no_loop(
    listen: &str,
    listening: &[SocketAddr],
    endpoints: &[Endpoint],
) -> Result<(), ForwardError> {
    for endpoint in endpoints {
        // A host that nobody knows now is refused when it is dialled.
        let Ok(addresses) = endpoint.address().to_socket_addrs() else {
            continue;
        };
        for address in addresses {
            if listening.iter().any(|own| is_same(*own, address)) {
                return Err(ForwardError::Loop {
                    endpoint: endpoint.to_string(),
                    address,
                    listen: listen.to_owned(),
                });
            }
        }
    }
    Ok(())
}

/// Whether a connection to `address` arrives at a listener on `own`.
fn is_same(own: SocketAddr, address: SocketAddr) -> bool {
    let (ip, of_own) = (address.ip().to_canonical(), own.ip().to_canonical());
    own.port() == address.port()
        && own.port() != 0
        && (ip == of_own || ip.is_unspecified() || of_own.is_unspecified() && is_local(ip))
}

/// Whether the address is one of this machine: only such can be bound.
fn is_local(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (text, address, host, proves) in [
            ("a.example:1", "a.example:1", "a.example", true),
            ("https://a.example:1/x", "a.example:1", "a.example", true),
            ("http://10.0.0.1:1", "10.0.0.1:1", "10.0.0.1", false),
            ("[::1]:1", "[::1]:1", "::1", true),
        ] {
            let endpoint = Endpoint::parse(text, true).unwrap();
            assert_eq!((endpoint.address(), endpoint.host()), (address, host));
            assert_eq!(endpoint.must_prove(), proves, "{text}");
            assert!(!Endpoint::parse(text, false).unwrap().must_prove());
        }
        for text in ["foo", "", ":1", "a:b", "a:70000", "::1:2379"] {
            let refused = Endpoint::parse(text, false).unwrap_err().to_string();
            assert_eq!(refused, format!("error parsing endpoint {text:?}"));
        }
    }

    /// One connection to such a gateway took all its descriptors.
    #[test]
    fn a_loop_is_refused() {
        let loops = |listen: &str, endpoint: &str| {
            let (listen, addresses) = listen_address(listen).unwrap();
            let endpoint = Endpoint::parse(endpoint, false).unwrap();
            check_no_loop(&listen, &addresses, &[endpoint]).is_err()
        };
        assert!(loops("127.0.0.1:23790", "127.0.0.1:23790"));
        assert!(loops("127.0.0.1:23790", "http://localhost:23790"));
        assert!(loops("0.0.0.0:23790", "127.0.0.1:23790"));
        assert!(loops(":23790", "127.0.0.1:23790"));
        assert!(loops("127.0.0.1:23790", "0.0.0.0:23790"));
        assert!(loops("127.0.0.1:23790", "[::ffff:127.0.0.1]:23790"));
        assert!(!loops("127.0.0.1:23790", "127.0.0.1:2379"));
        assert!(!loops("0.0.0.0:23790", "192.0.2.1:23790"));
        let text = {
            let (listen, addresses) = listen_address("127.0.0.1:1").unwrap();
            let endpoint = Endpoint::parse("127.0.0.1:1", false).unwrap();
            check_no_loop(&listen, &addresses, &[endpoint])
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            text,
            "SRV or endpoint (127.0.0.1:1->127.0.0.1:1) should not resolve to the gateway listen addr (127.0.0.1:1)"
        );
    }

    #[test]
    fn places_to_listen() {
        let text = |listen| listen_address(listen).unwrap_err().to_string();
        assert_eq!(text("foo"), "failed to validate listen address: foo");
        assert_eq!(
            text("no-such-host.invalid:1"),
            "failed to resolve listen host: no-such-host.invalid"
        );
    }
}
