//! How a server is reached, and single calls to it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::{Buf as _, BytesMut};
use prost::Message;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::http2::{Connection, Ended};
use crate::requests::{PREFIX_BYTES, framed};

/// How long a server may say nothing before the run is given up.
const PATIENCE: Duration = Duration::from_secs(60);
/// Room for what one read brings.
const READ_BYTES: usize = 64 * 1024;

/// A server's address, and what it wants to see.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<TlsConnector>,
    pub(crate) token: Option<String>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// A connection for the calls of one method.
pub(crate) struct Wire {
    stream: Box<dyn Stream>,
    connection: Connection,
    input: BytesMut,
}

impl Target {
    /// A server without TLS and tokens.
    pub(crate) fn plain(address: SocketAddr) -> Self {
        Self {
            address,
            tls: None,
            token: None,
        }
    }

    /// The same server for who has a token.
    pub(crate) fn with_token(&self, token: String) -> Self {
        Self {
            token: Some(token),
            ..self.clone()
        }
    }

    /// Connects, for calls to `path`.
    pub(crate) async fn connect(&self, path: &str) -> Result<Wire> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(stream),
            Some(tls) => {
                let name = ServerName::IpAddress(self.address.ip().into());
                Box::new(tls.connect(name, stream).await?)
            }
        };
        Ok(Wire {
            stream,
            connection: Connection::new(path, self),
            input: BytesMut::with_capacity(READ_BYTES),
        })
    }

    /// Makes one call on a connection of its own.
    pub(crate) async fn call<A: Message + Default>(
        &self,
        path: &str,
        request: &impl Message,
    ) -> Result<A> {
        let mut wire = self.connect(path).await?;
        wire.connection = wire.connection.keeping_answers();
        wire.call(framed(request));
        let mut ended = Vec::new();
        while ended.is_empty() {
            wire.turn(&mut ended).await?;
        }
        ensure!(ended[0].message_bytes.is_some(), "{path} failed");
        Ok(A::decode(&ended[0].answer[PREFIX_BYTES..])?)
    }
}

impl Wire {
    /// Starts a call; its stream.
    pub(crate) fn call(&mut self, message: Vec<u8>) -> u32 {
        self.connection.call(message)
    }

    /// Writes what there is to write and reads what comes.
    pub(crate) async fn turn(&mut self, ended: &mut Vec<Ended>) -> Result<()> {
        let output = self.connection.output();
        if !output.is_empty() {
            self.stream.write_all(output).await?;
            self.stream.flush().await?;
            output.clear();
        }
        self.input.reserve(READ_BYTES);
        let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.input)).await;
        let read = read.context("the server does not answer")??;
        ensure!(read > 0, "the server has closed the connection");
        let taken = self.connection.receive(&self.input, ended)?;
        self.input.advance(taken);
        Ok(())
    }
}
