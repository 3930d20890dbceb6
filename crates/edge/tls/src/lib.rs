//! TLS as etcd's files and flags describe it, on both sides of a connection.
//!
//! ```text
//! ServerFiles ─▶ ServerTls::accept(stream)        ─▶ TLS stream, Identity of the verified client
//! ClientFiles ─▶ ClientTls::connect(host, stream) ─▶ TLS stream
//! ```
//!
//! The engine is rustls over ring. Files are looked at before each handshake and read again when one
//! of them has changed, so that renewing a certificate needs no restart; connections that stand are
//! left alone. Sessions are never resumed: every connection shows its certificate again, and a
//! revoked one is refused. Handshakes have a deadline. Nothing here opens a socket.
//!
//! What etcd's TLS can and this cannot: versions below 1.2, cipher suites without forward secrecy or
//! with CBC, RSA keys below 2048 bits, certificates of version 1 but those of clients that an authority
//! of the file itself has signed.

mod allowed;
mod client;
mod error;
mod files;
mod first_version;
mod fresh;
mod identity;
mod p521;
mod remote;
mod revoked;
mod self_signed;
mod server;
mod settings;
mod trusted;
mod verify;

pub use allowed::Allowed;
pub use client::{ClientFiles, ClientStream, ClientTls};
pub use error::{HandshakeError, TlsError};
pub use files::Pair;
pub use identity::Identity;
pub use self_signed::{SelfSigned, SelfSignedError};
pub use server::{HANDSHAKE_TIMEOUT, ServerFiles, ServerStream, ServerTls};
pub use settings::{SettingsError, Suites, Version, Versions};
