//! Connections to other members: TCP and unix sockets, with TLS plugged in.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rpc::ListenAddress;
use tls::ClientTls;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

/// A connection to a member.
pub trait PeerStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> PeerStream for S {}

/// A connection, as soon as it is there.
pub type Connecting<'a> =
    Pin<Box<dyn Future<Output = io::Result<Box<dyn PeerStream>>> + Send + 'a>>;

/// Puts TLS on a connection.
pub trait Tls: Send + Sync + 'static {
    /// Does the handshake with the member that `host` names.
    fn handshake<'a>(&'a self, host: &'a str, stream: Box<dyn PeerStream>) -> Connecting<'a>;
}

impl Tls for ClientTls {
    fn handshake<'a>(&'a self, host: &'a str, stream: Box<dyn PeerStream>) -> Connecting<'a> {
        Box::pin(async move {
            match self.connect(host, stream).await {
                Ok(stream) => Ok(Box::new(stream) as Box<dyn PeerStream>),
                Err(error) => Err(io::Error::other(error)),
            }
        })
    }
}

/// Makes connections; cheap to clone.
#[derive(Clone, Default)]
pub struct Connector {
    tls: Option<Arc<dyn Tls>>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("tls", &self.tls.is_some())
            .finish()
    }
}

impl Connector {
    /// For `http` and `unix` URLs alone.
    #[must_use]
    pub fn plain() -> Self {
        Self::default()
    }

    /// Also for `https` and `unixs` URLs.
    #[must_use]
    pub fn with_tls(tls: Arc<dyn Tls>) -> Self {
        Self { tls: Some(tls) }
    }

    /// Connects to a member, handshake included.
    pub(crate) async fn connect(
        &self,
        address: &ListenAddress,
        limit: Duration,
    ) -> io::Result<Box<dyn PeerStream>> {
        timeout(limit, self.connect_now(address)).await?
    }

    async fn connect_now(&self, address: &ListenAddress) -> io::Result<Box<dyn PeerStream>> {
        let (stream, host, is_tls): (Box<dyn PeerStream>, _, _) = match address {
            ListenAddress::Tcp { host, port, tls } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                // Messages must not wait for the acknowledgement of those before.
                stream.set_nodelay(true)?;
                (Box::new(stream), host.as_str(), *tls)
            }
            ListenAddress::Unix { path, tls } => (
                Box::new(UnixStream::connect(path).await?),
                "localhost",
                *tls,
            ),
        };
        match (&self.tls, is_tls) {
            (_, false) => Ok(stream),
            (Some(tls), true) => tls.handshake(host, stream).await,
            (None, true) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "the URL asks for TLS, but no peer certificate is configured",
            )),
        }
    }
}
