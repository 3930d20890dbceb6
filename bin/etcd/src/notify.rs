//! Telling the service manager that the member is ready.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::failure::GoIo;
use crate::logging::Logger;
use crate::logging::field::fields;

/// Sends `READY=1` to the socket that `NOTIFY_SOCKET` names, if there is one.
pub(crate) fn ready(log: &Logger) {
    log.info("notifying init daemon", &[]);
    let sent = std::env::var_os("NOTIFY_SOCKET").map_or(Ok(()), |name| send(&name));
    match sent {
        Ok(()) => log.info("successfully notified init daemon", &[]),
        Err(error) => {
            let fields = fields!["error" => GoIo(&error).to_string()];
            log.error("failed to notify systemd for readiness", fields);
        }
    }
}

fn send(name: &OsStr) -> io::Result<()> {
    // An at sign stands for the zero byte of an abstract name.
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(abstract_name) => SocketAddr::from_abstract_name(abstract_name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    UnixDatagram::unbound()?
        .send_to_addr(b"READY=1", &address)
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Units of type notify wait for this datagram.
    #[test]
    fn the_manager_hears() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        send(path.as_os_str()).unwrap();
        let mut buffer = [0; 16];
        let len = manager.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], b"READY=1");
        assert!(send(dir.path().join("none").as_os_str()).is_err());
    }
}
