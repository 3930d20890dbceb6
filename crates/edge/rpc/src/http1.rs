//! The plain HTTP endpoints: the boundary to who answers them, and the replies of Go's library.

use std::{convert::Infallible, rc::Rc, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;

use crate::{
    access::{AccessControl, Decision},
    drain::Drains,
    http_body::{HttpBody, Upload},
    listen::PortKind,
    local::Calls,
    peer::Peer,
    websocket::{self, Place, Socket},
};

/// What is answered to a plain HTTP request.
pub type HttpResponse = Response<HttpBody>;

/// A plain HTTP request, read completely unless the handler takes its body as an upload.
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// Path and query; `/v3beta/` is already rewritten.
    pub uri: Uri,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; empty when it is an upload.
    pub body: Bytes,
    /// The body as it arrives, where [`HttpHandler::takes_upload`] asked for it. What a client says on
    /// a WebSocket arrives as the body of a POST.
    pub upload: Option<Upload>,
    /// The kind of port that it came by: metrics ports serve fewer paths.
    pub port: PortKind,
    /// Who asks.
    pub peer: Rc<Peer>,
    /// The gRPC calls of the same thread.
    pub calls: Rc<dyn Calls>,
}

impl HttpRequest {
    /// The parameters of the query, decoded, in their order.
    #[must_use]
    pub fn query(&self) -> Vec<(String, String)> {
        query(&self.uri)
    }
}

fn query(uri: &Uri) -> Vec<(String, String)> {
    let query = uri.query().unwrap_or_default();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (form_decoded(name), form_decoded(value))
        })
        .collect()
}

/// Answers the plain HTTP endpoints; one lives on each connection thread.
pub trait HttpHandler: 'static {
    /// Whether the handler reads the body of such a request itself; others are read beforehand and
    /// may not be longer than a message.
    fn takes_upload(&self, port: PortKind, method: &Method, path: &str) -> bool {
        let _ = (port, method, path);
        false
    }

    /// Whether clients may open WebSockets on a path; see [`HttpRequest::upload`].
    fn takes_socket(&self, port: PortKind, path: &str) -> bool {
        let _ = (port, path);
        false
    }

    /// Answers a request.
    fn handle(self: Rc<Self>, request: HttpRequest)
    -> impl Future<Output = HttpResponse> + 'static;
}

/// What the HTTP requests of one thread share.
pub(crate) struct HttpService<W> {
    pub(crate) handler: Rc<W>,
    pub(crate) calls: Rc<dyn Calls>,
    pub(crate) access: Arc<AccessControl>,
    pub(crate) body_bytes_max: usize,
    pub(crate) drains: Drains,
}

impl<W: HttpHandler> HttpService<W> {
    /// Answers one request.
    pub(crate) async fn serve(
        self: Rc<Self>,
        port: PortKind,
        peer: Rc<Peer>,
        mut request: Request<Incoming>,
        place: Option<&Place>,
    ) -> Result<HttpResponse, Infallible> {
        let added = if matches!(port, PortKind::Metrics | PortKind::Peer) {
            HeaderMap::new()
        } else {
            match self.access.check(&mut request, peer.is_secured()) {
                Decision::Pass(added) => added,
                Decision::Answer(response) => return Ok(response),
            }
        };
        let socket = place.filter(|_| {
            websocket::is_asked(&request) && self.handler.takes_socket(port, request.uri().path())
        });
        let mut response = match socket {
            Some(place) => self.open_socket(port, peer, request, place),
            None => match self.read(port, peer, request).await {
                Ok(request) => Rc::clone(&self.handler).handle(request).await,
                Err(refused) => refused,
            },
        };
        response.body_mut().until_stopped(self.drains.of(port));
        response.headers_mut().extend(added);
        Ok(response)
    }

