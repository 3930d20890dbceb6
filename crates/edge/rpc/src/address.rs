//! Where to listen: the URLs of the listen flags.

use std::{fmt, path::PathBuf, str::FromStr};

/// A parsed listen URL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ListenAddress {
    /// `http://host:port` or `https://host:port`.
    Tcp {
        /// An IP address, without brackets, or `localhost`.
        host: String,
        /// The port; zero lets the system choose.
        port: u16,
        /// Whether the scheme asks for TLS.
        tls: bool,
    },
    /// `unix://name` or `unixs://name`.
    Unix {
        /// The socket's file: host and path of the URL together.
        path: PathBuf,
        /// Whether the scheme asks for TLS.
        tls: bool,
    },
}

/// The text is no listen URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Another scheme, or none.
    #[error("URL scheme must be http, https, unix, or unixs: {0}")]
    Scheme(String),
    /// No port, or a port that is no number.
    #[error("URL address does not have the form \"host:port\": {0}")]
    HostPort(String),
    /// A path after the port.
    #[error("URL must not contain a path: {0}")]
    Path(String),
}

impl ListenAddress {
    /// Whether the scheme asks for TLS.
    #[must_use]
    pub fn is_secured(&self) -> bool {
        match self {
            Self::Tcp { tls, .. } | Self::Unix { tls, .. } => *tls,
        }
    }

    /// The same place with or without TLS.
    #[must_use]
    pub fn secured(mut self, secured: bool) -> Self {
        match &mut self {
            Self::Tcp { tls, .. } | Self::Unix { tls, .. } => *tls = secured,
        }
        self
    }
}

impl FromStr for ListenAddress {
    type Err = AddressError;

    fn from_str(url: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        match scheme {
            "http" => tcp(url, rest, false),
            "https" => tcp(url, rest, true),
            "unix" | "unixs" => Ok(Self::Unix {
                path: PathBuf::from(rest),
                tls: scheme == "unixs",
            }),
            _ => Err(AddressError::Scheme(url.to_owned())),
        }
    }
}

fn tcp(url: &str, rest: &str, tls: bool) -> Result<ListenAddress, AddressError> {
    if rest.contains('/') {
        return Err(AddressError::Path(url.to_owned()));
    }
    let host_port = || AddressError::HostPort(url.to_owned());
    let (host, port) = rest.rsplit_once(':').ok_or_else(host_port)?;
    let port = port.parse().map_err(|_| host_port())?;
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    match bare {
        None if host.contains([':', '[', ']']) => Err(host_port()),
        _ => Ok(ListenAddress::Tcp {
            host: bare.unwrap_or(host).to_owned(),
            port,
            tls,
        }),
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port, tls } => {
                let scheme = if *tls { "https" } else { "http" };
                if host.contains(':') {
                    write!(f, "{scheme}://[{host}]:{port}")
                } else {
                    write!(f, "{scheme}://{host}:{port}")
                }
            }
            Self::Unix { path, tls } => {
                let scheme = if *tls { "unixs" } else { "unix" };
                write!(f, "{scheme}://{}", path.display())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A flag that etcd takes must be taken, and the socket's file be where clients look for it.
    #[test]
    fn urls() {
        for url in [
            "http://127.0.0.1:2379",
            "https://[::1]:0",
            "http://localhost:1",
            "unix://localhost:23790",
            "unixs:///run/etcd.sock",
        ] {
            let address: ListenAddress = url.parse().unwrap();
            assert_eq!(address.to_string(), url);
        }
        let unix = |path: &str| ListenAddress::Unix {
            path: PathBuf::from(path),
            tls: false,
        };
        assert_eq!(
            "unix://localhost:23790".parse(),
            Ok(unix("localhost:23790"))
        );
        assert_eq!("unix:///run/a".parse(), Ok(unix("/run/a")));
        let check = |url: &str, text: &str| {
            let error = url.parse::<ListenAddress>().unwrap_err();
            assert_eq!(error.to_string(), format!("{text}: {url}"));
        };
        check(
            "ftp://a:1",
            "URL scheme must be http, https, unix, or unixs",
        );
        check("a:1", "URL scheme must be http, https, unix, or unixs");
        for url in ["http://a", "http://a:x", "http://::1:5", "http://a:99999"] {
            check(url, "URL address does not have the form \"host:port\"");
        }
        check("http://a:1/x", "URL must not contain a path");
    }
}
