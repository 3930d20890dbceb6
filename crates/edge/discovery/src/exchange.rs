//! Question and answer with name servers: by datagram, and by stream when an answer is long.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::answer::{self, Answer, DATAGRAM_BYTES};
use crate::nameservers::Nameservers;
use crate::record::Target;

/// Why a name has no records.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// The name cannot be one.
    #[error("lookup {name}: invalid domain name")]
    Name {
        /// The name.
        name: String,
    },
    /// The name server knows of none.
    #[error("lookup {name} on {server}: no such host")]
    NotFound {
        /// The name.
        name: String,
        /// Who was asked.
        server: SocketAddr,
    },
    /// The name server cannot tell.
    #[error("lookup {name} on {server}: server misbehaving")]
    Misbehaving {
        /// The name.
        name: String,
        /// Who was asked.
        server: SocketAddr,
    },
    /// The name server does not answer.
    #[error("lookup {name} on {server}: i/o timeout")]
    Timeout {
        /// The name.
        name: String,
        /// Who was asked.
        server: SocketAddr,
    },
    /// The name server cannot be reached.
    #[error("lookup {name} on {server}")]
    Unreachable {
        /// The name.
        name: String,
        /// Who was asked.
        server: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// Asks the servers in turn until one can tell.
pub(crate) async fn ask(servers: &Nameservers, name: &str) -> Result<Vec<Target>, LookupError> {
    let mut last = LookupError::Name {
        name: name.to_owned(),
    };
    for _ in 0..servers.attempts {
        for server in &servers.servers {
            let asked = timeout(servers.timeout, ask_one(*server, name)).await;
            let (name, server) = (name.to_owned(), *server);
            last = match asked {
                Ok(Ok(Answer::Found(targets))) => return Ok(targets),
                Ok(Ok(Answer::Absent)) => return Err(LookupError::NotFound { name, server }),
                Ok(Ok(_)) => LookupError::Misbehaving { name, server },
                Ok(Err(source)) if source.kind() == io::ErrorKind::InvalidInput => {
                    return Err(LookupError::Name { name });
                }
                Ok(Err(source)) => LookupError::Unreachable {
                    name,
                    server,
                    source,
                },
                Err(_) => LookupError::Timeout { name, server },
            };
        }
    }
    Err(last)
}

async fn ask_one(server: SocketAddr, name: &str) -> io::Result<Answer> {
    let mut id = [0; 2];
    getrandom::fill(&mut id).map_err(io::Error::other)?;
    let id = u16::from_be_bytes(id);
    let question = answer::question(id, name).ok_or(io::ErrorKind::InvalidInput)?;
    match by_datagram(server, id, name, &question).await? {
        Answer::Truncated => by_stream(server, id, name, &question).await,
        answer => Ok(answer),
    }
}

/// What does not answer the question is passed over: anybody may send a datagram.
async fn by_datagram(
    server: SocketAddr,
    id: u16,
    name: &str,
    question: &[u8],
) -> io::Result<Answer> {
    let own: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(own).await?;
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut buf = vec![0; usize::from(DATAGRAM_BYTES)];
    loop {
        let len = socket.recv(&mut buf).await?;
        match answer::read(id, name, &buf[..len]) {
            Answer::Strange => {}
            answer => return Ok(answer),
        }
    }
}

async fn by_stream(server: SocketAddr, id: u16, name: &str, question: &[u8]) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(server).await?;
    let len = u16::try_from(question.len()).map_err(io::Error::other)?;
    stream
        .write_all(&[&len.to_be_bytes()[..], question].concat())
        .await?;
    let mut buf = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut buf).await?;
    Ok(answer::read(id, name, &buf))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpListener;

    use super::*;

    fn servers(servers: Vec<SocketAddr>) -> Nameservers {
        Nameservers {
            servers,
            timeout: Duration::from_secs(60),
            attempts: 1,
        }
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(future)
    }

    /// An answer with flags and, in place of records, what the test wants.
    fn reply(question: &[u8], flags: [u8; 2]) -> Vec<u8> {
        let mut reply = question.to_vec();
        reply[2..4].copy_from_slice(&flags);
        reply
    }

    const TRUNCATED: [u8; 2] = [0x82, 0];
    const NO_SUCH_NAME: [u8; 2] = [0x80, 3];
    const REFUSED: [u8; 2] = [0x80, 5];

    /// A server that refuses must not keep the next one from being asked, and a stranger's datagram
    /// must not end the wait.
    #[test]
    fn the_next_server_is_asked() {
        block_on(async {
            let first = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let second = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let servers = servers(vec![
                first.local_addr().unwrap(),
                second.local_addr().unwrap(),
            ]);
            let serve = async |socket: UdpSocket, flags| {
                let mut buf = [0; 600];
                let (len, from) = socket.recv_from(&mut buf).await.unwrap();
                socket.send_to(b"hello", from).await.unwrap();
                let reply = reply(&buf[..len], flags);
                socket.send_to(&reply, from).await.unwrap();
            };
            let ((), (), asked) = tokio::join!(
                serve(first, REFUSED),
                serve(second, NO_SUCH_NAME),
                ask(&servers, "_a._tcp.b.test")
            );
            let text = asked.unwrap_err().to_string();
            let server = servers.servers[1];
            let expected = format!("lookup _a._tcp.b.test on {server}: no such host");
            assert_eq!(text, expected);
        });
    }

    /// A large cluster's records do not fit into a datagram.
    #[test]
    fn a_long_answer_comes_by_stream() {
        block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let at = listener.local_addr().unwrap();
            let socket = UdpSocket::bind(at).await.unwrap();
            let serve = async {
                let mut buf = [0; 600];
                let (len, from) = socket.recv_from(&mut buf).await.unwrap();
                let cut = reply(&buf[..len], TRUNCATED);
                socket.send_to(&cut, from).await.unwrap();
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut question = vec![0; usize::from(stream.read_u16().await.unwrap())];
                stream.read_exact(&mut question).await.unwrap();
                let reply = reply(&question, NO_SUCH_NAME);
                let len = u16::try_from(reply.len()).unwrap();
                stream.write_u16(len).await.unwrap();
                stream.write_all(&reply).await.unwrap();
            };
            let servers = servers(vec![at]);
            let ((), asked) = tokio::join!(serve, ask(&servers, "_a._tcp.b.test"));
            assert!(matches!(asked, Err(LookupError::NotFound { .. })));
        });
    }

    #[test]
    fn what_is_no_name_is_not_asked_for() {
        let servers = servers(vec!["127.0.0.1:1".parse().unwrap()]);
        let name = format!("_a._tcp.{}.test", "x".repeat(64));
        let asked = block_on(ask(&servers, &name));
        assert!(matches!(asked, Err(LookupError::Name { .. })), "{asked:?}");
    }
}
