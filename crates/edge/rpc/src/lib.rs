//! The transport of the client API: sockets, HTTP/1, HTTP/2 and gRPC framing.
//!
//! It knows nothing of what the calls mean. A [`Handler`] answers gRPC calls, given as encoded
//! messages; an [`HttpHandler`] answers the plain HTTP endpoints. One handler of each lives on every
//! connection thread ([`Threads`]), so that nothing on the way of a call is locked or sent.
//!
//! ```text
//! Listener ─ accept ─▶ connection thread ─ peek ─▶ HTTP/2 ─▶ Handler::unary | Handler::stream
//!                                            └───▶ HTTP/1 ─▶ AccessControl ─▶ HttpHandler
//! ```
//!
//! hyper is the HTTP/2 engine. A call's future runs in the task that hyper makes for its stream and
//! is dropped when the client resets the stream. Streams are answered by the future that the body
//! of the response drives, so a client that does not read holds up nobody but itself.

mod access;
mod address;
mod answers;
mod arrival;
mod authority;
mod body;
mod call;
mod coalesced;
mod compression;
mod connection;
mod deadline;
mod drain;
mod either;
mod frame;
mod frames;
mod grpc;
mod handler;
mod http1;
mod http_body;
mod inbound;
mod listen;
mod local;
mod metrics;
mod notes;
mod outbound;
mod peer;
mod pings;
mod prefixed;
mod security;
mod stalled;
mod status;
mod table;
mod threads;
mod websocket;
mod young;

pub use access::{AccessControl, Allowed};
pub use address::{AddressError, ListenAddress};
pub use answers::Answers;
pub use call::{Call, InvalidMetadata, MethodId};
pub use handler::{Handler, Services};
pub use http_body::{Aborted, HttpBody, Upload, UploadError};
pub use http1::{HttpHandler, HttpRequest, HttpResponse, replies};
pub use inbound::{Inbound, NextMessage};
pub use listen::{BindError, Listener, PortKind, SocketOptions};
pub use local::{Calls, Reply};
pub use metrics::{CallMetrics, Metrics, Timing};
pub use notes::{Noted, Notes};
pub use outbound::{Closed, Outbound};
pub use peer::{Peer, PeerAddress};
pub use security::Security;
pub use status::Status;
pub use threads::{Config, Keepalive, StartError, Threads};
