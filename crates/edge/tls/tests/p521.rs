//! The curve that etcd's own certificates are on. Files as etcd and openssl write them, valid for a
//! century; the keys are for these tests only.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::path::{Path, PathBuf};

use tls::{ClientFiles, ClientTls, HandshakeError, Pair, ServerFiles, ServerTls, Versions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

fn file(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/p521");
    folder.join(name)
}

fn pair(name: &str) -> Pair {
    Pair {
        cert: file(&format!("{name}.pem")),
        key: file(&format!("{name}.key")),
    }
}

/// The common name of the client, if both sides are content.
async fn shake(server: ServerFiles, client: ClientFiles) -> Result<String, HandshakeError> {
    let server = ServerTls::new(server).unwrap();
    let client = ClientTls::new(client).unwrap();
    let (near, far) = duplex(1 << 16);
    let accepting = async {
        let (mut stream, identity) = server.accept(far, None).await?;
        let byte = stream.read_u8().await?;
        stream.write_u8(byte).await?;
        Ok(identity.map_or_else(String::new, |identity| identity.common_name))
    };
    let talking = async {
        let mut stream = client.connect("localhost", near).await?;
        stream.write_u8(7).await?;
        stream.flush().await?;
        assert_eq!(stream.read_u8().await?, 7);
        Ok::<_, HandshakeError>(())
    };
    let (accepted, talked) = tokio::join!(accepting, talking);
    talked?;
    accepted
}

/// A directory that etcd has left is served with the certificate that it made, and whoever trusts
/// that one alone is served by it; by both versions of TLS.
#[tokio::test]
async fn etcds_own() {
    for max in ["TLS1.2", "TLS1.3"] {
        let client = ClientFiles {
            trusted_ca: Some(file("auto.pem")),
            versions: Versions::parse("", max).unwrap(),
            ..ClientFiles::default()
        };
        let server = ServerFiles::new(pair("auto"));
        assert_eq!(
            shake(server.clone(), client.clone()).await.unwrap(),
            "",
            "{max}"
        );
        let other = ClientFiles {
            trusted_ca: Some(file("ca.pem")),
            ..client
        };
        assert!(shake(server, other).await.is_err(), "{max}");
    }
}

/// Both sides show a certificate of an authority on the curve, signed over the digest that openssl
/// chooses; a key of the other form.
#[tokio::test]
async fn both_sides() {
    for max in ["TLS1.2", "TLS1.3"] {
        let server = ServerFiles {
            client_cert_auth: true,
            trusted_ca: Some(file("ca.pem")),
            ..ServerFiles::new(pair("leaf"))
        };
        let client = ClientFiles {
            pair: Some(pair("leaf")),
            trusted_ca: Some(file("ca.pem")),
            versions: Versions::parse("", max).unwrap(),
            ..ClientFiles::default()
        };
        assert_eq!(
            shake(server.clone(), client.clone()).await.unwrap(),
            "alice",
            "{max}"
        );
        let stranger = ClientFiles {
            pair: Some(pair("auto")),
            ..client
        };
        assert!(shake(server, stranger).await.is_err(), "{max}");
    }
}

/// A key that is not the certificate's is found before anybody comes.
#[test]
fn halves_of_two_pairs() {
    let mixed = Pair {
        key: file("leaf.key"),
        ..pair("auto")
    };
    let refused = ServerTls::new(ServerFiles::new(mixed)).unwrap_err();
    assert!(refused.to_string().contains("does not match"), "{refused}");
}
