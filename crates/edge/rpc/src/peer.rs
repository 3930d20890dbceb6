//! Who is at the other end of a connection.

use std::{fmt, net::SocketAddr};

use tls::Identity;

/// Who is at the other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    address: PeerAddress,
    secured: Option<Secured>,
}

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerAddress {
    /// Over the network.
    Tcp(SocketAddr),
    /// A process on this machine, over a unix socket.
    Unix,
}

/// What a TLS handshake found out.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Secured {
    identity: Option<Identity>,
    names_users: bool,
}

impl Peer {
    /// A peer without TLS.
    #[must_use]
    pub fn plain(address: PeerAddress) -> Self {
        Self {
            address,
            secured: None,
        }
    }

    /// A peer after a TLS handshake: the holder of its verified certificate, if certificates are
    /// asked for, and whether the common name of such a certificate names a user.
    #[must_use]
    pub fn secured(address: PeerAddress, identity: Option<Identity>, names_users: bool) -> Self {
        Self {
            address,
            secured: Some(Secured {
                identity,
                names_users,
            }),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> PeerAddress {
        self.address
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub fn is_secured(&self) -> bool {
        self.secured.is_some()
    }

    /// The holder of its verified certificate.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.secured.as_ref()?.identity.as_ref()
    }

    /// The user that its verified certificate names: the common name, which may be empty.
    ///
    /// None unless the listener was told that certificates name users (`--client-cert-auth`).
    #[must_use]
    pub fn common_name(&self) -> Option<&str> {
        let secured = self.secured.as_ref().filter(|tls| tls.names_users)?;
        Some(secured.identity.as_ref()?.common_name.as_str())
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix => f.write_str("@"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate that only encrypts must not log anybody in.
    #[test]
    fn certificates_name_users_only_where_they_are_to() {
        let with = |names_users| {
            let identity = Identity {
                common_name: "root".to_owned(),
                ..Identity::default()
            };
            Peer::secured(PeerAddress::Unix, Some(identity), names_users)
        };
        assert_eq!(with(true).common_name(), Some("root"));
        assert_eq!(with(false).common_name(), None);
        assert!(with(false).identity().is_some());
        assert_eq!(Peer::plain(PeerAddress::Unix).common_name(), None);
    }
}
