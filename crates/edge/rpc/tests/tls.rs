//! Listeners with TLS: what clients see, and what those who say nothing cost.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod support;

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use certificates::{Authority, Files, Wish};
use http::{Request, StatusCode, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn;
use hyper_util::rt::TokioIo;
use rpc::{AccessControl, Config, PortKind, Security};
use support::{Sender, Server, call, config, connect_on, framed};
use tls::{Allowed, ClientFiles, ClientStream, ClientTls, Pair, ServerFiles, ServerTls};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// Longer than any machine takes for what must not wait, shorter than the deadlines that are tested.
const SOON: Duration = Duration::from_secs(8);

struct World {
    dir: tempfile::TempDir,
    authority: Authority,
}

impl World {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            authority: Authority::new("good").unwrap(),
        }
    }

    fn issue(&self, name: &str, common_name: &'static str) -> Pair {
        let wish = Wish {
            common_name,
            ..Wish::default()
        };
        let issued = self.authority.issue(&wish).unwrap();
        let Files { cert, key } = issued.write(self.dir.path(), name).unwrap();
        Pair { cert, key }
    }

    fn ca(&self) -> std::path::PathBuf {
        self.authority.write(&self.dir.path().join("ca")).unwrap()
    }

    fn server_files(&self) -> ServerFiles {
        ServerFiles {
            client_cert_auth: true,
            trusted_ca: Some(self.ca()),
            ..ServerFiles::new(self.issue("server", ""))
        }
    }

    fn tls(&self) -> ServerTls {
        ServerTls::new(self.server_files()).unwrap()
    }

    fn client(&self, protocol: &str) -> ClientTls {
        ClientTls::new(ClientFiles {
            pair: Some(self.issue("client", "alice")),
            trusted_ca: Some(self.ca()),
            protocols: vec![protocol.as_bytes().to_vec()],
            ..ClientFiles::default()
        })
        .unwrap()
    }

    async fn secured(&self, server: &Server, protocol: &str) -> ClientStream<TcpStream> {
        let stream = TcpStream::connect(&server.address).await.unwrap();
        let client = self.client(protocol);
        client.connect("localhost", stream).await.unwrap()
    }
}

fn start(port: PortKind, security: Security) -> Server {
    Server::secured(config(), port, security)
}

async fn check_grpc(sender: &mut Sender<Full<Bytes>>) {
    let answer = call(sender, "/test.Echo/Echo", &[], framed(0, b"hello")).await;
    assert_eq!(answer.grpc(), ("0".to_owned(), String::new()));
    assert_eq!(answer.messages(), [(0, Bytes::from_static(b"hello"))]);
}

fn get(path: &str) -> Request<Full<Bytes>> {
    let builder = Request::get(format!("https://localhost{path}"));
    builder.body(Full::default()).unwrap()
}

/// One port has to serve gRPC clients, browsers and `curl`.
#[tokio::test]
async fn one_port_serves_all() {
    let world = World::new();
    let server = start(PortKind::Shared, Security::Tls(world.tls()));
    let mut sender = connect_on(world.secured(&server, "h2").await).await;
    check_grpc(&mut sender).await;
    // Plain HTTP on the very same connection.
    let response = sender.send_request(get("/get")).await.unwrap();
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.version(), Version::HTTP_2);
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "Method Not Allowed\n");
    assert_eq!(
        http1_get(world.secured(&server, "http/1.1").await).await,
        405
    );
}

/// Pages of the origins that were allowed may read answers of calls and of plain requests; those of
/// others get no word that they may.
#[tokio::test]
async fn origins() {
    let world = World::new();
    let only = Config {
        access: AccessControl {
            origins: rpc::Allowed::new(["https://console.example".to_owned()]),
            ..AccessControl::default()
        },
        ..config()
    };
    let secured = || Security::Tls(world.tls());
    for (config, origin, expected) in [
        (config(), None, Some("*")),
        (
            only.clone(),
            Some("https://console.example"),
            Some("https://console.example"),
        ),
        (only.clone(), Some("https://evil.example"), None),
        (only, None, None),
    ] {
        let server = Server::secured(config, PortKind::Shared, secured());
        let mut sender = connect_on(world.secured(&server, "h2").await).await;
        let headers: Vec<_> = origin.iter().map(|origin| ("origin", *origin)).collect();
        let answer = call(&mut sender, "/test.Echo/Echo", &headers, framed(0, b"x")).await;
        let mut page = get("/get");
        for (name, value) in &headers {
            page.headers_mut().insert(*name, value.parse().unwrap());
        }
        let page = sender.send_request(page).await.unwrap();
        for headers in [&answer.headers, page.headers()] {
            let allowed = headers.get("access-control-allow-origin");
            assert_eq!(
                allowed.map(|value| value.to_str().unwrap()),
                expected,
                "{origin:?}"
            );
        }
    }
    // Without TLS nobody but a gRPC client speaks HTTP/2.
    let server = Server::start(PortKind::Shared);
    let mut sender = support::connect(&server).await;
    let answer = call(&mut sender, "/test.Echo/Echo", &[], framed(0, b"x")).await;
    assert_eq!(answer.headers.get("access-control-allow-origin"), None);
}

