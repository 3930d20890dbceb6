//! Connections, forwarded to members as they are.
//!
//! A connection goes to the endpoint whose turn it is; one that cannot be reached is set aside
//! until a probe finds it again. When all are set aside they are tried all the same:
//! a client that comes is the best probe.

mod endpoint;
mod remotes;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use tls::{ClientFiles, ClientTls, TlsError};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::Semaphore;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

pub use self::endpoint::{Endpoint, check_no_loop, listen_address};
use self::remotes::Remotes;

/// How long one attempt to reach an endpoint may take.
const DIAL_LIMIT: Duration = Duration::from_secs(5);
/// How long accepting rests after the system refused, as when no file descriptor is free.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// What a forwarder is told.
#[derive(Debug)]
pub struct Config {
    /// Where to listen: the addresses of one host.
    pub listen: Vec<SocketAddr>,
    /// Where to forward to.
    pub endpoints: Vec<Endpoint>,
    /// The pause before an endpoint that failed is tried again.
    pub retry_delay: Duration,
    /// Connections that may be open; further ones wait to be accepted.
    pub connections_max: usize,
    /// Makes endpoints prove who they are, those that have to.
    pub verifier: Option<ClientTls>,
}

/// Why nothing is forwarded.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// The place to listen is no `host:port`.
    #[error("failed to validate listen address: {0}")]
    ListenAddress(String),
    /// Nobody knows the host to listen on.
    #[error("failed to resolve listen host: {0}")]
    ListenHost(String),
    /// An endpoint is no `host:port`.
    #[error("error parsing endpoint {0:?}")]
    Endpoint(String),
    /// What is forwarded would come back.
    #[error(
        "SRV or endpoint ({endpoint}->{address}) should not resolve to the gateway listen addr ({listen})"
    )]
    Loop {
        /// The endpoint.
        endpoint: String,
        /// What its host resolves to.
        address: SocketAddr,
        /// Where the gateway listens.
        listen: String,
    },
    /// The authorities cannot be read.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The port is taken, or not ours.
    #[error("cannot listen on {address}")]
    Listen {
        /// The place.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The system refuses what a runtime needs.
    #[error("cannot start a runtime")]
    Runtime(#[source] io::Error),
}

/// Why an endpoint is not used.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// No connection.
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    /// It did not prove who it is.
    #[error("cannot verify the endpoint")]
    Handshake(#[from] tls::HandshakeError),
    /// It took too long.
    #[error("timed out")]
    Late,
}

/// What makes endpoints prove who they are: by certificates of these authorities, or of those that the
/// system trusts.
///
/// # Errors
/// [`ForwardError::Tls`] when the file cannot be used.
pub fn verifier(trusted_ca: Option<PathBuf>) -> Result<ClientTls, ForwardError> {
    let files = ClientFiles {
        trusted_ca,
        protocols: vec![b"h2".to_vec()],
        ..ClientFiles::default()
    };
    Ok(ClientTls::new(files)?)
}

/// Drops the endpoints that cannot prove who they are, and tells `refused` why. One that cannot be
/// reached stays: it has to prove it before it is used.
pub fn verified(
    endpoints: Vec<Endpoint>,
    verifier: Option<&ClientTls>,
    mut refused: impl FnMut(&Endpoint, &EndpointError),
) -> Vec<Endpoint> {
    let Some(verifier) = verifier else {
        return endpoints;
    };
    let Ok(runtime) = runtime() else {
        return endpoints;
    };
    let mut kept = Vec::new();
    for endpoint in endpoints {
        match runtime.block_on(reach(&endpoint, Some(verifier))) {
            Err(error @ EndpointError::Handshake(_)) => refused(&endpoint, &error),
            _ => kept.push(endpoint),
        }
    }
    kept
}

/// A bound socket, and where its connections go.
#[derive(Debug)]
pub struct Forwarder {
    runtime: LocalRuntime,
    listeners: Vec<std::net::TcpListener>,
    remotes: Remotes,
    retry_delay: Duration,
    connections_max: usize,
    verifier: Option<ClientTls>,
}

impl Forwarder {
    /// Listens; connections wait until [`Forwarder::run`].
    ///
    /// # Errors
    /// [`ForwardError::Listen`] and [`ForwardError::Runtime`].
    pub fn bind(config: Config) -> Result<Self, ForwardError> {
        let mut listeners = Vec::new();
        for address in config.listen {
            let listen = |source| ForwardError::Listen { address, source };
            let listener = std::net::TcpListener::bind(address).map_err(listen)?;
            listener.set_nonblocking(true).map_err(listen)?;
            listeners.push(listener);
        }
        Ok(Self {
            runtime: runtime().map_err(ForwardError::Runtime)?,
            listeners,
            remotes: Remotes::new(config.endpoints),
            retry_delay: config.retry_delay,
            connections_max: config.connections_max.max(1),
            verifier: config.verifier,
        })
    }

    /// The addresses that are listened on, with the ports that the system chose.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let all = self.listeners.iter();
        all.map(std::net::TcpListener::local_addr).collect()
    }

    /// Forwards until the process ends.
    ///
    /// # Errors
    /// When the sockets cannot be served.
    pub fn run(self) -> io::Result<()> {
        let shared = Rc::new(Shared {
            remotes: self.remotes,
            verifier: self.verifier,
            room: Rc::new(Semaphore::new(self.connections_max)),
        });
        let (listeners, delay) = (self.listeners, self.retry_delay);
        self.runtime.block_on(async move {
            for listener in listeners {
                let listener = TcpListener::from_std(listener)?;
                spawn_local(accept(Rc::clone(&shared), listener));
            }
            shared.probe(delay).await;
            Ok(())
        })
    }
}

fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
}

struct Shared {
    remotes: Remotes,
    verifier: Option<ClientTls>,
    room: Rc<Semaphore>,
}

async fn accept(shared: Rc<Shared>, listener: TcpListener) {
    loop {
        let Ok(permit) = shared.room.acquire().await else {
            return;
        };
        match listener.accept().await {
            Ok((client, _)) => {
                permit.forget();
                let shared = Rc::clone(&shared);
                spawn_local(async move {
                    shared.forward(client).await;
                    shared.room.add_permits(1);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

impl Shared {
    /// Copies both ways until both sides have ended.
    async fn forward(&self, mut client: TcpStream) {
        let Some(mut remote) = self.dial().await else {
            return;
        };
        // What is forwarded is calls: they must not wait for company.
        let _ = client.set_nodelay(true);
        let _ = remote.set_nodelay(true);
        if let Err(error) = copy_bidirectional(&mut client, &mut remote).await {
            tracing::debug!(%error, "a connection was lost");
        }
    }

    /// A connection to an endpoint that can be reached; none when there is none.
    async fn dial(&self) -> Option<TcpStream> {
        for at in self.remotes.order() {
            let endpoint = self.remotes.endpoint(at);
            let verifier = self
                .verifier
                .as_ref()
                .filter(|_| !self.remotes.is_active(at));
            let reached = match verifier {
                // Who was away may be somebody else now.
                Some(_) => reach(endpoint, verifier).await,
                None => Ok(()),
            };
            let connected = match reached {
                Ok(()) => connect(endpoint).await,
                Err(error) => Err(error),
            };
            match connected {
                Ok(stream) => {
                    self.activate(at);
                    return Some(stream);
                }
                Err(error) => self.set_aside(at, &error),
            }
        }
        None
    }

    /// Looks again and again whether those that were set aside are back.
    async fn probe(&self, delay: Duration) {
        loop {
            sleep(delay).await;
            for at in self.remotes.inactive() {
                match reach(self.remotes.endpoint(at), self.verifier.as_ref()).await {
                    Ok(()) => self.activate(at),
                    Err(error) => {
                        let address = self.remotes.endpoint(at);
                        tracing::warn!(%address, interval = ?delay, error = &error as &dyn std::error::Error, "failed to activate endpoint (stay inactive for another interval)");
                    }
                }
            }
        }
    }

    fn activate(&self, at: usize) {
        if self.remotes.set_active(at, true) {
            tracing::info!(address = %self.remotes.endpoint(at), "activated");
        }
    }

    fn set_aside(&self, at: usize, error: &EndpointError) {
        if self.remotes.set_active(at, false) {
            let address = self.remotes.endpoint(at);
            tracing::warn!(%address, error = error as &dyn std::error::Error, "deactivated endpoint");
        }
    }
}

/// Finds out whether an endpoint is there, and is who it has to be.
async fn reach(endpoint: &Endpoint, verifier: Option<&ClientTls>) -> Result<(), EndpointError> {
    let stream = connect(endpoint).await?;
    if let Some(verifier) = verifier.filter(|_| endpoint.must_prove()) {
        verifier.connect(endpoint.host(), stream).await?;
    }
    Ok(())
}

async fn connect(endpoint: &Endpoint) -> Result<TcpStream, EndpointError> {
    let dialled = timeout(DIAL_LIMIT, TcpStream::connect(endpoint.address())).await;
    dialled
        .map_err(|_| EndpointError::Late)?
        .map_err(EndpointError::Connect)
}
