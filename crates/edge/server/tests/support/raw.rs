//! Calls by path with encoded messages, and with whatever token.

use bytes::{Buf as _, BufMut as _, Bytes};
use prost::Message;
use proto::etcdserverpb::{AuthenticateRequest, AuthenticateResponse};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
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

/// A connection without rules of its own.
#[derive(Clone)]
pub(crate) struct RawClient(Channel);

impl RawClient {
    pub(crate) async fn connect(url: &str) -> Self {
        let endpoint = Channel::from_shared(url.to_owned()).unwrap();
        Self(endpoint.connect().await.unwrap())
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