async fn http1_get<S>(stream: S) -> u16
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("/get").header("host", "localhost");
    let request = request.body(Full::<Bytes>::default()).unwrap();
    sender
        .send_request(request)
        .await
        .unwrap()
        .status()
        .as_u16()
}

/// Ports for HTTP alone and for gRPC alone keep to it.
#[tokio::test]
async fn ports_of_one_kind() {
    let world = World::new();
    for kind in [PortKind::HttpOnly, PortKind::Metrics, PortKind::Peer] {
        let server = start(kind, Security::Tls(world.tls()));
        assert_eq!(
            http1_get(world.secured(&server, "http/1.1").await).await,
            405
        );
        if kind != PortKind::Peer {
            let mut sender = connect_on(world.secured(&server, "h2").await).await;
            let answer = call(&mut sender, "/test.Echo/Echo", &[], framed(0, b"x")).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND);
        }
    }
    let server = start(PortKind::GrpcOnly, Security::Tls(world.tls()));
    check_grpc(&mut connect_on(world.secured(&server, "h2").await).await).await;
    let mut stream = world.secured(&server, "http/1.1").await;
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // Closed, with or without a farewell.
    let _ = stream.read_to_end(&mut answer).await;
    assert_eq!(answer, b"");
}

/// The user of a certificate is who the authorization asks for.
#[tokio::test]
async fn the_certificate_names_the_caller() {
    let world = World::new();
    let server = start(PortKind::Shared, Security::Tls(world.tls()));
    let mut sender = connect_on(world.secured(&server, "h2").await).await;
    let answer = call(&mut sender, "/test.Echo/Who", &[], framed(0, b"")).await;
    assert_eq!(answer.messages()[0].1, "alice");
    let plain = Server::start(PortKind::Shared);
    let mut sender = support::connect(&plain).await;
    let answer = call(&mut sender, "/test.Echo/Who", &[], framed(0, b"")).await;
    assert_eq!(answer.messages()[0].1, "nobody");
}

/// A port that was given with both schemes serves both.
#[tokio::test]
async fn plain_and_secured_side_by_side() {
    let world = World::new();
    let server = start(PortKind::Shared, Security::Either(world.tls()));
    check_grpc(&mut connect_on(world.secured(&server, "h2").await).await).await;
    check_grpc(&mut support::connect(&server).await).await;
    let plain = TcpStream::connect(&server.address).await.unwrap();
    assert_eq!(http1_get(plain).await, 405);
}

/// A client that forgot TLS must be told at once, by the end of its connection.
#[tokio::test]
async fn a_plain_client_is_refused() {
    let world = World::new();
    let server = start(PortKind::Shared, Security::Tls(world.tls()));
    for words in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(&server.address).await.unwrap();
        stream.write_all(words).await.unwrap();
        let mut answer = Vec::new();
        let ended = timeout(SOON, stream.read_to_end(&mut answer)).await;
        assert!(ended.is_ok());
        assert!(!answer.starts_with(b"HTTP"));
    }
    check_grpc(&mut connect_on(world.secured(&server, "h2").await).await).await;
}

/// Certificates that are verified, but not let in, get nowhere.
#[tokio::test]
async fn others_are_refused() {
    let world = World::new();
    let files = ServerFiles {
        allowed: Allowed::CommonNames(vec!["bob".to_owned()]),
        ..world.server_files()
    };
    let server = start(
        PortKind::Peer,
        Security::Tls(ServerTls::new(files).unwrap()),
    );
    let stream = TcpStream::connect(&server.address).await.unwrap();
    let client = world.client("http/1.1");
    if let Ok(mut stream) = client.connect("localhost", stream).await {
        // TLS 1.3: the refusal comes with the first answer.
        let _ = stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await;
        let mut answer = Vec::new();
        assert!(
            timeout(SOON, stream.read_to_end(&mut answer))
                .await
                .unwrap()
                .is_err()
        );
        assert_eq!(answer, b"");
    }
}

/// CVE-2026-73500: whoever opens connections and says nothing, or stops in the middle of a
/// handshake, keeps nobody out, even when every place is taken.
#[tokio::test]
async fn cve_2026_73500_silent_connections_make_room() {
    let world = World::new();
    let full = Config {
        connections_max: 20,
        ..config()
    };
    let server = Server::secured(full, PortKind::Shared, Security::Tls(world.tls()));
    let address: SocketAddr = server.address.parse().unwrap();
    let mut talker = connect_on(world.secured(&server, "h2").await).await;
    let mut silent = Vec::new();
    for number in 0..100 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        if number % 2 == 0 {
            // The beginning of a handshake.
            stream.write_all(&[22, 3, 1, 2, 0, 1, 0]).await.unwrap();
        }
        silent.push(stream);
    }
    let served = timeout(SOON, async {
        check_grpc(&mut connect_on(world.secured(&server, "h2").await).await).await;
    });
    served.await.expect("a client waits for silent connections");
    // Who has spoken is not sent away.
    check_grpc(&mut talker).await;
    // The oldest were.
    let mut byte = [0];
    let ended = timeout(SOON, silent[0].read(&mut byte)).await.unwrap();
    assert!(
        !matches!(ended, Ok(1..)) || byte[0] == 21,
        "an end, or an alert before it"
    );
}
