//! The connecting side.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::allowed::Allowed;
use crate::error::{HandshakeError, TlsError};
use crate::files::{self, Pair};
use crate::fresh::Fresh;
use crate::server::HANDSHAKE_TIMEOUT;
use crate::settings::{Suites, Versions};
use crate::trusted::Trusted;
use crate::verify::{Anybody, Servers};

pub use tokio_rustls::client::TlsStream as ClientStream;

/// What a client shows and believes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientFiles {
    /// What servers are shown, if they ask.
    pub pair: Option<Pair>,
    /// Who may have signed servers' certificates; without it those that the system trusts.
    pub trusted_ca: Option<PathBuf>,
    /// The name that servers' certificates must be valid for, instead of the host.
    pub server_name: Option<String>,
    /// Whether servers are not verified at all.
    pub skip_verify: bool,
    /// Whose certificates are believed; nobody is asked when servers are not verified.
    pub allowed: Allowed,
    /// Versions of TLS.
    pub versions: Versions,
    /// Cipher suites of TLS 1.2.
    pub suites: Suites,
    /// What is spoken above, in ALPN's names, the preferred first.
    pub protocols: Vec<Vec<u8>>,
}

impl ClientFiles {
    fn paths(&self) -> Vec<PathBuf> {
        let pair = self.pair.iter().flat_map(Pair::paths);
        pair.chain(self.trusted_ca.clone()).collect()
    }

    fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let provider = Arc::new(self.suites.provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&self.versions.supported())?
            .dangerous();
        let builder = match self.skip_verify {
            true => builder.with_custom_certificate_verifier(Arc::new(Anybody::new(&provider))),
            false => {
                let (authorities, trusted) = trust(self.trusted_ca.as_deref())?;
                let allowed = self.allowed.clone();
                let servers = Servers::new(authorities, trusted, allowed, &provider)?;
                builder.with_custom_certificate_verifier(Arc::new(servers))
            }
        };
        let mut config = match &self.pair {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let pair = SingleCertAndKey::from(pair.load(&provider)?);
                builder.with_client_cert_resolver(Arc::new(pair))
            }
        };
        config.alpn_protocols.clone_from(&self.protocols);
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }
}

/// The authorities of a file, or those of the system; those of a file also as they are.
pub(crate) fn trust(file: Option<&Path>) -> Result<(RootCertStore, Trusted), TlsError> {
    match file {
        Some(path) => {
            let trusted = Trusted::new(files::certificates(path)?);
            Ok((files::authorities(path)?, trusted))
        }
        None => {
            let mut roots = RootCertStore::empty();
            // Systems carry authorities that the library does not know what to do with.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            Ok((roots, Trusted::new(Vec::new())))
        }
    }
}

/// Makes TLS of connections to servers. Clones share the files' state.
#[derive(Clone)]
pub struct ClientTls(Arc<Inner>);

struct Inner {
    files: ClientFiles,
    config: Fresh<Arc<ClientConfig>>,
    deadline: Duration,
}

impl ClientTls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`] naming the file.
    pub fn new(files: ClientFiles) -> Result<Self, TlsError> {
        let config = Fresh::new(files.paths(), || files.config())?;
        let deadline = HANDSHAKE_TIMEOUT;
        Ok(Self(Arc::new(Inner {
            files,
            config,
            deadline,
        })))
    }

    /// Shakes hands with `host`: a name or an address, without a port; brackets do no harm.
    ///
    /// # Errors
    /// [`HandshakeError`]; the connection is closed.
    pub async fn connect<S>(&self, host: &str, stream: S) -> Result<ClientStream<S>, HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let host = self.0.files.server_name.as_deref().unwrap_or(host);
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let name = match ServerName::try_from(bare.to_owned()) {
            Ok(name) => name,
            // Nobody checks it, and it is not sent.
            Err(_) if self.0.files.skip_verify => ServerName::from(std::net::Ipv4Addr::LOCALHOST),
            Err(_) => return Err(HandshakeError::Host(host.to_owned())),
        };
        let connector = TlsConnector::from(self.config());
        let connecting = Box::pin(connector.connect(name, stream));
        Ok(timeout(self.0.deadline, connecting)
            .await
            .map_err(|_| HandshakeError::Timeout)??)
    }

    /// While a renewal is half written, the files before it count.
    fn config(&self) -> Arc<ClientConfig> {
        let fresh = &self.0.config;
        let config = fresh.get(|| self.0.files.config());
        Arc::clone(&config.unwrap_or_else(|_| fresh.last()))
    }
}

/// Files, not keys.
impl std::fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ClientTls").field(&self.0.files).finish()
    }
}
