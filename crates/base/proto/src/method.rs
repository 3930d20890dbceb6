//! The table of all methods, in the order of the `.proto` files.

/// One method of one service; the HTTP/2 path is `/{service}/{name}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    /// Package and service: `etcdserverpb.KV`.
    pub service: &'static str,
    /// The method: `Range`.
    pub name: &'static str,
    /// Whether the client sends a stream.
    pub client_streaming: bool,
    /// Whether the server answers with a stream.
    pub server_streaming: bool,
}

/// Every method that the server registers.
pub use table::METHODS;

#[allow(missing_docs, reason = "generated")]
mod table {
    use super::Method;
    include!("gen/methods.rs");
}
