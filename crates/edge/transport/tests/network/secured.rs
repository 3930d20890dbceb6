//! Members that speak TLS: with certificates of their own, and with one that is not let in.

use std::path::Path;
use std::sync::Arc;

use certificates::{Authority, Files, Wish};
use rpc::Security;
use tls::{Allowed, ClientFiles, ClientTls, Pair, ServerFiles, ServerTls};
use transport::Connector;
use types::MemberId;

use crate::node::{Node, heartbeat, introduce};

/// Starts a member that believes the authority, lets in one common name and calls itself so.
fn start(id: u64, name: &'static str, authority: &Authority, dir: &Path) -> Node {
    let wish = Wish {
        common_name: name,
        ..Wish::default()
    };
    let issued = authority.issue(&wish).unwrap();
    let Files { cert, key } = issued.write(dir, &format!("member-{id}")).unwrap();
    let pair = Pair { cert, key };
    let trusted_ca = Some(authority.write(&dir.join("ca.pem")).unwrap());
    let allowed = Allowed::CommonNames(vec!["member".to_owned()]);
    let server = ServerTls::new(ServerFiles {
        client_cert_auth: true,
        trusted_ca: trusted_ca.clone(),
        allowed: allowed.clone(),
        checks_remote: true,
        protocols: vec![b"http/1.1".to_vec()],
        ..ServerFiles::new(pair.clone())
    });
    let client = ClientTls::new(ClientFiles {
        pair: Some(pair),
        trusted_ca,
        allowed,
        protocols: vec![b"http/1.1".to_vec()],
        ..ClientFiles::default()
    });
    let security = Security::Tls(server.unwrap());
    Node::behind(id, "127.0.0.1:0", security, |config| {
        config.connector = Connector::with_tls(Arc::new(client.unwrap()));
    })
}

/// A cluster's traffic is encrypted, and nobody joins it by a certificate alone.
#[test]
fn members_know_each_other_by_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new("cluster").unwrap();
    let [one, two] = [1, 2].map(|id| start(id, "member", &authority, dir.path()));
    let stranger = start(3, "stranger", &authority, dir.path());
    introduce(&[&one, &two, &stranger]);
    stranger
        .transport
        .send(vec![heartbeat(&stranger, MemberId(1), 1)]);
    one.send_until_received(&two, || heartbeat(&one, two.id, 1));
    two.send_until_received(&one, || heartbeat(&two, one.id, 1));
    // Its attempts have failed, in both directions.
    stranger
        .memory
        .wait(|told| told.unreachable.first().copied());
    let from_stranger = |node: &Node| {
        let id = stranger.id;
        node.memory
            .now(|told| told.messages.iter().any(|message| message.from == id))
    };
    assert!(!from_stranger(&one) && !from_stranger(&two));
    for node in [one, two, stranger] {
        node.stop();
    }
}
