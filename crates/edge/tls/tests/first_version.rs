//! Certificates of version 1: a client is believed with one, as by Go, and a listener can show one.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::path::PathBuf;

use certificates::{Authority, Files, Wish, replace};
use tls::{ClientFiles, ClientTls, HandshakeError, Pair, ServerFiles, ServerTls, Versions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

const ALICE: Wish = Wish {
    common_name: "alice",
    hosts: &[],
    serial: 7,
    is_expired: false,
};

struct World {
    dir: tempfile::TempDir,
    authority: Authority,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::new("good").unwrap();
        Self { dir, authority }
    }

    fn authorities(&self) -> Option<PathBuf> {
        let path = self.dir.path().join("ca.pem");
        Some(self.authority.write(&path).unwrap())
    }

    fn server(&self) -> ServerFiles {
        let issued = self.authority.issue(&Wish::default()).unwrap();
        let Files { cert, key } = issued.write(self.dir.path(), "server").unwrap();
        ServerFiles {
            client_cert_auth: true,
            trusted_ca: self.authorities(),
            ..ServerFiles::new(Pair { cert, key })
        }
    }

    /// A client with a certificate of version 1 by this authority.
    fn client(&self, authority: &Authority, wish: &Wish) -> ClientFiles {
        let pair = self.first_version(authority, wish);
        ClientFiles {
            pair: Some(pair),
            trusted_ca: self.authorities(),
            ..ClientFiles::default()
        }
    }

    fn first_version(&self, authority: &Authority, wish: &Wish) -> Pair {
        let issued = authority.issue_first_version(wish).unwrap();
        let Files { cert, key } = issued.write(self.dir.path(), "first").unwrap();
        Pair { cert, key }
    }
}

/// The name by which the server knows the client, or why one of them refuses.
async fn shake(server: ServerFiles, client: ClientFiles) -> Result<String, String> {
    let server = ServerTls::new(server).unwrap();
    shake_again(&server, client).await
}

/// The same at a server that has been there before.
async fn shake_again(server: &ServerTls, client: ClientFiles) -> Result<String, String> {
    let client = ClientTls::new(client).unwrap();
    let (near, far) = duplex(1 << 16);
    let accepting = async {
        let (mut stream, identity) = server.accept(far, None).await?;
        let byte = stream.read_u8().await?;
        stream.write_u8(byte).await?;
        Ok::<_, HandshakeError>(identity.unwrap_or_default().common_name)
    };
    let talking = async {
        let mut stream = client.connect("localhost", near).await?;
        stream.write_u8(7).await?;
        stream.flush().await?;
        stream.read_u8().await?;
        Ok::<_, HandshakeError>(())
    };
    match tokio::join!(accepting, talking) {
        (Ok(name), Ok(())) => Ok(name),
        (Err(refused), _) | (_, Err(refused)) => Err(refused.to_string()),
    }
}

/// `openssl x509 -req` without extensions makes these, and their name logs a user in.
#[tokio::test]
async fn clients_are_believed() {
    let world = World::new();
    for version in ["TLS1.2", "TLS1.3"] {
        let server = ServerFiles {
            versions: Versions::parse(version, version).unwrap(),
            ..world.server()
        };
        let client = world.client(&world.authority, &ALICE);
        assert_eq!(shake(server, client).await, Ok("alice".to_owned()));
    }
}

/// The old form is no way around what holds for the new one.
#[tokio::test]
async fn strangers_are_refused() {
    let world = World::new();
    let expired = Wish {
        is_expired: true,
        ..ALICE
    };
    // The same name, another key.
    let impostor = Authority::new("good").unwrap();
    let stranger = Authority::new("bad").unwrap();
    for (authority, wish, reason) in [
        (&world.authority, &expired, "Expired"),
        (&impostor, &ALICE, "BadSignature"),
        (&stranger, &ALICE, "UnknownIssuer"),
    ] {
        let client = world.client(authority, wish);
        let refused = shake(world.server(), client).await.unwrap_err();
        assert!(refused.contains(reason), "{refused}");
    }
    // A member's certificate is no authority, whatever is in the pool.
    let itself = ServerFiles {
        trusted_ca: Some(world.server().pair.cert),
        ..world.server()
    };
    let client = world.client(&world.authority, &ALICE);
    assert!(shake(itself, client).await.is_err());
}

/// The list is looked up for the old form as well, as it is in its file now.
#[tokio::test]
async fn revoked_ones_are_refused() {
    let world = World::new();
    let bob = Wish {
        common_name: "bob",
        serial: 0x00ff_1234,
        ..ALICE
    };
    let crl = world.dir.path().join("crl");
    let revoke = |serials: &[u64]| replace(&crl, &world.authority.revoke(serials).unwrap());
    for version in ["TLS1.2", "TLS1.3"] {
        revoke(&[ALICE.serial]).unwrap();
        let server = ServerTls::new(ServerFiles {
            crl: Some(crl.clone()),
            versions: Versions::parse(version, version).unwrap(),
            ..world.server()
        });
        let server = server.unwrap();
        let enter = async |wish| {
            let client = world.client(&world.authority, wish);
            shake_again(&server, client).await
        };
        let revoked = "transport: certificate serial 07 revoked";
        assert_eq!(enter(&ALICE).await.unwrap_err(), revoked);
        assert_eq!(enter(&bob).await, Ok("bob".to_owned()));
        revoke(&[ALICE.serial, bob.serial]).unwrap();
        let revoked = "transport: certificate serial 00ff1234 revoked";
        assert_eq!(enter(&bob).await.unwrap_err(), revoked);
        revoke(&[bob.serial]).unwrap();
        assert_eq!(enter(&ALICE).await, Ok("alice".to_owned()));
        assert_eq!(enter(&bob).await.unwrap_err(), revoked);
    }
}

/// It names no hosts: only who does not ask for names connects to whoever shows one.
#[tokio::test]
async fn a_listener_shows_one() {
    let world = World::new();
    let pair = world.first_version(&world.authority, &ALICE);
    let server = || ServerFiles::new(pair.clone());
    let careless = ClientFiles {
        skip_verify: true,
        ..ClientFiles::default()
    };
    assert_eq!(shake(server(), careless).await, Ok(String::new()));
    let careful = ClientFiles {
        trusted_ca: world.authorities(),
        ..ClientFiles::default()
    };
    assert!(shake(server(), careful).await.is_err());
    // Its key still has to be its own.
    let other = world.server().pair.key;
    let mixed = ServerFiles::new(Pair { key: other, ..pair });
    assert!(ServerTls::new(mixed).is_err());
}
