//! Members that talk to each other over TLS: who is let in, and what changes while they run.

use certificates::{Wish, replace};
use harness::{Cluster, Member, Stop, ctl};
use tls::{ClientFiles, Pair};

use crate::is_served;
use crate::world::{Outcome, World};

const MEMBER: Wish = Wish {
    common_name: "member",
    hosts: &["localhost", "127.0.0.1"],
    serial: 1,
    is_expired: false,
};

/// A world whose flags are those for members, not for clients.
fn world() -> Outcome<World> {
    let mut world = World::new()?;
    world.flags.clear();
    let own = world.issue("member", &MEMBER)?;
    let ca = world.ca()?;
    world.flag("peer-cert-file", &own.cert);
    world.flag("peer-key-file", &own.key);
    world.flag("peer-trusted-ca-file", &ca);
    world.flags.push("--peer-client-cert-auth".to_owned());
    Ok(world)
}

/// Somebody who comes to a member's port with a certificate.
fn visitor(world: &World, wish: &Wish) -> Outcome<ClientFiles> {
    let files = world.issue("visitor", wish)?;
    Ok(ClientFiles {
        pair: Some(Pair {
            cert: files.cert,
            key: files.key,
        }),
        trusted_ca: Some(world.ca()?),
        ..ClientFiles::default()
    })
}

fn peer_port(member: &Member) -> Outcome<u16> {
    let url = member.peer_endpoint();
    let (_, port) = url.rsplit_once(':').ok_or("no port")?;
    Ok(port.parse()?)
}

/// Writes by one member and reads what it wrote by another one.
fn check_agreement(cluster: &Cluster, from: usize, to: usize, value: &str) -> Outcome {
    let endpoint = |place: usize| vec![cluster[place].endpoint()];
    ctl::eventually("a write passes", || {
        ctl::run(&endpoint(from), &["put", "k", value])
    })?;
    let read = ctl::run(&endpoint(to), &["get", "k", "--print-value-only"])?;
    assert_eq!(read.trim_end(), value);
    Ok(())
}

/// GHSA-3wh4-j44w-pg92 among others: a member shows a certificate with the right name that nobody has
/// revoked; renewed files and lists count without a restart.
#[tokio::test]
async fn ghsa_3wh4_j44w_pg92_a_cluster() -> Outcome {
    let mut world = world()?;
    let crl = world.dir.path().join("crl");
    replace(&crl, &world.authority.revoke(&[])?)?;
    world.flag("peer-crl-file", &crl);
    world
        .flags
        .push("--peer-cert-allowed-cn=member,other".to_owned());
    let flags: Vec<&str> = world.flags.iter().map(String::as_str).collect();
    let mut cluster = Cluster::start(world.dir.path(), 3, &flags)?;
    check_agreement(&cluster, 0, 2, "1")?;

    let port = peer_port(&cluster[0])?;
    let with = |common_name, serial| Wish {
        common_name,
        serial,
        ..MEMBER
    };
    assert!(is_served(port, "/version", visitor(&world, &with("member", 77))?).await);
    assert!(is_served(port, "/version", visitor(&world, &with("other", 78))?).await);
    assert!(!is_served(port, "/version", visitor(&world, &with("client", 79))?).await);
    let without = ClientFiles {
        pair: None,
        ..visitor(&world, &MEMBER)?
    };
    assert!(!is_served(port, "/version", without).await);

    // All members get new certificates, and the old ones are revoked.
    world.issue("member", &with("member", 2))?;
    replace(&crl, &world.authority.revoke(&[1, 77])?)?;
    assert!(!is_served(port, "/version", visitor(&world, &with("member", 77))?).await);
    assert!(!is_served(port, "/version", visitor(&world, &MEMBER)?).await);
    check_agreement(&cluster, 0, 2, "2")?;
    // Whoever comes back meets members that show what they have read again.
    for place in [2, 0] {
        cluster[place].stop(Stop::Kill)?;
        cluster[place].restart()?;
        check_agreement(&cluster, 1, place, &format!("after {place}"))?;
    }
    Ok(())
}

/// Names of hosts instead of common names.
#[tokio::test]
async fn allowed_hosts() -> Outcome {
    let mut world = world()?;
    for flag in [
        "--peer-cert-allowed-hostname=member.example",
        "--peer-skip-client-san-verification",
    ] {
        world.flags.push(flag.to_owned());
    }
    let member = world.start()?;
    let port = peer_port(&member)?;
    for (hosts, is_let_in) in [
        (&["member.example"][..], true),
        (&["client.example", "member.example"], true),
        (&["client.example"], false),
    ] {
        let wish = Wish { hosts, ..MEMBER };
        let served = is_served(port, "/version", visitor(&world, &wish)?).await;
        assert_eq!(served, is_let_in, "{hosts:?}");
    }
    Ok(())
}

/// Unless told otherwise, a certificate that names hosts is let in from those only.
#[tokio::test]
async fn certificates_of_other_hosts() -> Outcome {
    let world = world()?;
    let member = world.start()?;
    let port = peer_port(&member)?;
    for (hosts, is_let_in) in [
        (&["127.0.0.1"][..], true),
        (&["10.9.8.7"], false),
        (&[], true),
    ] {
        let wish = Wish { hosts, ..MEMBER };
        let served = is_served(port, "/version", visitor(&world, &wish)?).await;
        assert_eq!(served, is_let_in, "{hosts:?}");
    }
    Ok(())
}
