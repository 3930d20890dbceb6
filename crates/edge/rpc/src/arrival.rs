//! From an accepted socket to a connection whose protocol is known.
//!
//! Until then a connection is young: it holds little more than its socket, has a deadline, and makes
//! room when its listener is full.

use std::{io, net::IpAddr, rc::Rc, time::Duration};

use tls::{HandshakeError, ServerStream, ServerTls};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use crate::{
    connection::{self, Shared},
    handler::Handler,
    http1::HttpHandler,
    listen::PortKind,
    peer::{Peer, PeerAddress},
    prefixed::{Prefixed, Protocol},
    security::{Handshakes, Security},
    young::Youth,
};

/// How long a client may take to say its first word, and to show which protocol it speaks.
const PEEK_TIMEOUT: Duration = Duration::from_secs(10);

/// Whom a connection is accepted from, and by whom.
pub(crate) struct Guest {
    pub(crate) port: PortKind,
    pub(crate) security: Security,
    pub(crate) address: PeerAddress,
    pub(crate) youth: Youth,
}

/// A socket that can be waited on without a buffer.
pub(crate) trait Arriving: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Returns when there is something to read, or nothing will come any more.
    fn arrived(&self) -> impl Future<Output = io::Result<()>>;
}

impl Arriving for TcpStream {
    fn arrived(&self) -> impl Future<Output = io::Result<()>> {
        self.readable()
    }
}

impl Arriving for UnixStream {
    fn arrived(&self) -> impl Future<Output = io::Result<()>> {
        self.readable()
    }
}

type Tls<S> = ServerStream<Prefixed<S>>;

/// A connection that has grown up.
enum Grown<S> {
    Plain(Protocol, Prefixed<S>),
    Secured(Protocol, Box<Prefixed<Tls<S>>>, Peer),
    /// The client has gone without a word.
    Gone,
}

/// Why one does not grow up.
enum Lost {
    Io(io::Error),
    Handshake(HandshakeError),
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Serves an accepted socket until it ends.
pub(crate) async fn serve<G, W, S>(
    shared: Rc<Shared<G, W>>,
    stream: S,
    guest: Guest,
) -> io::Result<()>
where
    G: Handler,
    W: HttpHandler,
    S: Arriving,
{
    let Guest {
        port,
        security,
        address,
        youth,
    } = guest;
    // There may be tens of thousands that wait: whatever is large exists once somebody has spoken.
    let growing = async {
        let arrived = timeout(PEEK_TIMEOUT, stream.arrived()).await;
        arrived.map_err(io::Error::from)??;
        Box::pin(grow(&shared.handshakes, stream, &security, address)).await
    };
    let grown = tokio::select! {
        biased;
        grown = growing => grown,
        () = youth.evicted() => return Ok(()),
        () = shared.drains.of(port).clone().started() => return Ok(()),
    };
    drop((youth, security));
    match grown {
        Ok(Grown::Plain(protocol, stream)) => {
            let peer = Peer::plain(address);
            Box::pin(connection::serve(shared, protocol, stream, port, peer)).await
        }
        Ok(Grown::Secured(protocol, stream, peer)) => {
            Box::pin(connection::serve(shared, protocol, stream, port, peer)).await
        }
        Ok(Grown::Gone) => Ok(()),
        Err(Lost::Io(error)) => Err(error),
        Err(Lost::Handshake(error)) => {
            report(port, address, &error);
            Ok(())
        }
    }
}

async fn grow<S: Arriving>(
    handshakes: &Handshakes,
    stream: S,
    security: &Security,
    address: PeerAddress,
) -> Result<Grown<S>, Lost> {
    let (tls, stream) = match security {
        Security::Tls(tls) => (tls, Prefixed::new(stream)),
        Security::Plain | Security::Either(_) => match (peek(stream).await?, security) {
            (None, _) => return Ok(Grown::Gone),
            (Some((Protocol::Tls, stream)), Security::Either(tls)) => (tls, stream),
            (Some((protocol, stream)), _) => return Ok(Grown::Plain(protocol, stream)),
        },
    };
    secure(handshakes, tls, stream, address).await
}

async fn secure<S>(
    handshakes: &Handshakes,
    tls: &ServerTls,
    stream: Prefixed<S>,
    address: PeerAddress,
) -> Result<Grown<S>, Lost>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let accepted = handshakes.accept(tls, stream, remote(address)).await;
    let (stream, identity) = accepted.map_err(Lost::Handshake)?;
    let peer = Peer::secured(address, identity, tls.names_users());
    Ok(match peek(stream).await? {
        Some((protocol, stream)) => Grown::Secured(protocol, Box::new(stream), peer),
        None => Grown::Gone,
    })
}

async fn peek<S>(stream: S) -> io::Result<Option<(Protocol, Prefixed<S>)>>
where
    S: AsyncRead + Unpin,
{
    timeout(PEEK_TIMEOUT, Prefixed::peek(stream)).await?
}

fn remote(address: PeerAddress) -> Option<IpAddr> {
    match address {
        PeerAddress::Tcp(address) => Some(address.ip()),
        PeerAddress::Unix => None,
    }
}

/// Says who was refused; those who just left are not worth a warning.
fn report(port: PortKind, address: PeerAddress, error: &HandshakeError) {
    match (port, error.is_end()) {
        (_, true) => {
            tracing::debug!("remote-addr" = %address, %error, "rejected connection");
        }
        (PortKind::Peer, false) => tracing::warn!(
            "remote-addr" = %address, %error, "rejected connection on peer endpoint"
        ),
        (_, false) => tracing::warn!(
            "remote-addr" = %address, %error, "rejected connection on client endpoint"
        ),
    }
}
