//! What a client needs to know before its first call.

use std::time::Duration;

/// Who the client is, when the server asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Nobody: calls carry no token.
    #[default]
    None,
    /// A user that logs in, and again when its token has run out.
    Password {
        /// The user's name.
        name: String,
        /// The user's password.
        password: String,
    },
    /// A token that was made elsewhere; it is sent as it is.
    Token(String),
}

/// Settings of a [`Client`](crate::Client), with etcd's defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The members to call, in any form that [`Endpoint`](crate::Endpoint) reads.
    pub endpoints: Vec<String>,
    /// How long one attempt to connect, and a login, may take.
    pub dial_timeout: Duration,
    /// How long a connection with open calls may be silent before it is probed; zero for ever.
    pub keepalive_time: Duration,
    /// How long a probe may stay unanswered before the connection counts as lost.
    pub keepalive_timeout: Duration,
    /// Whether connections without open calls are probed, too.
    pub keepalive_without_calls: bool,
    /// The largest message to send, in bytes.
    pub send_bytes_max: usize,
    /// The largest message to receive, in bytes.
    pub receive_bytes_max: usize,
    /// Who the client is.
    pub credentials: Credentials,
    /// What is shown to, and believed of, endpoints with TLS.
    pub tls: tls::ClientFiles,
    /// Whether endpoints without a scheme have TLS.
    pub tls_by_default: bool,
}

/// The default of [`Config::send_bytes_max`]: what a server with default limits receives.
const SEND_BYTES_MAX: usize = proto::limits::MAX_REQUEST_BYTES + proto::limits::GRPC_OVERHEAD_BYTES;

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoints: vec!["127.0.0.1:2379".to_owned()],
            dial_timeout: Duration::from_secs(2),
            keepalive_time: Duration::from_secs(2),
            keepalive_timeout: Duration::from_secs(6),
            keepalive_without_calls: false,
            send_bytes_max: SEND_BYTES_MAX,
            receive_bytes_max: i32::MAX as usize,
            credentials: Credentials::None,
            tls: tls::ClientFiles::default(),
            tls_by_default: false,
        }
    }
}
