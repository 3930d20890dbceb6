//! The system's journal: one datagram a line.

use std::io;
use std::os::unix::net::UnixDatagram;

use super::level::Level;

/// Where the journal listens.
const SOCKET: &str = "/run/systemd/journal/socket";

/// A connection to the journal.
#[derive(Debug)]
pub(super) struct Journal {
    socket: UnixDatagram,
    program: String,
}

/// The journal is not there.
#[derive(Debug, thiserror::Error)]
#[error("can't find journal (dial unixgram {SOCKET}: connect: {0})")]
pub(crate) struct NoJournal(#[source] io::Error);

impl Journal {
    /// Connects to the journal.
    pub(super) fn connect() -> Result<Self, NoJournal> {
        let connect = || {
            let socket = UnixDatagram::unbound()?;
            socket.connect(SOCKET)?;
            Ok(socket)
        };
        Ok(Self {
            socket: connect().map_err(NoJournal)?,
            program: program(),
        })
    }

    /// Sends a line.
    pub(super) fn write(&self, level: Level, line: &str) -> io::Result<()> {
        self.socket.send(&self.datagram(level, line)).map(drop)
    }

    fn datagram(&self, level: Level, line: &str) -> Vec<u8> {
        // A value that may hold line feeds follows its length.
        let message = line.trim_end_matches('\n');
        let head = format!(
            "PRIORITY={}\nPACKAGE=etcd\nSYSLOG_IDENTIFIER={}\nMESSAGE\n",
            priority(level),
            self.program
        );
        let mut out = head.into_bytes();
        out.extend((message.len() as u64).to_le_bytes());
        out.extend(message.as_bytes());
        out.push(b'\n');
        out
    }
}

fn program() -> String {
    let path = std::env::args_os().next().unwrap_or_default();
    let name = std::path::Path::new(&path).file_name();
    name.unwrap_or_default().to_string_lossy().into_owned()
}

/// Syslog's number of a level.
fn priority(level: Level) -> u8 {
    match level {
        Level::Debug => 7,
        Level::Info => 6,
        Level::Warn => 4,
        Level::Error => 3,
        Level::Dpanic | Level::Panic | Level::Fatal => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The journal drops a datagram that it cannot read.
    #[test]
    fn datagrams() {
        let (socket, other) = UnixDatagram::pair().unwrap();
        let journal = Journal {
            socket,
            program: "etcd".to_owned(),
        };
        journal.write(Level::Warn, "{\"a\":1}\n").unwrap();
        let mut buffer = [0; 200];
        let len = other.recv(&mut buffer).unwrap();
        let expected = b"PRIORITY=4\nPACKAGE=etcd\nSYSLOG_IDENTIFIER=etcd\nMESSAGE\n\x07\0\0\0\0\0\0\0{\"a\":1}\n";
        assert_eq!(&buffer[..len], expected);
    }
}
