//! Puts and gets over TLS.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use certificates::{Authority, Wish};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::{Bench, HUNDRED, PUT_KEYS, fill};
use crate::cluster::Setup;
use crate::load::Load;
use crate::requests::Ask;
use crate::results::Metric;
use crate::table::{Goal, Row};

const PUT: &str = "put over TLS, 100 clients on 10 connections";
const GET: &str = "linearizable get over TLS, 100 clients on 10 connections";

pub(super) const ROWS: [Row; 2] = [
    Row {
        load: GET,
        metric: Metric::CpuMicros,
        title: "CPU a linearizable get over TLS, µs",
        goal: Goal::Ratio(0.5),
    },
    Row {
        load: PUT,
        metric: Metric::CpuMicros,
        title: "CPU a put over TLS, µs",
        goal: Goal::Ratio(0.5),
    },
];

/// Runs all rounds, the servers in turn.
pub(super) async fn run(bench: &mut Bench<'_>) -> Result<()> {
    let dir = bench.options.fresh_dir()?;
    let setup = setup(dir.path())?;
    for _ in 0..bench.options.rounds {
        for kind in bench.options.kinds() {
            let cluster = bench.start(kind, &setup).await?;
            let targets = &cluster.targets();
            fill(targets, PUT_KEYS).await?;
            let keys = PUT_KEYS;
            let shape = HUNDRED;
            for (title, ask) in [(GET, Ask::Get { keys }), (PUT, Ask::Put { keys })] {
                let load = Load {
                    targets,
                    ask,
                    shape,
                };
                let measured = bench.measure(title, kind, &cluster, load).await;
                measured.with_context(|| format!("{title} on {kind:?}"))?;
            }
        }
    }
    Ok(())
}

/// A certificate for the server, and clients that trust its authority.
fn setup(dir: &Path) -> Result<Setup> {
    let made = |error| anyhow!("no certificate: {error}");
    let authority = Authority::new("bench").map_err(made)?;
    let root = authority.write(&dir.join("ca.pem"))?;
    let issued = authority.issue(&Wish::default()).map_err(made)?;
    let files = issued.write(dir, "server")?;

    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(root)?)?;
    // In the order in which Go's clients want them.
    let mut provider = ring::default_provider();
    provider.cipher_suites = vec![
        ring::cipher_suite::TLS13_AES_128_GCM_SHA256,
        ring::cipher_suite::TLS13_AES_256_GCM_SHA384,
    ];
    let config = ClientConfig::builder_with_provider(Arc::new(provider));
    let config = config.with_safe_default_protocol_versions()?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Setup {
        flags: vec![
            format!("--cert-file={}", files.cert.display()),
            format!("--key-file={}", files.key.display()),
        ],
        tls: Some(TlsConnector::from(Arc::new(config))),
        ..Setup::default()
    })
}
