//! Listening sockets, and the dealing of what they accept.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs as _},
    os::unix::net as unix,
    path::{Path, PathBuf},
    time::Duration,
};

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use crate::address::ListenAddress;

/// Connections that may wait to be accepted; the kernel lowers it to its own limit.
const BACKLOG: i32 = 4096;
/// TCP keepalive of client connections.
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);

/// What a port serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortKind {
    /// gRPC and HTTP, told apart by the first bytes.
    Shared,
    /// gRPC only; anything else is closed.
    GrpcOnly,
    /// HTTP only.
    HttpOnly,
    /// HTTP without access control, for metrics and health only.
    Metrics,
    /// HTTP without access control, for the other members.
    Peer,
}

/// How listening sockets are made.
#[derive(Clone, Copy, Debug, Default)]
pub struct SocketOptions {
    /// `--socket-reuse-port`: other processes may listen on the same port.
    pub reuse_port: bool,
}

/// A URL could not be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct BindError {
    /// The URL.
    pub address: ListenAddress,
    /// What the system said.
    pub source: io::Error,
}

/// A bound socket. A unix socket's file is removed when this is dropped.
#[derive(Debug)]
pub struct Listener {
    socket: ListenSocket,
    address: ListenAddress,
    file: Option<SocketFile>,
}

#[derive(Debug)]
pub(crate) enum ListenSocket {
    Tcp(std::net::TcpListener),
    Unix(unix::UnixListener),
}

/// Removes a unix socket's file.
#[derive(Debug)]
pub(crate) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Nobody is left who could be told.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Listener {
    /// Binds and listens; connections wait until the listener is served.
    ///
    /// # Errors
    /// [`BindError`] naming the URL.
    pub fn bind(address: &ListenAddress, options: SocketOptions) -> Result<Self, BindError> {
        let bound = match address {
            ListenAddress::Tcp { host, port, tls } => {
                bind_tcp(host, *port, options).and_then(|socket| {
                    let port = socket.local_addr()?.port();
                    let (host, tls) = (host.clone(), *tls);
                    Ok(Self {
                        socket: ListenSocket::Tcp(socket),
                        address: ListenAddress::Tcp { host, port, tls },
                        file: None,
                    })
                })
            }
            ListenAddress::Unix { path, .. } => bind_unix(path).map(|socket| Self {
                socket: ListenSocket::Unix(socket),
                address: address.clone(),
                file: Some(SocketFile(path.clone())),
            }),
        };
        bound.map_err(|source| BindError {
            address: address.clone(),
            source,
        })
    }

    /// The URL that is listened on, with the port that the system chose.
    #[must_use]
    pub fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// The socket, and the guard of its file.
    pub(crate) fn into_parts(self) -> (ListenSocket, Option<SocketFile>) {
        (self.socket, self.file)
    }
}

fn bind_tcp(host: &str, port: u16, options: SocketOptions) -> io::Result<std::net::TcpListener> {
    let address = resolve(host, port)?;
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking().cloexec(),
        Some(Protocol::TCP),
    )?;
    // A restart must not wait for old connections to time out.
    socket.set_reuse_address(true)?;
    if options.reuse_port {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() {
        // The IPv6 wildcard also takes IPv4 connections, whatever the system's default.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The address of a host; of several, the first of IPv4.
fn resolve(host: &str, port: u16) -> io::Result<SocketAddr> {
    let all: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
    let first = all.iter().find(|address| address.is_ipv4()).or(all.first());
    first
        .copied()
        .ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}

/// Takes the place of a socket file that an earlier process left.
fn bind_unix(path: &Path) -> io::Result<unix::UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = unix::UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Replies must not wait for delayed acknowledgements, and dead peers must be found.
pub(crate) fn prepare(stream: &std::net::TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(TCP_KEEPALIVE)
        .with_interval(TCP_KEEPALIVE);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Port 0 must be told, and a second listener be refused unless sharing was asked for.
    #[test]
    fn binds() {
        let any: ListenAddress = "http://127.0.0.1:0".parse().unwrap();
        let first = Listener::bind(&any, SocketOptions::default()).unwrap();
        let taken = first.address().clone();
        assert!(!matches!(taken, ListenAddress::Tcp { port: 0, .. }));
        let error = Listener::bind(&taken, SocketOptions::default()).unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(error.to_string(), format!("cannot listen on {taken}"));

        let sharing = SocketOptions { reuse_port: true };
        let shared = Listener::bind(&any, sharing).unwrap();
        Listener::bind(shared.address(), sharing).unwrap();
    }

    /// A file left by a killed process must not keep the next one from starting.
    #[test]
    fn unix_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("localhost:1");
        let address: ListenAddress = format!("unix://{}", path.display()).parse().unwrap();
        std::mem::forget(Listener::bind(&address, SocketOptions::default()).unwrap());
        assert!(path.exists());
        drop(Listener::bind(&address, SocketOptions::default()).unwrap());
        assert!(!path.exists());
    }
}
