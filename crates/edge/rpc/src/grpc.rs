//! From an HTTP/2 request to a handler and back.

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::Poll,
};

use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode,
    header::{CONTENT_TYPE, HeaderName},
};
use hyper::body::Incoming;
use proto::error::Code;
use tokio::time::Instant;

use crate::{
    answers::Answers,
    body::{Content, ResponseBody, StreamBody},
    call::Call,
    compression::{self, GRPC_ENCODING, GZIP},
    deadline,
    drain::{Drain, OpenCall},
    frame::{Framed, Reader},
    handler::Handler,
    inbound::Inbound,
    metrics::{CallMetrics, Counted},
    peer::Peer,
    status::Status,
    table::Table,
};

pub(crate) const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
pub(crate) const UNKNOWN_VERSION: &str = "unknown";

/// What the gRPC calls of one thread share.
pub(crate) struct Service<G> {
    pub(crate) handler: Rc<G>,
    pub(crate) table: Table,
    pub(crate) metrics: Arc<CallMetrics>,
    pub(crate) drain: Drain,
    pub(crate) message_bytes_max: usize,
}

/// A call that was refused before its handler was asked.
struct Refusal {
    http: StatusCode,
    content_type: HeaderValue,
    status: Status,
}

/// What the head of a request says about its framing.
struct Head {
    content_type: HeaderValue,
    gzip: bool,
    deadline: Option<Instant>,
}

/// The future of one call. hyper moves it several times before it runs, so it is a pointer.
type Running = Pin<Box<dyn Future<Output = Response<Content>>>>;

