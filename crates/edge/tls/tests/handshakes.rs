//! Both sides against each other over a pipe: who is let in, who is believed, and what a change of
//! files does.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use certificates::{Authority, Files, Wish, replace};
use tls::{
    Allowed, ClientFiles, ClientTls, HandshakeError, Identity, Pair, SelfSigned, ServerFiles,
    ServerTls, Suites, Version, Versions,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

const PIPE_BYTES: usize = 1 << 16;

/// A key of a kind that is not known.
const UNKNOWN_KEY: &str = "-----BEGIN PRIVATE KEY-----\nMAMCAQA=\n-----END PRIVATE KEY-----\n";

/// An authority with a folder.
struct World {
    dir: tempfile::TempDir,
    authority: Authority,
    ca: PathBuf,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::new("good").unwrap();
        let ca = authority.write(&dir.path().join("ca.pem")).unwrap();
        Self { dir, authority, ca }
    }

    fn issue(&self, name: &str, wish: &Wish) -> Files {
        let issued = self.authority.issue(wish).unwrap();
        issued.write(self.dir.path(), name).unwrap()
    }

    /// A server that asks for certificates.
    fn server(&self) -> ServerFiles {
        let files = self.issue("server", &Wish::default());
        ServerFiles {
            client_cert_auth: true,
            trusted_ca: Some(self.ca.clone()),
            ..ServerFiles::new(pair(files))
        }
    }

    /// A client with a certificate.
    fn client(&self, wish: &Wish) -> ClientFiles {
        ClientFiles {
            pair: Some(pair(self.issue("client", wish))),
            trusted_ca: Some(self.ca.clone()),
            ..ClientFiles::default()
        }
    }
}

fn pair(files: Files) -> Pair {
    let Files { cert, key } = files;
    Pair { cert, key }
}

/// One connection: what each side says of it. A byte goes back and forth, because a client of
/// TLS 1.3 hears of a refusal only when it reads.
async fn shake(
    server: &ServerTls,
    client: &ClientTls,
    host: &str,
) -> (Result<Option<Identity>, HandshakeError>, bool) {
    let (near, far) = duplex(PIPE_BYTES);
    let accepting = async {
        let (mut stream, identity) = server.accept(far, None).await?;
        let mut byte = [0];
        stream.read_exact(&mut byte).await?;
        stream.write_all(&byte).await?;
        Ok(identity)
    };
    tokio::join!(accepting, talk(client, host, near))
}

async fn talk(client: &ClientTls, host: &str, stream: DuplexStream) -> bool {
    let talking = async {
        let mut stream = client.connect(host, stream).await?;
        stream.write_all(b"x").await?;
        let mut byte = [0];
        stream.read_exact(&mut byte).await?;
        Ok::<_, HandshakeError>(())
    };
    talking.await.is_ok()
}

async fn check(
    server: ServerFiles,
    client: ClientFiles,
    host: &str,
) -> Result<Option<Identity>, String> {
    let server = ServerTls::new(server).unwrap();
    let client = ClientTls::new(client).unwrap();
    let (accepted, talked) = shake(&server, &client, host).await;
    assert_eq!(accepted.is_ok(), talked, "{accepted:?}");
    accepted.map_err(|error| error.to_string())
}

/// The common name logs a user in: it must be that of the certificate which was verified.
#[tokio::test]
async fn who_is_verified_is_known() {
    let world = World::new();
    let wish = Wish {
        common_name: "alice",
        hosts: &["a.example", "127.0.0.1", "::1"],
        ..Wish::default()
    };
    let identity = check(world.server(), world.client(&wish), "localhost").await;
    let identity = identity.unwrap().unwrap();
    assert_eq!(identity.common_name, "alice");
    assert_eq!(identity.dns_names, ["a.example"]);
    assert_eq!(identity.addresses.len(), 2);
    // Addresses are hosts as well.
    for host in ["127.0.0.1", "localhost"] {
        let nobody = check(world.server(), world.client(&Wish::default()), host).await;
        assert_eq!(nobody.unwrap().unwrap().common_name, "");
    }
}

