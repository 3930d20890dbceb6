//! TLS in front of a connection: whether, and how many handshakes at a time.

use std::{cell::Cell, rc::Rc, time::Duration};

use tls::{HandshakeError, Identity, ServerStream, ServerTls};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Semaphore,
    time::timeout,
};

/// Handshakes that a connection thread has under way; further clients wait.
const HANDSHAKES_MAX: usize = 512;
/// How long a handshake may take while others wait for its place.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a listener expects in front of HTTP.
#[derive(Clone, Default)]
pub enum Security {
    /// Nothing.
    #[default]
    Plain,
    /// TLS.
    Tls(ServerTls),
    /// Either: the first byte tells. For a port that was given with both schemes.
    Either(ServerTls),
}

/// The handshakes of one connection thread.
#[derive(Clone)]
pub(crate) struct Handshakes(Rc<Inner>);

struct Inner {
    room: Semaphore,
    waiting: Cell<usize>,
}

impl Default for Handshakes {
    fn default() -> Self {
        Self::new(HANDSHAKES_MAX)
    }
}

impl Handshakes {
    fn new(count: usize) -> Self {
        Self(Rc::new(Inner {
            room: Semaphore::new(count),
            waiting: Cell::new(0),
        }))
    }

    /// Shakes hands once there is room; the whole has a deadline.
    pub(crate) async fn accept<S>(
        &self,
        tls: &ServerTls,
        stream: S,
        remote: Option<std::net::IpAddr>,
    ) -> Result<(ServerStream<S>, Option<Identity>), HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let inner = &*self.0;
        inner.waiting.set(inner.waiting.get() + 1);
        let waiting = Waiting(&inner.waiting);
        let room = timeout(tls::HANDSHAKE_TIMEOUT, inner.room.acquire()).await;
        let _room = room.map_err(|_| HandshakeError::Timeout)?;
        drop(waiting);
        let mut handshake = Box::pin(tls.accept(stream, remote));
        loop {
            match timeout(PATIENCE, &mut handshake).await {
                Ok(done) => return done,
                Err(_) if inner.waiting.get() > 0 => return Err(HandshakeError::Timeout),
                Err(_) => {}
            }
        }
    }
}

/// One connection that waits for room.
struct Waiting<'a>(&'a Cell<usize>);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
