//! Members with TLS, as processes: certificates made on the spot, clients of several languages, and
//! what happens when files change under a running member.

mod clients;
mod crowd;
mod peers;
mod world;

use std::process::Command;
use std::time::Duration;

use certificates::{Wish, replace};
use client::{Client, Config};
use harness::{Member, free_port, go, program, tool};
use tls::{ClientFiles, ClientStream, ClientTls};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use world::{Outcome, World, text};

/// Longer than any machine takes to refuse, or to answer.
const SOON: Duration = Duration::from_secs(60);

async fn connect(port: u16, files: ClientFiles) -> Outcome<ClientStream<TcpStream>> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    Ok(ClientTls::new(files)?.connect("127.0.0.1", stream).await?)
}

/// Asks for a page; an error when the connection ends before an answer.
async fn ask(stream: &mut ClientStream<TcpStream>, path: &str) -> Outcome<String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => answer.push(byte),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(String::from_utf8(answer)?)
}

/// Whether a client with these files gets an answer.
async fn is_served(port: u16, path: &str, files: ClientFiles) -> bool {
    let visit = async {
        let mut stream = connect(port, files).await?;
        ask(&mut stream, path).await
    };
    let answer = timeout(SOON, visit).await;
    answer
        .expect("an answer or a refusal")
        .is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// etcd's own `etcdctl`, which is Go's client and Go's TLS, and ours.
#[test]
fn command_lines() -> Outcome {
    let world = World::new()?;
    let member = world.start()?;
    let files = world.issue("client", &Wish::default())?;
    let ca = world.ca()?;
    let published = go::published("etcdctl", env!("CARGO_TARGET_TMPDIR"))?;
    for (number, program) in [published, program("etcdctl")?].into_iter().enumerate() {
        let run = |words: &[&str]| -> Outcome<(bool, String)> {
            let output = Command::new(&program)
                .args(["--endpoints", &member.endpoint(), "--command-timeout=30s"])
                .args(words)
                .env_clear()
                .output()?;
            let text = String::from_utf8(output.stdout)? + &String::from_utf8(output.stderr)?;
            Ok((output.status.success(), text))
        };
        let secured = [
            "--cacert",
            text(&ca),
            "--cert",
            text(&files.cert),
            "--key",
            text(&files.key),
        ];
        let key = format!("k{number}");
        let put = run(&[&secured[..], &["put", &key, "v"]].concat())?;
        assert_eq!(put, (true, "OK\n".to_owned()), "{}", program.display());
        let skipping = [&secured[2..], &["--insecure-skip-tls-verify"]].concat();
        let get = run(&[&skipping[..], &["get", &key]].concat())?;
        assert_eq!(get, (true, format!("{key}\nv\n")));
        // Nobody is served without a certificate, and an unknown member is not believed.
        for words in [&secured[..2], &secured[2..]] {
            let refused = run(&[words, &["get", "k", "--command-timeout=1s"]].concat())?;
            assert!(!refused.0, "{}", refused.1);
        }
    }
    Ok(())
}

/// Python speaks HTTP/1 without naming a protocol, Node HTTP/2.
#[test]
fn web_clients() -> Outcome {
    let world = World::new()?;
    let member = world.start()?;
    let files = world.issue("client", &Wish::default())?;
    let (ca, port) = (world.ca()?, member.port().to_string());
    let arguments = [&port, text(&ca), text(&files.cert), text(&files.key)];
    let python = "
import http.client, ssl, sys
port, ca, cert, key = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.load_cert_chain(cert, key)
connection = http.client.HTTPSConnection('localhost', int(port), context=context)
connection.request('GET', '/health')
print(connection.getresponse().read().decode())
";
    tool::require("python3", "--version")?;
    let words = [&["-c", python][..], &arguments].concat();
    let output = tool::run(world.dir.path(), "python3", &words)?;
    let text = String::from_utf8(output.stdout)?;
    assert_eq!(text, "{\"health\":\"true\",\"reason\":\"\"}\n");
    let node = "
const fs = require('fs');
const [port, ca, cert, key] = process.argv.slice(1);
const session = require('http2').connect('https://localhost:' + port, {
  ca: fs.readFileSync(ca), cert: fs.readFileSync(cert), key: fs.readFileSync(key),
});
const request = session.request({ ':path': '/version' });
request.on('response', (headers) => console.log(session.alpnProtocol, headers[':status']));
request.on('close', () => session.close());
request.resume();
";
    tool::require("node", "--version")?;
    let words = [&["-e", node][..], &arguments].concat();
    let output = tool::run(world.dir.path(), "node", &words)?;
    assert_eq!(String::from_utf8(output.stdout)?, "h2 200\n");
    Ok(())
}

/// Whoever the authority did not sign for, or no longer signs for, stays outside; those who forgot
/// TLS are told by the end of their connection.
#[tokio::test]
async fn strangers() -> Outcome {
    let world = World::new()?;
    let member = world.start()?;
    let port = member.port();
    assert!(is_served(port, "/health", world.client(&Wish::default())?).await);
    let without = ClientFiles {
        pair: None,
        ..world.client(&Wish::default())?
    };
    assert!(!is_served(port, "/health", without).await);
    let expired = Wish {
        is_expired: true,
        ..Wish::default()
    };
    assert!(!is_served(port, "/health", world.client(&expired)?).await);
    let other = World::new()?;
    let forged = ClientFiles {
        trusted_ca: Some(world.ca()?),
        ..other.client(&Wish::default())?
    };
    assert!(!is_served(port, "/health", forged).await);

    let mut plain = TcpStream::connect(("127.0.0.1", port)).await?;
    plain.write_all(b"GET /health HTTP/1.1\r\n\r\n").await?;
    let mut answer = Vec::new();
    // An end or a reset.
    let _ = timeout(SOON, plain.read_to_end(&mut answer)).await?;
    assert!(!answer.starts_with(b"HTTP"));
    Ok(())
}

/// GHSA-3wh4-j44w-pg92: a revoked certificate is refused on every listener, from the moment that the
/// list says so.
#[tokio::test]
async fn ghsa_3wh4_j44w_pg92_revoked_certificates() -> Outcome {
    let mut world = World::new()?;
    let crl = world.dir.path().join("crl");
    replace(&crl, &world.authority.revoke(&[])?)?;
    let (http, metrics) = (free_port()?, free_port()?);
    world.flag("client-crl-file", &crl);
    world.flags.push(format!(
        "--listen-client-http-urls=https://127.0.0.1:{http}"
    ));
    world
        .flags
        .push(format!("--listen-metrics-urls=https://127.0.0.1:{metrics}"));
    let member = world.start()?;
    let wish = Wish {
        serial: 77,
        ..Wish::default()
    };
    let files = world.client(&wish)?;
    for port in [http, metrics] {
        assert!(is_served(port, "/health", files.clone()).await);
    }
    let grpc = |files: ClientFiles| timeout(SOON, get(member.endpoint(), files));
    grpc(files.clone()).await??;
    replace(&crl, &world.authority.revoke(&[76, 77])?)?;
    for port in [http, metrics] {
        assert!(!is_served(port, "/health", files.clone()).await);
    }
    assert!(grpc(files).await?.is_err());
    assert!(is_served(http, "/health", world.client(&Wish::default())?).await);
    Ok(())
}

/// What flags can say of TLS, a file can say as well.
#[tokio::test]
async fn from_a_file() -> Outcome {
    let world = World::new()?;
    let dir = world.dir.path();
    let server = world.issue("server", &Wish::default())?;
    let (ca, cert, key) = (world.ca()?, text(&server.cert), text(&server.key));
    let mut member = Member::prepare(&dir.join("data"), dir)?;
    let client = format!("https://127.0.0.1:{}", member.port());
    let peer = member.peer_endpoint().replace("http:", "https:");
    let blocks = format!(
        "client-transport-security:
  cert-file: {cert}
  key-file: {key}
  trusted-ca-file: {ca}
  client-cert-auth: true
peer-transport-security: {{auto-tls: true}}
tls-min-version: TLS1.3
name: m
data-dir: {data}
listen-client-urls: {client}
advertise-client-urls: {client}
listen-peer-urls: {peer}
initial-advertise-peer-urls: {peer}
initial-cluster: m={peer}
",
        ca = text(&ca),
        data = text(member.data_dir()),
    );
    let file = dir.join("etcd.yml");
    std::fs::write(&file, blocks)?;
    member.set_flags([format!("--config-file={}", text(&file))]);
    member.restart()?;
    let files = world.client(&Wish::default())?;
    assert!(is_served(member.port(), "/health", files.clone()).await);
    let old = ClientFiles {
        versions: tls::Versions::parse("", "TLS1.2")?,
        ..files.clone()
    };
    assert!(!is_served(member.port(), "/health", old).await);
    let without = ClientFiles {
        pair: None,
        ..files
    };
    assert!(!is_served(member.port(), "/health", without).await);
    assert!(member.data_dir().join("fixtures/peer/cert.pem").exists());
    Ok(())
}

/// One read through the gRPC client.
async fn get(endpoint: String, files: ClientFiles) -> Outcome {
    let config = Config {
        endpoints: vec![endpoint],
        tls: files,
        ..Config::default()
    };
    let client = Client::connect(config).await?.within(SOON / 4);
    client
        .range(proto::etcdserverpb::RangeRequest {
            key: bytes::Bytes::from_static(b"k"),
            ..proto::etcdserverpb::RangeRequest::default()
        })
        .await?;
    Ok(())
}

/// A renewed certificate is shown to new clients; connections that stand are left alone.
#[tokio::test]
async fn renewal_under_live_connections() -> Outcome {
    let world = World::new()?;
    let member = world.start()?;
    let mut files = world.client(&Wish::default())?;
    let mut live = connect(member.port(), files.clone()).await?;
    assert!(ask(&mut live, "/livez").await?.starts_with("HTTP/1.1 200"));
    files.server_name = Some("renewed.example".to_owned());
    assert!(!is_served(member.port(), "/health", files.clone()).await);
    let renewed = Wish {
        hosts: &["renewed.example"],
        ..Wish::default()
    };
    world.issue("server", &renewed)?;
    assert!(is_served(member.port(), "/health", files).await);
    // The rest of the answer to the first request, then the second one.
    let answer = ask(&mut live, "/livez").await?;
    assert!(answer.contains("HTTP/1.1 200") || answer.contains("ok"));
    Ok(())
}

/// `--auto-tls` makes a certificate once; whoever trusts that file alone is served, also over a unix
/// socket.
#[tokio::test]
async fn automatic_certificates() -> Outcome {
    let dir = tempfile::tempdir()?;
    let flags = ["--auto-tls", "--peer-auto-tls"];
    let mut member = Member::start(dir.path(), &flags)?;
    let fixtures = member.data_dir().join("fixtures");
    let cert = fixtures.join("client/cert.pem");
    let before = std::fs::read(&cert)?;
    assert!(fixtures.join("peer/key.pem").exists());
    let files = ClientFiles {
        trusted_ca: Some(cert.clone()),
        ..ClientFiles::default()
    };
    assert!(is_served(member.port(), "/health", files.clone()).await);
    get(member.endpoint(), files.clone()).await?;
    assert!(!is_served(member.port(), "/health", ClientFiles::default()).await);
    member.stop(harness::Stop::Terminate)?;
    member.restart()?;
    assert_eq!(std::fs::read(&cert)?, before);
    assert!(is_served(member.port(), "/health", files).await);
    Ok(())
}