/// Whoever an authority did not sign for, or no longer signs for, stays outside.
#[tokio::test]
async fn strangers_are_refused() {
    let world = World::new();
    let expired = Wish {
        is_expired: true,
        ..Wish::default()
    };
    let refused = check(world.server(), world.client(&expired), "localhost").await;
    assert!(refused.unwrap_err().contains("expired"));

    let without = ClientFiles {
        pair: None,
        ..world.client(&Wish::default())
    };
    let refused = check(world.server(), without, "localhost").await;
    assert!(refused.unwrap_err().contains("no certificates"));

    // Signed by somebody with the same name and another key.
    let other = World::new();
    let forged = ClientFiles {
        trusted_ca: Some(world.ca.clone()),
        ..other.client(&Wish::default())
    };
    assert!(check(world.server(), forged, "localhost").await.is_err());
    let distrusting = ClientFiles {
        trusted_ca: Some(other.ca.clone()),
        ..world.client(&Wish::default())
    };
    assert!(
        check(world.server(), distrusting, "localhost")
            .await
            .is_err()
    );
    // A name that the server's certificate does not hold.
    let client = world.client(&Wish::default());
    assert!(
        check(world.server(), client.clone(), "b.example")
            .await
            .is_err()
    );
    let renamed = ClientFiles {
        server_name: Some("localhost".to_owned()),
        ..client.clone()
    };
    assert!(check(world.server(), renamed, "b.example").await.is_ok());
    let skipping = ClientFiles {
        skip_verify: true,
        trusted_ca: None,
        ..client
    };
    assert!(
        check(world.server(), skipping, "no host/at all")
            .await
            .is_ok()
    );
}

/// The flags for allowed names hold for those who come and for those who are called.
#[tokio::test]
async fn only_the_allowed_are_let_in() {
    let world = World::new();
    let wish = Wish {
        common_name: "alice",
        hosts: &["a.example", "10.0.0.1"],
        ..Wish::default()
    };
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    for (allowed, is_admitted) in [
        (Allowed::CommonNames(names(&["bob", "alice"])), true),
        (Allowed::CommonNames(names(&["bob"])), false),
        (Allowed::Hostnames(names(&["a.example"])), true),
        (
            Allowed::Hostnames(names(&["b.example", "[10.0.0.1]"])),
            true,
        ),
        (Allowed::Hostnames(names(&["b.example", "10.0.0.2"])), false),
    ] {
        let server = ServerFiles {
            allowed: allowed.clone(),
            ..world.server()
        };
        let outcome = check(server, world.client(&wish), "localhost").await;
        assert_eq!(outcome.is_ok(), is_admitted, "{allowed:?} {outcome:?}");
        if let Err(text) = outcome {
            assert_eq!(text, "client certificate authentication failed");
        }
        let server = ServerFiles {
            client_cert_auth: false,
            trusted_ca: None,
            ..ServerFiles::new(pair(world.issue("named", &wish)))
        };
        let client = ClientFiles {
            allowed,
            ..world.client(&Wish::default())
        };
        let outcome = check(server, client, "a.example").await;
        assert_eq!(outcome.is_ok(), is_admitted);
    }
}

/// GHSA-3wh4-j44w-pg92: a revoked certificate is refused, from the moment that the list says so.
#[tokio::test]
async fn ghsa_3wh4_j44w_pg92_revoked_certificates() {
    let world = World::new();
    let crl = world.dir.path().join("crl");
    let files = ServerFiles {
        crl: Some(crl.clone()),
        ..world.server()
    };
    let server = ServerTls::new(files).unwrap();
    let wish = Wish {
        serial: 0x00ff_1234,
        ..Wish::default()
    };
    let client = ClientTls::new(world.client(&wish)).unwrap();
    // A list that is not there names nobody, and might name anybody.
    let refused = shake(&server, &client, "localhost").await.0.unwrap_err();
    assert!(refused.to_string().ends_with("no such file or directory"));
    replace(&crl, &world.authority.revoke(&[7]).unwrap()).unwrap();
    assert!(shake(&server, &client, "localhost").await.0.is_ok());
    replace(&crl, &world.authority.revoke(&[7, wish.serial]).unwrap()).unwrap();
    let refused = shake(&server, &client, "localhost").await;
    assert!(matches!(refused, (Err(HandshakeError::Revoked(_)), false)));
    let text = refused.0.unwrap_err().to_string();
    assert_eq!(text, "transport: certificate serial 00ff1234 revoked");
    replace(&crl, b"no list").unwrap();
    for _ in 0..2 {
        let refused = shake(&server, &client, "localhost").await;
        assert!(matches!(refused.0, Err(HandshakeError::Files(_))));
    }
    replace(&crl, &world.authority.revoke(&[]).unwrap()).unwrap();
    assert!(shake(&server, &client, "localhost").await.0.is_ok());
}

