//! Certificates that signed themselves and say that they are authorities: `openssl req -x509` makes
//! them, many show them, and Go believes whoever has put that very certificate into the pool.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::fs;
use std::path::PathBuf;

use certificates::{Authority, Files, Purpose, Wish};
use tls::{ClientFiles, ClientTls, HandshakeError, Pair, ServerFiles, ServerTls, Versions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

/// A folder with certificates in it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn make(&self, name: &str, wish: &Wish, purposes: &[Purpose]) -> Pair {
        let made = wish.self_signed(purposes).unwrap();
        let Files { cert, key } = made.write(self.0.path(), name).unwrap();
        Pair { cert, key }
    }

    /// A file with the certificates of these pairs.
    fn pool(&self, name: &str, pairs: &[&Pair]) -> PathBuf {
        let all = pairs.iter().map(|pair| fs::read(&pair.cert).unwrap());
        let path = self.path(name);
        fs::write(&path, all.collect::<Vec<_>>().concat()).unwrap();
        path
    }
}

/// Whether the client believes the server and is believed; the name that the server knows it by.
async fn shake(server: &ServerFiles, client: &ClientFiles, host: &str) -> Result<String, String> {
    let server = ServerTls::new(server.clone()).unwrap();
    let client = ClientTls::new(client.clone()).unwrap();
    let (near, far) = duplex(1 << 16);
    let accepting = async {
        let (mut stream, identity) = server.accept(far, None).await?;
        let byte = stream.read_u8().await?;
        stream.write_u8(byte).await?;
        Ok::<_, HandshakeError>(identity.map(|identity| identity.common_name))
    };
    let talking = async {
        let mut stream = client.connect(host, near).await?;
        stream.write_u8(7).await?;
        stream.flush().await?;
        stream.read_u8().await?;
        Ok::<_, HandshakeError>(())
    };
    let (accepted, talked) = tokio::join!(accepting, talking);
    // The side that refuses says why.
    match (accepted, talked) {
        (Ok(name), Ok(())) => Ok(name.unwrap_or_default()),
        (accepted, talked) => {
            let texts = [accepted.err(), talked.err()];
            let texts = texts.map(|error| error.map(|error| error.to_string()));
            Err(texts.into_iter().flatten().collect::<Vec<_>>().join("; "))
        }
    }
}

fn wish(common_name: &'static str) -> Wish {
    Wish {
        common_name,
        ..Wish::default()
    }
}

fn expired(common_name: &'static str) -> Wish {
    Wish {
        is_expired: true,
        ..wish(common_name)
    }
}

/// One side trusts the other's certificate itself, among others; by both versions of TLS.
#[tokio::test]
async fn each_side_is_trusted_by_itself() {
    let folder = Folder::new();
    let served = folder.make("served", &wish("server"), &[]);
    let shown = folder.make("shown", &wish("alice"), &[]);
    let other = folder.make("other", &wish("other"), &[]);
    let server = ServerFiles {
        client_cert_auth: true,
        trusted_ca: Some(folder.pool("clients", &[&other, &shown])),
        ..ServerFiles::new(served.clone())
    };
    for max in ["TLS1.2", "TLS1.3"] {
        let client = ClientFiles {
            pair: Some(shown.clone()),
            trusted_ca: Some(folder.pool("servers", &[&other, &served])),
            versions: Versions::parse("", max).unwrap(),
            ..ClientFiles::default()
        };
        for host in ["localhost", "127.0.0.1"] {
            let name = shake(&server, &client, host).await;
            assert_eq!(name.as_deref(), Ok("alice"), "{max} {host}");
        }
        let misnamed = shake(&server, &client, "b.example").await.unwrap_err();
        assert!(misnamed.contains("not valid for name"), "{misnamed}");
    }
}

