//! Answers in the shape of grpc-gateway.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use proto::error::Code;
use rpc::{HttpBody, HttpResponse, Status};
use serde_json::Value;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const GRPC_CONTENT_TYPE: HeaderName = HeaderName::from_static("grpc-metadata-content-type");
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// One JSON value.
pub(crate) fn json(status: StatusCode, body: Bytes) -> HttpResponse {
    with_body(status, body.into())
}

/// A stream that has ended without an answer.
pub(crate) fn nothing() -> HttpResponse {
    HttpResponse::default()
}

/// A stream that has begun well.
pub(crate) fn lines(body: HttpBody) -> HttpResponse {
    with_body(StatusCode::OK, body)
}

fn with_body(status: StatusCode, body: HttpBody) -> HttpResponse {
    let mut response = HttpResponse::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(GRPC_CONTENT_TYPE, GRPC);
    response
}

/// A unary call, or a request of any kind before its call, was refused.
pub(crate) fn error(status: &Status) -> HttpResponse {
    refusal(status, Bytes::from(body(status)))
}

/// A streaming call was refused before its first answer: the body is that of later errors.
pub(crate) fn first_error(status: &Status) -> HttpResponse {
    refusal(status, error_line(status))
}

/// The last line of a stream that failed.
pub(crate) fn error_line(status: &Status) -> Bytes {
    format!("{{\"error\":{}}}\n", body(status)).into()
}

pub(crate) fn not_found() -> HttpResponse {
    error(&Status::new(Code::NotFound, "Not Found"))
}

pub(crate) fn not_allowed() -> HttpResponse {
    error(&Status::new(Code::Unimplemented, "Method Not Allowed"))
}

fn refusal(status: &Status, body: Bytes) -> HttpResponse {
    let mut response = json(http_status(status.code), body);
    let headers = response.headers_mut();
    headers.remove(GRPC_CONTENT_TYPE);
    if status.code == Code::Unauthenticated
        && let Ok(text) = HeaderValue::from_str(&status.message)
    {
        headers.insert(WWW_AUTHENTICATE, text);
    }
    response
}

fn body(status: &Status) -> String {
    let code = status.code.number();
    let message = &*status.message;
    if message.is_empty() {
        return format!("{{\"code\":{code}}}");
    }
    format!("{{\"code\":{code},\"message\":{}}}", Value::from(message))
}

fn http_status(code: Code) -> StatusCode {
    let number = match code {
        Code::Ok => 200,
        Code::Cancelled => 499,
        Code::Unknown | Code::Internal | Code::DataLoss => 500,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => 400,
        Code::DeadlineExceeded => 504,
        Code::NotFound => 404,
        Code::AlreadyExists | Code::Aborted => 409,
        Code::PermissionDenied => 403,
        Code::ResourceExhausted => 429,
        Code::Unimplemented => 501,
        Code::Unavailable => 503,
        Code::Unauthenticated => 401,
    };
    StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    use proto::error::Error;

    use super::*;

    /// Clients without gRPC see nothing but these.
    #[test]
    fn refusals() {
        let response = error(&Error::InvalidAuthToken.into());
        assert_eq!(response.status(), 401);
        assert_eq!(
            response.headers()["www-authenticate"],
            "etcdserver: invalid auth token"
        );
        let status = Status::new(Code::Cancelled, "a \"b\"\n");
        assert_eq!(error(&status).status(), 499);
        assert_eq!(
            error_line(&status),
            "{\"error\":{\"code\":1,\"message\":\"a \\\"b\\\"\\n\"}}\n"
        );
    }
}