/// A renewed certificate is shown without a restart; a half written one is not.
#[tokio::test]
async fn renewals_are_seen() {
    let world = World::new();
    let server = ServerTls::new(world.server()).unwrap();
    let client = ClientTls::new(world.client(&Wish::default())).unwrap();
    assert!(shake(&server, &client, "c.example").await.0.is_err());
    let renewed = Wish {
        hosts: &["c.example"],
        ..Wish::default()
    };
    let files = world.issue("server", &renewed);
    assert!(shake(&server, &client, "c.example").await.0.is_ok());
    fs::write(&files.cert, "-----BEGIN CERT").unwrap();
    assert!(shake(&server, &client, "c.example").await.0.is_ok());
    // The key of another certificate, as between two renames.
    let other = world.issue("other", &Wish::default());
    fs::rename(other.key, &files.key).unwrap();
    assert!(shake(&server, &client, "c.example").await.0.is_ok());
    fs::rename(other.cert, &files.cert).unwrap();
    assert!(shake(&server, &client, "c.example").await.0.is_err());
    assert!(shake(&server, &client, "localhost").await.0.is_ok());

    // The client's files are looked at as well.
    let expired = Wish {
        is_expired: true,
        ..Wish::default()
    };
    world.issue("client", &expired);
    assert!(shake(&server, &client, "localhost").await.0.is_err());
}

/// A setting that is not kept would be worse than none.
#[tokio::test]
async fn versions_and_suites_are_kept() {
    let world = World::new();
    let any = Versions::default();
    let one = |version: Version| match version {
        Version::Tls12 => Versions::parse("", "TLS1.2").unwrap(),
        Version::Tls13 => Versions::parse("TLS1.3", "").unwrap(),
    };
    let suites = |name| Suites::parse([name], any).unwrap();
    let ecdsa = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";
    let rsa = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
    for (server, server_suites, client, is_possible) in [
        (any, Suites::default(), one(Version::Tls12), true),
        (any, Suites::default(), one(Version::Tls13), true),
        (
            one(Version::Tls13),
            Suites::default(),
            one(Version::Tls12),
            false,
        ),
        (
            one(Version::Tls12),
            Suites::default(),
            one(Version::Tls13),
            false,
        ),
        (one(Version::Tls12), suites(ecdsa), any, true),
        // The certificate's key is none of RSA's.
        (one(Version::Tls12), suites(rsa), any, false),
        (any, suites(rsa), any, true),
    ] {
        let server = ServerFiles {
            versions: server,
            suites: server_suites,
            ..world.server()
        };
        let client = ClientFiles {
            versions: client,
            ..world.client(&Wish::default())
        };
        assert_eq!(
            check(server, client, "localhost").await.is_ok(),
            is_possible
        );
    }
}

/// What the two want to speak above; unknown protocols are refused, as Go does.
#[tokio::test]
async fn protocols() {
    let world = World::new();
    let server = ServerTls::new(world.server()).unwrap();
    for (offered, chosen) in [
        (&["http/1.1", "h2"][..], Some(Some("h2"))),
        (&["http/1.1"], Some(Some("http/1.1"))),
        (&[], Some(None)),
        (&["spdy"], None),
    ] {
        let client = ClientFiles {
            protocols: offered
                .iter()
                .map(|name| name.as_bytes().to_vec())
                .collect(),
            ..world.client(&Wish::default())
        };
        let client = ClientTls::new(client).unwrap();
        let (near, far) = duplex(PIPE_BYTES);
        let (accepted, _connected) =
            tokio::join!(server.accept(far, None), client.connect("localhost", near));
        let found = accepted.ok().map(|(stream, _)| {
            let name = stream.get_ref().1.alpn_protocol();
            name.map(|name| String::from_utf8(name.to_vec()).unwrap())
        });
        let chosen = chosen.map(|name| name.map(str::to_owned));
        assert_eq!(found, chosen, "{offered:?}");
    }
}

