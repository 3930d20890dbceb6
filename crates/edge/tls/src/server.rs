//! The accepting side.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::NoServerSessionStorage;
use rustls::sign::SingleCertAndKey;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::allowed::Allowed;
use crate::client::trust;
use crate::error::{HandshakeError, TlsError};
use crate::files::Pair;
use crate::fresh::Fresh;
use crate::identity::Identity;
use crate::remote;
use crate::revoked::Revoked;
use crate::settings::{Suites, Versions};
use crate::verify::Clients;

pub use tokio_rustls::server::TlsStream as ServerStream;

/// How long a client may take over its handshake.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// What a listener shows and asks for.
#[derive(Clone, Debug)]
pub struct ServerFiles {
    /// What clients are shown.
    pub pair: Pair,
    /// Whether the common name of a client's certificate names a user.
    ///
    /// Certificates are asked for also when only `trusted_ca` is set.
    pub client_cert_auth: bool,
    /// Who may have signed clients' certificates; without it those that the system trusts.
    pub trusted_ca: Option<PathBuf>,
    /// Which certificates are revoked.
    pub crl: Option<PathBuf>,
    /// Whose certificates are let in.
    pub allowed: Allowed,
    /// Whether a certificate that names hosts is let in from those only.
    pub checks_remote: bool,
    /// Versions of TLS.
    pub versions: Versions,
    /// Cipher suites of TLS 1.2.
    pub suites: Suites,
    /// What is spoken above, in ALPN's names, the preferred first.
    pub protocols: Vec<Vec<u8>>,
}

impl ServerFiles {
    /// Shows a certificate and asks for none; HTTP/2 and HTTP/1.
    #[must_use]
    pub fn new(pair: Pair) -> Self {
        Self {
            pair,
            client_cert_auth: false,
            trusted_ca: None,
            crl: None,
            allowed: Allowed::Any,
            checks_remote: false,
            versions: Versions::default(),
            suites: Suites::default(),
            protocols: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        }
    }

    fn asks_for_certificates(&self) -> bool {
        self.client_cert_auth || self.trusted_ca.is_some()
    }

    fn paths(&self) -> Vec<PathBuf> {
        let pair = self.pair.paths().into_iter();
        pair.chain(self.trusted_ca.clone()).collect()
    }

    fn config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let provider: Arc<CryptoProvider> = Arc::new(self.suites.provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&self.versions.supported())?;
        let builder = match self.asks_for_certificates() {
            false => builder.with_no_client_auth(),
            true => {
                let (authorities, trusted) = trust(self.trusted_ca.as_deref())?;
                let allowed = self.allowed.clone();
                let clients = Clients::new(authorities, trusted, allowed, &provider)?;
                builder.with_client_cert_verifier(Arc::new(clients))
            }
        };
        let pair = self.pair.load(&provider)?;
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
        config.alpn_protocols.clone_from(&self.protocols);
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }
}

/// Makes TLS of accepted connections. Clones share the files' state.
#[derive(Clone)]
pub struct ServerTls(Arc<Inner>);

/// Files, not keys.
impl std::fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ServerTls").field(&self.0.files).finish()
    }
}

struct Inner {
    files: ServerFiles,
    config: Fresh<Arc<ServerConfig>>,
    revoked: Option<Revoked>,
    deadline: Duration,
}

impl ServerTls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`] naming the file; a revocation list is not read before the first connection.
    pub fn new(files: ServerFiles) -> Result<Self, TlsError> {
        Self::with_deadline(files, HANDSHAKE_TIMEOUT)
    }

    /// The same, with another time for handshakes than ten seconds.
    ///
    /// # Errors
    /// [`TlsError`] naming the file.
    pub fn with_deadline(files: ServerFiles, deadline: Duration) -> Result<Self, TlsError> {
        let config = Fresh::new(files.paths(), || files.config())?;
        let revoked = files.crl.clone().map(Revoked::new);
        Ok(Self(Arc::new(Inner {
            files,
            config,
            revoked,
            deadline,
        })))
    }

    /// Whether the common name of a client's certificate names a user.
    #[must_use]
    pub fn names_users(&self) -> bool {
        self.0.files.client_cert_auth
    }

    /// Shakes hands; the identity is that of the client's verified certificate, where one is asked
    /// for. `remote` is the client's address, if it has one.
    ///
    /// # Errors
    /// [`HandshakeError`]; the connection is closed.
    pub async fn accept<S>(
        &self,
        stream: S,
        remote: Option<IpAddr>,
    ) -> Result<(ServerStream<S>, Option<Identity>), HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let acceptor = TlsAcceptor::from(self.config());
        // A connection's state is large, and most of it waits for the other side.
        let stream = timeout(self.0.deadline, Box::pin(acceptor.accept(stream)))
            .await
            .map_err(|_| HandshakeError::Timeout)??;
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        if let Some(revoked) = &self.0.revoked {
            revoked.check(chain)?;
        }
        let identity = chain.first().and_then(Identity::of);
        if self.0.files.checks_remote
            && let (Some(identity), Some(remote)) = (&identity, remote)
        {
            let checked = timeout(self.0.deadline, remote::check(identity, remote));
            checked.await.map_err(|_| HandshakeError::Timeout)??;
        }
        Ok((stream, identity))
    }

    /// While a renewal is half written, the certificate before it is shown.
    fn config(&self) -> Arc<ServerConfig> {
        let fresh = &self.0.config;
        let config = fresh.get(|| self.0.files.config());
        Arc::clone(&config.unwrap_or_else(|_| fresh.last()))
    }
}
