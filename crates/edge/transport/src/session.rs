//! One HTTP/1 connection to another member.

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header::HOST};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rpc::ListenAddress;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use crate::body::RequestBody;
use crate::client::ClientError;
use crate::connect::Connector;

/// An open connection that carries one request at a time.
pub(crate) struct Session {
    sender: http1::SendRequest<RequestBody>,
    host: HeaderValue,
}

impl Session {
    /// Connects; the connection lives as long as the session or the answer that it brings.
    pub(crate) async fn open(
        connector: &Connector,
        address: &ListenAddress,
        dial_timeout: Duration,
    ) -> Result<Self, ClientError> {
        let stream = connector
            .connect(address, dial_timeout)
            .await
            .map_err(|source| ClientError::Connect {
                address: address.clone(),
                source,
            })?;
        let (sender, connection) = http1::Builder::new()
            .title_case_headers(true)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(ClientError::Http)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                // Whoever waits for the answer is told; nobody else has to know.
                tracing::debug!(%error, "connection to a member ended");
            }
        });
        Ok(Self {
            sender,
            host: host_of(address),
        })
    }

    /// Whether another request may be sent.
    pub(crate) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Sends a request; returns the head of the answer.
    pub(crate) async fn send(
        &mut self,
        mut request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, ClientError> {
        request.headers_mut().insert(HOST, self.host.clone());
        self.sender.ready().await.map_err(ClientError::Http)?;
        let sent = self.sender.send_request(request).await;
        sent.map_err(ClientError::Http)
    }
}

fn host_of(address: &ListenAddress) -> HeaderValue {
    let text = address.to_string();
    let host = text.split_once("://").map_or("", |(_, host)| host);
    let host = match address {
        ListenAddress::Tcp { .. } => host,
        ListenAddress::Unix { .. } => "localhost",
    };
    HeaderValue::from_str(host).unwrap_or_else(|_| HeaderValue::from_static("localhost"))
}

/// The next piece of an answer's body.
pub(crate) async fn next_piece(body: &mut Incoming) -> Option<Result<Bytes, ClientError>> {
    loop {
        let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?;
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(data)) => return Some(Ok(data)),
            Ok(Err(_)) => {}
            Err(error) => return Some(Err(ClientError::Http(error))),
        }
    }
}

/// A whole body that is no longer than `bytes_max`.
pub(crate) async fn read_body(mut body: Incoming, bytes_max: usize) -> Result<Bytes, ClientError> {
    let mut all = Vec::new();
    while let Some(piece) = next_piece(&mut body).await {
        let piece = piece?;
        if all.len() + piece.len() > bytes_max {
            return Err(ClientError::TooLarge { bytes_max });
        }
        all.extend_from_slice(&piece);
    }
    Ok(all.into())
}
