//! What can go wrong with files and with handshakes.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use rustls::CertificateError;

use crate::settings::SettingsError;
use crate::verify::NotAllowed;

/// Why there is no TLS from these files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read; the reason in the words of C libraries.
    #[error("open {}: {}", path.display(), reason(source))]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds no PEM block of the kind that it is needed for.
    #[error("tls: failed to find any PEM data in {what} {}", path.display())]
    Empty {
        /// Certificate or key.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A file has a PEM block that cannot be read.
    #[error("tls: {what} {} is not PEM: {fault}", path.display())]
    Pem {
        /// Certificate or key.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the parser said.
        fault: String,
    },
    /// A certificate, key, or revocation list is malformed or of an unknown kind.
    #[error("tls: cannot use {what} {}: {fault}", path.display())]
    Unusable {
        /// What it is.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the library said.
        fault: String,
    },
    /// The key is not the certificate's.
    #[error("tls: private key {} does not match public key of {}", key.display(), cert.display())]
    Mismatch {
        /// The certificate.
        cert: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// Versions and suites.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The library refuses the combination.
    #[error("tls: {0}")]
    Refused(#[from] rustls::Error),
    /// Client certificates are wanted, and nothing says whose.
    #[error("tls: client certificates are required, but no authority is trusted")]
    NoAuthorities,
}

/// Why a handshake did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The other side did not finish in time.
    #[error("tls: handshake timed out")]
    Timeout,
    /// The host is neither a name nor an address.
    #[error("tls: {0:?} is no host name")]
    Host(String),
    /// The files cannot be used any more, as a revocation list that cannot be read.
    #[error(transparent)]
    Files(#[from] TlsError),
    /// The other side's certificate is on the revocation list.
    #[error("transport: certificate serial {0} revoked")]
    Revoked(String),
    /// The other side's certificate is verified, but its holder is not let in.
    #[error("client certificate authentication failed")]
    NotAllowed,
    /// The certificate is for other addresses.
    #[error("x509: certificate is valid for {}, not {remote}", listed(addresses))]
    Addresses {
        /// Who showed it.
        remote: IpAddr,
        /// Whose it is.
        addresses: Vec<IpAddr>,
    },
    /// The certificate is for hosts that have other addresses.
    #[error("tls: \"{remote}\" does not match any of DNSNames [{}]", quoted(names))]
    Names {
        /// Who showed it.
        remote: IpAddr,
        /// Whose it is.
        names: Vec<String>,
    },
    /// The connection, or the TLS library; a certificate that nobody signed for among them.
    #[error("{}", reason(.0))]
    Io(io::Error),
}

impl HandshakeError {
    /// Whether the other side went away or never came: nothing to warn of.
    #[must_use]
    pub fn is_end(&self) -> bool {
        let gone = [
            io::ErrorKind::UnexpectedEof,
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::BrokenPipe,
        ];
        matches!(self, Self::Io(error) if gone.contains(&error.kind()))
    }
}

impl From<io::Error> for HandshakeError {
    fn from(error: io::Error) -> Self {
        let inner = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match inner {
            Some(rustls::Error::InvalidCertificate(CertificateError::Other(other)))
                if other.0.is::<NotAllowed>() =>
            {
                Self::NotAllowed
            }
            _ => Self::Io(error),
        }
    }
}

fn listed(addresses: &[IpAddr]) -> String {
    let texts: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
    texts.join(", ")
}

/// As Go prints a list of texts.
fn quoted(names: &[String]) -> String {
    let texts: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    texts.join(" ")
}

/// The reason as C libraries word it: lower case, without Rust's number.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let bare = text.split(" (os error").next().unwrap_or_default();
    match error.raw_os_error() {
        Some(_) => bare.to_lowercase(),
        None => bare.to_owned(),
    }
}