/// What was not put into the pool is not trusted, whatever it says of itself.
#[tokio::test]
async fn others_are_not_trusted() {
    let folder = Folder::new();
    let served = folder.make("served", &wish("server"), &[]);
    let shown = folder.make("shown", &wish("alice"), &[]);
    // The same names, serial and times, another key: only bytes count.
    let twin = folder.make("twin", &wish("alice"), &[]);
    let server = ServerFiles {
        client_cert_auth: true,
        trusted_ca: Some(folder.pool("clients", &[&shown])),
        ..ServerFiles::new(served.clone())
    };
    let client = ClientFiles {
        pair: Some(shown),
        trusted_ca: Some(served.cert.clone()),
        ..ClientFiles::default()
    };
    assert!(shake(&server, &client, "localhost").await.is_ok());
    let forged = ClientFiles {
        pair: Some(twin.clone()),
        ..client.clone()
    };
    assert!(shake(&server, &forged, "localhost").await.is_err());
    let distrusting = ClientFiles {
        trusted_ca: Some(twin.cert),
        ..client.clone()
    };
    assert!(shake(&server, &distrusting, "localhost").await.is_err());
    let authority = Authority::new("good").unwrap();
    let distrusting = ClientFiles {
        trusted_ca: Some(authority.write(&folder.path("ca")).unwrap()),
        ..client
    };
    assert!(shake(&server, &distrusting, "localhost").await.is_err());
}

/// To be in the pool does not make a certificate live longer, nor good for something else.
#[tokio::test]
async fn age_and_purpose_count() {
    let folder = Folder::new();
    let good = folder.make("good", &wish("good"), &[]);
    let both = [Purpose::ServerAuth, Purpose::ClientAuth];
    for (wish, purposes, serves, calls) in [
        (wish("any"), &[][..], true, true),
        (wish("both"), &both[..], true, true),
        (wish("server"), &both[..1], true, false),
        (wish("client"), &both[1..], false, true),
        (wish("neither"), &[Purpose::CodeSigning][..], false, false),
        (expired("old"), &[][..], false, false),
    ] {
        let name = wish.common_name;
        let made = folder.make("made", &wish, purposes);
        let pool = folder.pool("pool", &[&good, &made]);
        let run = |served: &Pair, shown: &Pair| {
            let server = ServerFiles {
                client_cert_auth: true,
                trusted_ca: Some(pool.clone()),
                ..ServerFiles::new(served.clone())
            };
            let client = ClientFiles {
                pair: Some(shown.clone()),
                trusted_ca: Some(pool.clone()),
                ..ClientFiles::default()
            };
            async move { shake(&server, &client, "localhost").await }
        };
        let served = run(&made, &good).await;
        assert_eq!(served.is_ok(), serves, "{name} {served:?}");
        let called = run(&good, &made).await;
        assert_eq!(called.is_ok(), calls, "{name} {called:?}");
        if name == "old" {
            assert!(served.unwrap_err().to_lowercase().contains("expired"));
            assert!(called.unwrap_err().to_lowercase().contains("expired"));
        }
    }
}

/// A revoked certificate is refused, also where it is trusted by itself.
#[tokio::test]
async fn revocation_counts() {
    let folder = Folder::new();
    let served = folder.make("served", &wish("server"), &[]);
    let wish = Wish {
        serial: 77,
        ..wish("alice")
    };
    let shown = folder.make("shown", &wish, &[]);
    let crl = folder.path("crl");
    let authority = Authority::new("good").unwrap();
    let server = ServerFiles {
        client_cert_auth: true,
        trusted_ca: Some(shown.cert.clone()),
        crl: Some(crl.clone()),
        ..ServerFiles::new(served.clone())
    };
    let client = ClientFiles {
        pair: Some(shown),
        trusted_ca: Some(served.cert),
        ..ClientFiles::default()
    };
    fs::write(&crl, authority.revoke(&[7]).unwrap()).unwrap();
    assert!(shake(&server, &client, "localhost").await.is_ok());
    fs::write(&crl, authority.revoke(&[77]).unwrap()).unwrap();
    let refused = shake(&server, &client, "localhost").await.unwrap_err();
    assert!(refused.contains("revoked"), "{refused}");
}
