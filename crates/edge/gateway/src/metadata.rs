//! What of a request's headers the call gets to see.

use http::header::{ACCEPT, AUTHORIZATION, HeaderName};
use http::{HeaderMap, HeaderValue};
use proto::error::Code;
use rpc::Status;

/// Headers that become metadata of their own name.
const PREFIX: &str = "grpc-metadata-";
const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// Marks the calls of the gateway: the certificate of a connection names nobody then.
const GATEWAY_ACCEPT: HeaderName = HeaderName::from_static("grpcgateway-accept");
const GATEWAY_AUTHORIZATION: HeaderName = HeaderName::from_static("grpcgateway-authorization");

/// The metadata of the call that a request makes.
pub(crate) fn of(headers: &HeaderMap) -> Result<HeaderMap, Status> {
    let mut metadata = HeaderMap::new();
    for (name, value) in headers {
        if let Some(own) = name.as_str().strip_prefix(PREFIX)
            && !is_reserved(own)
            && let Ok(own) = HeaderName::try_from(own)
        {
            metadata.append(own, value.clone());
        }
    }
    if let Some(value) = headers.get(AUTHORIZATION) {
        metadata.insert(AUTHORIZATION, value.clone());
        metadata.insert(GATEWAY_AUTHORIZATION, value.clone());
    }
    let accept = headers.get(ACCEPT).cloned();
    metadata.insert(
        GATEWAY_ACCEPT,
        accept.unwrap_or(HeaderValue::from_static("*/*")),
    );
    if let Some(value) = headers.get(TIMEOUT) {
        metadata.insert(TIMEOUT, checked_timeout(value)?.clone());
    }
    Ok(metadata)
}

/// Metadata that would change how the call is made, not what is asked.
fn is_reserved(name: &str) -> bool {
    name.starts_with("grpc-") || name.starts_with("grpcgateway-")
}

fn checked_timeout(value: &HeaderValue) -> Result<&HeaderValue, Status> {
    let is_valid = match value.as_bytes().split_last() {
        Some((unit, digits)) => {
            b"HMSmun".contains(unit)
                && (1..=8).contains(&digits.len())
                && digits.iter().all(u8::is_ascii_digit)
        }
        None => false,
    };
    if is_valid {
        return Ok(value);
    }
    let text = String::from_utf8_lossy(value.as_bytes());
    Err(Status::new(
        Code::InvalidArgument,
        format!("invalid grpc-timeout: {text}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A token that is lost on the way locks a client out; a mark that is lost lends it the
    /// identity of a certificate.
    #[test]
    fn headers() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer t"),
            ("grpc-metadata-hasleader", "true"),
            ("grpc-metadata-grpcgateway-accept", "x"),
            ("grpc-timeout", "5S"),
            ("cookie", "secret"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let metadata = of(&headers).unwrap();
        assert_eq!(metadata["authorization"], "Bearer t");
        assert_eq!(metadata["hasleader"], "true");
        assert_eq!(metadata["grpcgateway-accept"], "*/*");
        assert_eq!(metadata["grpc-timeout"], "5S");
        assert_eq!(metadata.len(), 5);
        headers.insert("grpc-timeout", HeaderValue::from_static("5 minutes"));
        let refused = of(&headers).unwrap_err();
        assert_eq!(refused.code, Code::InvalidArgument);
    }
}