impl<G: Handler> Service<G> {
    /// Answers one request.
    pub(crate) fn serve(
        self: &Rc<Self>,
        peer: &Rc<Peer>,
        open: OpenCall,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<ResponseBody>, Infallible>> + use<G> {
        let started = self.start(peer, request);
        async move {
            let response = match started {
                Ok(running) => running.await,
                Err(refusal) => refused(&refusal),
            };
            Ok(response.map(|content| ResponseBody::new(content, open)))
        }
    }

    /// Starts a call, or says at once why not.
    fn start(
        self: &Rc<Self>,
        peer: &Rc<Peer>,
        request: Request<Incoming>,
    ) -> Result<Running, Refusal> {
        let (parts, body) = request.into_parts();
        let head = read_head(&parts)?;
        let method = self
            .table
            .find(parts.uri.path())
            .map_err(|status| Refusal {
                http: StatusCode::OK,
                content_type: head.content_type.clone(),
                status,
            })?;
        let call = Call {
            method,
            headers: parts.headers,
            peer: Rc::clone(peer),
            deadline: head.deadline,
            drain: self.drain.clone(),
            notes: None,
            is_inner: false,
        };
        let streaming = self.count_client(&call);
        let reader = Reader::new(body, head.gzip, self.message_bytes_max);
        Ok(if streaming {
            Box::pin(self.stream(head, call, reader))
        } else {
            Box::pin(self.unary(head, call, reader))
        })
    }

    /// Counts a call by its client's version; whether it is a stream.
    pub(crate) fn count_client(&self, call: &Call) -> bool {
        let described = self.table.method(call.method);
        let streaming = described.client_streaming || described.server_streaming;
        if let Ok(version) = call.client_api_version() {
            let version = version.unwrap_or(UNKNOWN_VERSION);
            self.metrics.client_request(streaming, version);
        }
        streaming
    }

    fn unary(
        self: &Rc<Self>,
        head: Head,
        call: Call,
        mut reader: Reader,
    ) -> impl Future<Output = Response<Content>> + use<G> {
        let handler = Rc::clone(&self.handler);
        let mut counted = Counted::start(&self.metrics, call.method);
        async move {
            let result = {
                let work = async {
                    let request = only_message(&mut reader).await?;
                    counted.received(request.len());
                    handler.unary(call, request).await
                };
                deadline::before(head.deadline, pin!(work)).await
            };
            let framed = result.and_then(|message| {
                let bytes = message.len();
                Ok((bytes, Framed::new(message, head.gzip)?))
            });
            match framed {
                Ok((bytes, framed)) => {
                    counted.sent(bytes);
                    counted.end(Code::Ok);
                    response(head.content_type, head.gzip, Content::Reply(framed))
                }
                Err(status) => {
                    counted.end(status.code);
                    trailers_only(head.content_type, &status)
                }
            }
        }
    }

    fn stream(
        self: &Rc<Self>,
        head: Head,
        call: Call,
        reader: Reader,
    ) -> impl Future<Output = Response<Content>> + use<G> {
        let method = call.method;
        let counted = Counted::start(&self.metrics, method);
        let inbound = Inbound::wire(reader, Arc::clone(&self.metrics), method);
        let answers = Answers::start(&self.handler, call, inbound, Some(counted));
        let mut body = Box::new(StreamBody::new(answers, head.gzip));
        async move {
            match poll_fn(|cx| Poll::Ready(body.open(cx))).await {
                Ok(()) => response(head.content_type, head.gzip, Content::Stream(body)),
                Err(status) => trailers_only(head.content_type, &status),
            }
        }
    }
}

/// The one message of a unary call. What follows it is ignored.
async fn only_message(reader: &mut Reader) -> Result<bytes::Bytes, Status> {
    match poll_fn(|cx| reader.poll_next(cx)).await {
        Some(message) => message,
        None => Err(Status::new(
            Code::Internal,
            "cardinality violation: received no request message from non-client-streaming RPC",
        )),
    }
}

fn read_head(parts: &http::request::Parts) -> Result<Head, Refusal> {
    let headers = &parts.headers;
    let content_type = content_type(headers.get(CONTENT_TYPE))?;
    if parts.method != http::Method::POST {
        return Err(Refusal {
            http: StatusCode::METHOD_NOT_ALLOWED,
            content_type,
            status: Status::new(
                Code::Internal,
                format!(
                    "Received a HEADERS frame with :method {:?} which should be POST",
                    parts.method.as_str()
                ),
            ),
        });
    }
    let deadline = match headers.get(GRPC_TIMEOUT) {
        None => None,
        Some(value) => match deadline::parse_timeout(value.as_bytes()) {
            Ok(timeout) => Some(Instant::now() + timeout),
            Err(status) => {
                return Err(Refusal {
                    http: StatusCode::BAD_REQUEST,
                    content_type,
                    status,
                });
            }
        },
    };
    let gzip = match headers.get(GRPC_ENCODING) {
        None => false,
        Some(encoding) => compression::is_gzip(encoding).map_err(|status| Refusal {
            http: StatusCode::OK,
            content_type: content_type.clone(),
            status,
        })?,
    };
    Ok(Head {
        content_type,
        gzip,
        deadline,
    })
}

/// The content type to answer with: the request's own, if it is gRPC.
fn content_type(value: Option<&HeaderValue>) -> Result<HeaderValue, Refusal> {
    let bytes = value.map_or(&b""[..], HeaderValue::as_bytes);
    match bytes.strip_prefix(b"application/grpc") {
        Some(b"") => Ok(GRPC),
        Some([b'+', ..]) => Ok(value.cloned().unwrap_or(GRPC)),
        Some([b';', ..]) => Ok(GRPC),
        _ => Err(Refusal {
            http: StatusCode::UNSUPPORTED_MEDIA_TYPE,
            content_type: GRPC,
            status: Status::new(
                Code::InvalidArgument,
                format!(
                    "invalid gRPC request content-type {:?}",
                    String::from_utf8_lossy(bytes)
                ),
            ),
        }),
    }
}

fn response(content_type: HeaderValue, gzip: bool, body: Content) -> Response<Content> {
    let mut headers = HeaderMap::with_capacity(3);
    headers.insert(CONTENT_TYPE, content_type);
    if gzip {
        headers.insert(GRPC_ENCODING, GZIP);
    }
    let mut response = Response::new(body);
    *response.headers_mut() = headers;
    response
}

/// A response that is only a head, with the status in it.
fn trailers_only(content_type: HeaderValue, status: &Status) -> Response<Content> {
    let mut response = response(content_type, false, Content::Empty);
    status.write_to(response.headers_mut());
    response
}

fn refused(refusal: &Refusal) -> Response<Content> {
    let mut response = trailers_only(refusal.content_type.clone(), &refusal.status);
    *response.status_mut() = refusal.http;
    response
}