/// CVE-2026-73500: a client that says nothing is not waited for.
#[tokio::test(start_paused = true)]
async fn cve_2026_73500_silence_has_an_end() {
    let world = World::new();
    let server = ServerTls::new(world.server()).unwrap();
    let (_near, far) = duplex(PIPE_BYTES);
    let started = tokio::time::Instant::now();
    let silent = server.accept(far, None).await;
    assert!(matches!(silent, Err(HandshakeError::Timeout)));
    assert!(started.elapsed() < Duration::from_secs(11));
}

/// A plain client must be told off, and not be waited for.
#[tokio::test]
async fn plain_text_is_refused() {
    let world = World::new();
    let server = ServerTls::new(world.server()).unwrap();
    let (mut near, far) = duplex(PIPE_BYTES);
    near.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let refused = server.accept(far, None).await;
    assert!(matches!(refused, Err(HandshakeError::Io(_))));
}

/// What a member makes itself is made once, can be trusted by itself, and is nobody else's business.
#[tokio::test]
async fn self_signed() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let fixtures = dir.path().join("fixtures/client");
    let hosts = ["127.0.0.1".to_owned(), "localhost".to_owned()];
    assert!(SelfSigned::find_or_make(&fixtures, &hosts, 0).is_err());
    let made = SelfSigned::find_or_make(&fixtures, &hosts, 1).unwrap();
    let found = SelfSigned::find_or_make(&fixtures, &hosts, 1).unwrap();
    assert!(made.is_new && !found.is_new);
    assert_eq!(made.pair, found.pair);
    assert_eq!(made.pair.cert, fixtures.join("cert.pem"));
    let mode = fs::metadata(&made.pair.key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // As where etcd made one, on a curve that is not known here.
    let foreign = dir.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::copy(&made.pair.cert, foreign.join("cert.pem")).unwrap();
    fs::write(foreign.join("key.pem"), UNKNOWN_KEY).unwrap();
    let replaced = SelfSigned::find_or_make(&foreign, &hosts, 1).unwrap();
    assert!(replaced.is_new && replaced.has_replaced);
    assert_eq!(
        fs::read(foreign.join("key.pem.old")).unwrap(),
        UNKNOWN_KEY.as_bytes()
    );
    assert!(
        !SelfSigned::find_or_make(&foreign, &hosts, 1)
            .unwrap()
            .is_new
    );

    let pinned = ClientFiles {
        trusted_ca: Some(made.pair.cert.clone()),
        ..ClientFiles::default()
    };
    let server = ServerFiles::new(made.pair.clone());
    assert!(
        check(server.clone(), pinned.clone(), "127.0.0.1")
            .await
            .is_ok()
    );
    assert!(
        check(server.clone(), pinned.clone(), "c.example")
            .await
            .is_err()
    );
    let skipping = ClientFiles {
        skip_verify: true,
        ..ClientFiles::default()
    };
    assert!(check(server.clone(), skipping, "c.example").await.is_ok());
    let other = SelfSigned::find_or_make(&dir.path().join("other"), &hosts, 1).unwrap();
    assert!(
        check(ServerFiles::new(other.pair), pinned, "localhost")
            .await
            .is_err()
    );
}

/// Whoever reads the log must know which file is wrong.
#[test]
fn what_is_wrong_with_files_is_said() {
    let world = World::new();
    let server = world.server();
    let text = |cert: &str, key: &str| {
        let at = |name| world.dir.path().join(name);
        let files = ServerFiles {
            pair: Pair {
                cert: at(cert),
                key: at(key),
            },
            ..server.clone()
        };
        let error = ServerTls::new(files).map(|_| ()).unwrap_err().to_string();
        error.replace(&format!("{}/", world.dir.path().display()), "")
    };
    fs::write(world.dir.path().join("empty"), "").unwrap();
    world.issue("other", &Wish::default());
    assert_eq!(
        text("none", "server.key"),
        "open none: no such file or directory"
    );
    assert_eq!(
        text("empty", "server.key"),
        "tls: failed to find any PEM data in certificate file empty"
    );
    assert_eq!(
        text("server.pem", "other.key"),
        "tls: private key other.key does not match public key of server.pem"
    );
    assert!(text("server.pem", "server.pem").contains("server.pem"));
}
