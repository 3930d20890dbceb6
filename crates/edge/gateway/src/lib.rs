//! The v3 API as JSON: what `curl` and browsers speak, answered by the calls that gRPC clients make.
//!
//! ```text
//! POST /v3/kv/range {"key":"Zm9v"} ─▶ routes ─▶ decode ─▶ rpc::Calls ─▶ encode ─▶ {"kvs":[…]}
//! ```
//!
//! A request's JSON becomes the bytes of the method's message, and the bytes of the answer become
//! JSON, by the tables of [`proto::descriptor`]: no message has code of its own here. The call goes
//! through [`rpc::Calls`], the same door as those that come by HTTP/2, with the same metadata, so that
//! every check holds here too. A streaming method answers one line of JSON for each message.
//!
//! What clients send is bounded: the body by twice the largest message (base64 is longer than what it
//! encodes), nesting by [`decode::DEPTH_MAX`]. A client that does not read makes the call wait.

pub mod decode;
pub mod encode;
mod metadata;
pub mod openapi;
mod reply;
mod requests;
mod routes;
mod split;

use std::future::poll_fn;

use bytes::Bytes;
use http::{Method, StatusCode};
use proto::error::Code;
use rpc::{Answers, Call, HttpBody, HttpRequest, HttpResponse, Inbound, Status, Upload};

pub use routes::{Route, Routes};

/// What the paths of the API begin with.
const PREFIX: &str = "/v3/";

/// Answers the JSON requests of one connection thread.
pub struct Gateway {
    routes: Routes,
    body_bytes_max: usize,
}

impl Gateway {
    /// A gateway for messages of at most so many bytes.
    #[must_use]
    pub fn new(message_bytes_max: usize) -> Self {
        Self {
            routes: Routes::new(),
            body_bytes_max: message_bytes_max.saturating_mul(2),
        }
    }

    /// Whether a path is one of the API, known or not.
    #[must_use]
    pub fn serves(path: &str) -> bool {
        path.starts_with(PREFIX) || path == PREFIX.trim_end_matches('/')
    }

    /// Answers a request of a path that it serves; the body is an upload.
    pub async fn answer(&self, request: HttpRequest) -> HttpResponse {
        let Some(route) = self.routes.find(request.uri.path()) else {
            return reply::not_found();
        };
        if request.method != Method::POST {
            return reply::not_allowed();
        }
        let upload = request.upload;
        let call = metadata::of(&request.headers)
            .and_then(|metadata| request.calls.call(&route.rpc, metadata, &request.peer));
        match call {
            Err(status) => reply::error(&status),
            Ok(call) if route.client_streaming => {
                let inbound = requests::inbound(upload, route.request, self.body_bytes_max);
                streamed(request.calls.stream(call, inbound), route).await
            }
            Ok(call) => {
                let message = match self.message(upload, route).await {
                    Ok(message) => message,
                    Err(status) => return reply::error(&status),
                };
                if route.server_streaming {
                    let answers = request.calls.stream(call, Inbound::once(message));
                    return streamed(answers, route).await;
                }
                unary(&*request.calls, call, message, route).await
            }
        }
    }

    /// The one message of a request; no body at all is the empty message.
    async fn message(&self, upload: Option<Upload>, route: &Route) -> Result<Bytes, Status> {
        let Some(mut upload) = upload else {
            return Ok(Bytes::new());
        };
        let bytes_max = self.body_bytes_max as u64;
        let body = upload
            .read_all(bytes_max)
            .await
            .map_err(requests::refusal)?;
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Bytes::new());
        }
        let message = decode::message(route.request, &body);
        message
            .map(Bytes::from)
            .map_err(|error| requests::invalid(&error))
    }
}

async fn unary(calls: &dyn rpc::Calls, call: Call, message: Bytes, route: &Route) -> HttpResponse {
    let answer = match calls.unary(call, message).await {
        Ok(answer) => answer,
        Err(status) => return reply::error(&status),
    };
    let mut text = String::new();
    match encode::message(route.answer, &answer, &mut text) {
        Ok(()) => reply::json(StatusCode::OK, text.into()),
        Err(error) => reply::error(&Status::new(Code::Internal, error.to_string())),
    }
}

/// Answers line by line. The status of the response is known with the first answer.
async fn streamed(mut answers: Answers, route: &'static Route) -> HttpResponse {
    let opened = poll_fn(|cx| std::task::Poll::Ready(answers.open(cx))).await;
    let first = match opened {
        Ok(()) => answers.next().await,
        Err(status) => Some(Err(status)),
    };
    let first = match first {
        Some(Err(status)) => return reply::first_error(&status),
        None => return reply::nothing(),
        Some(Ok(message)) => message,
    };
    reply::lines(HttpBody::streamed(|outbound| async move {
        let mut next = Some(Ok(first));
        while let Some(answer) = next {
            let (line, is_last) = match answer.and_then(|message| line(route, &message)) {
                Ok(line) => (line, false),
                Err(status) => (reply::error_line(&status), true),
            };
            // A client that went away has dropped this body.
            if outbound.send(line).await.is_err() || is_last {
                break;
            }
            next = answers.next().await;
        }
        Ok(())
    }))
}

/// `{"result":…}` and a line end.
fn line(route: &Route, message: &[u8]) -> Result<Bytes, Status> {
    let mut text = String::with_capacity(message.len() * 2);
    text.push_str("{\"result\":");
    encode::message(route.answer, message, &mut text)
        .map_err(|error| Status::new(Code::Internal, error.to_string()))?;
    text.push_str("}\n");
    Ok(text.into())
}
