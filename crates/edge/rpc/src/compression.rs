//! gzip, the one encoding that the server takes and answers in.

use std::io::{Read as _, Write as _};

use bytes::{BufMut as _, Bytes, BytesMut};
use flate2::{Compression, bufread::GzDecoder, write::GzEncoder};
use http::{HeaderValue, header::HeaderName};
use proto::error::Code;

use crate::status::Status;

pub(crate) const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
pub(crate) const GZIP: HeaderValue = HeaderValue::from_static("gzip");

/// Whether the messages of a call come (and go) in gzip.
pub(crate) fn is_gzip(encoding: &HeaderValue) -> Result<bool, Status> {
    match encoding.as_bytes() {
        b"" | b"identity" => Ok(false),
        b"gzip" => Ok(true),
        other => Err(Status::new(
            Code::Unimplemented,
            format!(
                "grpc: Decompressor is not installed for grpc-encoding {:?}",
                String::from_utf8_lossy(other)
            ),
        )),
    }
}

/// Compresses a message.
pub(crate) fn gzip(message: &[u8]) -> Bytes {
    let out = BytesMut::with_capacity(message.len() / 2 + 32).writer();
    let mut encoder = GzEncoder::new(out, Compression::fast());
    let written = encoder.write_all(message).and_then(|()| encoder.finish());
    let out = written.expect("writing into memory cannot fail");
    out.into_inner().freeze()
}

/// Decompresses a message that may become `bytes_max` long at most.
pub(crate) fn gunzip(message: &[u8], bytes_max: usize) -> Result<Bytes, Status> {
    let mut out = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    GzDecoder::new(message)
        .take(limit.saturating_add(1))
        .read_to_end(&mut out)
        .map_err(|error| {
            Status::new(
                Code::Internal,
                format!("grpc: failed to decompress the received message: {error}"),
            )
        })?;
    if out.len() > bytes_max {
        return Err(Status::new(
            Code::ResourceExhausted,
            format!("grpc: received message after decompression larger than max {bytes_max}"),
        ));
    }
    Ok(Bytes::from(out))
}