    /// Puts a socket where the connection finds it once it has answered.
    fn open_socket(
        &self,
        port: PortKind,
        peer: Rc<Peer>,
        mut request: Request<Incoming>,
        place: &Place,
    ) -> HttpResponse {
        let answer = websocket::answer(request.headers(), &self.access);
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return answer;
        }
        let upgraded = hyper::upgrade::on(&mut request);
        let (messages, waiting) = websocket::queue();
        let (mut parts, _) = request.into_parts();
        websocket::authorize(&mut parts.headers);
        let request = HttpRequest {
            method: Method::POST,
            uri: parts.uri,
            headers: parts.headers,
            body: Bytes::new(),
            upload: Some(Upload::messages(waiting)),
            port,
            peer,
            calls: Rc::clone(&self.calls),
        };
        *place.borrow_mut() = Some(Socket::new(upgraded, request, messages));
        answer
    }

    /// Runs a socket until it ends, or the server does.
    pub(crate) async fn talk(&self, port: PortKind, socket: Socket) {
        // Base64 is longer than what it encodes.
        let bytes_max = self.body_bytes_max.saturating_mul(2);
        tokio::select! {
            () = socket.run(Rc::clone(&self.handler), bytes_max) => {}
            () = self.drains.of(port).clone().started() => {}
        }
    }

    async fn read(
        &self,
        port: PortKind,
        peer: Rc<Peer>,
        request: Request<Incoming>,
    ) -> Result<HttpRequest, HttpResponse> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path();
        let (body, upload) = match self.handler.takes_upload(port, &parts.method, path) {
            true => (Bytes::new(), Some(Upload::new(body))),
            false => (self.read_body(body).await?, None),
        };
        Ok(HttpRequest {
            method: parts.method,
            uri: parts.uri,
            headers: parts.headers,
            body,
            upload,
            port,
            peer,
            calls: Rc::clone(&self.calls),
        })
    }

    async fn read_body(&self, body: Incoming) -> Result<Bytes, HttpResponse> {
        match Limited::new(body, self.body_bytes_max).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(replies::error(
                StatusCode::PAYLOAD_TOO_LARGE,
                "http: request body too large",
            )),
            Err(_) => Err(replies::error(StatusCode::BAD_REQUEST, "Bad Request")),
        }
    }
}

/// The replies of Go's HTTP library, byte for byte.
pub mod replies {
    use bytes::Bytes;
    use http::{
        HeaderValue, StatusCode,
        header::{ALLOW, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
    };

    use super::HttpResponse;

    const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

    /// Text with a status.
    #[must_use]
    pub fn plain(status: StatusCode, body: Bytes) -> HttpResponse {
        with_type(status, TEXT, body)
    }

    /// A body of any type.
    #[must_use]
    pub fn with_type(status: StatusCode, content_type: HeaderValue, body: Bytes) -> HttpResponse {
        let mut response = HttpResponse::new(body.into());
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response
    }

    /// Text that browsers may not take for anything else, without an added line end.
    #[must_use]
    pub fn nosniff(status: StatusCode, body: Bytes) -> HttpResponse {
        let mut response = plain(status, body);
        let nosniff = HeaderValue::from_static("nosniff");
        response
            .headers_mut()
            .insert(X_CONTENT_TYPE_OPTIONS, nosniff);
        response
    }

    /// An error text and a line end.
    #[must_use]
    pub fn error(status: StatusCode, text: &str) -> HttpResponse {
        nosniff(status, Bytes::from(format!("{text}\n")))
    }

    /// No such path.
    #[must_use]
    pub fn not_found() -> HttpResponse {
        error(StatusCode::NOT_FOUND, "404 page not found")
    }

    /// The path is only there for `allowed`.
    #[must_use]
    pub fn method_not_allowed(allowed: &'static str) -> HttpResponse {
        let mut response = error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static(allowed));
        response
    }
}

/// Undoes the encoding of forms; what is not well-formed stays as it is.
fn form_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        out.push(match byte {
            b'+' => b' ',
            b'%' => match bytes.get(at..at + 2).and_then(hex_byte) {
                Some(decoded) => {
                    at += 2;
                    decoded
                }
                None => byte,
            },
            _ => byte,
        });
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(digits).ok()?;
    u8::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A misread parameter would hide an alarm from a health check.
    #[test]
    fn parameters() {
        let uri = Uri::from_static("/health?exclude=NOSPACE&exclude=a+b%21&verbose&x=%zz&%");
        let pairs = query(&uri);
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        let want = [
            ("exclude", "NOSPACE"),
            ("exclude", "a b!"),
            ("verbose", ""),
            ("x", "%zz"),
            ("%", ""),
        ];
        assert_eq!(pairs, want);
    }
}
