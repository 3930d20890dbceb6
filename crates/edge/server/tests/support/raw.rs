//! Calls by path with encoded messages, and with whatever token.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, BufMut as _, Bytes};
use hyper_util::rt::TokioIo;
use prost::Message;
use proto::etcdserverpb::{AuthenticateRequest, AuthenticateResponse};
use tls::{ClientStream, ClientTls};
use tokio::net::TcpStream;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::Service;
use tonic::codegen::http::Uri;
use tonic::transport::Channel;
use tonic::{Request, Status};

/// Bytes are messages already.
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, dst: &mut EncodeBuf<'_>) -> Result<(), Status> {
        dst.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, src: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(src.copy_to_bytes(src.remaining())))
    }
}

/// Dials an address and shakes hands.
#[derive(Clone)]
struct Dial {
    address: String,
    tls: ClientTls,
}

/// A connection of somebody with a certificate.
pub(crate) async fn dial(address: &str, tls: &ClientTls) -> io::Result<ClientStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let shaken = tls.connect("localhost", stream).await;
    shaken.map_err(io::Error::other)
}

impl Service<Uri> for Dial {
    type Response = TokioIo<ClientStream<TcpStream>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let Self { address, tls } = self.clone();
        Box::pin(async move { Ok(TokioIo::new(dial(&address, &tls).await?)) })
    }
}

/// A connection without rules of its own.
#[derive(Clone)]
pub(crate) struct RawClient(Channel);

impl RawClient {
    pub(crate) async fn connect(url: &str) -> Self {
        let endpoint = Channel::from_shared(url.to_owned()).unwrap();
        Self(endpoint.connect().await.unwrap())
    }

    /// The same with TLS, to `host:port`.
    pub(crate) async fn secured(address: &str, tls: ClientTls) -> Self {
        let dial = Dial {
            address: address.to_owned(),
            tls,
        };
        let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
        Self(endpoint.connect_with_connector(dial).await.unwrap())
    }

    /// Calls a method of any kind with one message; the first message of the answer.
    pub(crate) async fn call(
        &self,
        service: &str,
        method: &str,
        token: Option<&str>,
        message: Bytes,
    ) -> Result<Bytes, Status> {
        let mut grpc = Grpc::new(self.0.clone());
        grpc.ready().await.unwrap();
        // The client goes on listening, as a watcher does.
        let messages = futures_util::stream::iter([message]);
        let mut request = Request::new(messages);
        if let Some(token) = token {
            let metadata = request.metadata_mut();
            metadata.insert("token", token.parse().unwrap());
        }
        let path = format!("/{service}/{method}").parse().unwrap();
        let answers = grpc.streaming(request, path, Raw).await?;
        let first = answers.into_inner().message().await?;
        first.ok_or_else(|| Status::ok("no message"))
    }

    /// A token for a user.
    pub(crate) async fn token(&self, name: &str, password: &str) -> Result<String, Status> {
        let request = AuthenticateRequest {
            name: name.to_owned(),
            password: password.to_owned(),
        };
        let message = request.encode_to_vec().into();
        let answer = self
            .call("etcdserverpb.Auth", "Authenticate", None, message)
            .await?;
        Ok(AuthenticateResponse::decode(answer).unwrap().token)
    }

    /// Calls a method and decodes what it answers.
    pub(crate) async fn ask<R: Message + Default>(
        &self,
        (service, method): (&str, &str),
        token: Option<&str>,
        message: &impl Message,
    ) -> Result<R, String> {
        let answer = self
            .call(service, method, token, message.encode_to_vec().into())
            .await;
        let answer = answer.map_err(|status| status.message().to_owned())?;
        Ok(R::decode(answer).unwrap())
    }
}
