//! What is answered on one HTTP/2 connection: gRPC, or plain HTTP where TLS is spoken.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use http::Response;
use hyper::body::{Body, Frame, SizeHint};

use crate::{
    access::Origin,
    body::ResponseBody,
    drain::OpenCall,
    frame::Framed,
    http_body::{Aborted, HttpBody},
    http1::HttpResponse,
};

/// An answer in the making.
pub(crate) enum Answer<G, H> {
    Grpc(G, Option<Origin>),
    Http(H, OpenCall),
}

impl<G, H> Answer<G, H>
where
    G: Future<Output = Result<Response<ResponseBody>, Infallible>>,
    H: Future<Output = Result<HttpResponse, Infallible>>,
{
    pub(crate) async fn run(self) -> Result<Response<EitherBody>, Infallible> {
        Ok(match self {
            Self::Grpc(answer, origin) => {
                let mut response = answer.await?;
                if let Some(origin) = origin {
                    origin.admit(response.headers_mut());
                }
                response.map(EitherBody::Grpc)
            }
            Self::Http(answer, open) => answer.await?.map(|body| EitherBody::Http(body, open)),
        })
    }
}

/// The body of either.
pub(crate) enum EitherBody {
    Grpc(ResponseBody),
    /// The call is open until its body is sent.
    Http(
        HttpBody,
        #[expect(dead_code, reason = "it counts by living")] OpenCall,
    ),
}

impl Body for EitherBody {
    type Data = Framed;
    type Error = Aborted;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Framed>, Aborted>>> {
        match &mut *self {
            Self::Grpc(body) => Pin::new(body)
                .poll_frame(cx)
                .map_err(|never| match never {}),
            Self::Http(body, _) => Pin::new(body)
                .poll_frame(cx)
                .map_ok(|frame| frame.map_data(Framed::bare)),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Grpc(body) => body.is_end_stream(),
            Self::Http(body, _) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Grpc(body) => body.size_hint(),
            Self::Http(body, _) => body.size_hint(),
        }
    }
}
