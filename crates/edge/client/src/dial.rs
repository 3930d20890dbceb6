//! Connections with TLS, for the library that speaks HTTP/2 on them.

use std::future::{Future, Ready, ready};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::rt::TokioIo;
use tls::{ClientStream, ClientTls};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tonic::codegen::Service;

use crate::endpoint::{Endpoint, EndpointError, Target};

/// Dials one endpoint and shakes hands.
#[derive(Clone, Debug)]
pub(crate) struct Dial {
    pub(crate) endpoint: Endpoint,
    pub(crate) tls: ClientTls,
}

/// Any encrypted stream.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for ClientStream<S> {}

type Dialling = Pin<Box<dyn Future<Output = io::Result<TokioIo<Box<dyn Stream>>>> + Send>>;

impl Dial {
    async fn dial(self) -> io::Result<TokioIo<Box<dyn Stream>>> {
        let name = self.endpoint.server_name();
        let stream: Box<dyn Stream> = match self.endpoint.target() {
            Target::Tcp(authority) => {
                let stream = TcpStream::connect(authority.as_str()).await?;
                stream.set_nodelay(true)?;
                Box::new(self.shake(name, stream).await?)
            }
            Target::Unix(path) => {
                let stream = UnixStream::connect(path).await?;
                Box::new(self.shake(name, stream).await?)
            }
            Target::Nowhere(reason) => return Err(io::Error::other(reason.clone())),
        };
        Ok(TokioIo::new(stream))
    }

    async fn shake<S>(&self, name: &str, stream: S) -> io::Result<ClientStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let shaken = self.tls.connect(name, stream).await;
        shaken.map_err(io::Error::other)
    }
}

/// Dials what cannot be dialled: it fails, and says why.
#[derive(Clone, Debug)]
pub(crate) struct Nowhere(pub(crate) EndpointError);

impl Service<Uri> for Nowhere {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Ready<io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        ready(Err(io::Error::other(self.0.clone())))
    }
}

/// The address is the endpoint's own, whatever the library asks for.
impl Service<Uri> for Dial {
    type Response = TokioIo<Box<dyn Stream>>;
    type Error = io::Error;
    type Future = Dialling;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Dialling {
        Box::pin(self.clone().dial())
    }
}
