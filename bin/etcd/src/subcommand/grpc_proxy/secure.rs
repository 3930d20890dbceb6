//! TLS on both sides of the proxy.

use std::path::{Path, PathBuf};

use rpc::Security;
use tls::{ClientFiles, Pair, SelfSigned, ServerFiles, ServerTls, Suites, Versions};

use crate::failure;
use crate::logging::Logger;
use crate::logging::field::fields;
use command::Arguments;

/// What is shown to callers, and what to members.
pub(super) struct Secure {
    files: Option<ServerFiles>,
    pub(super) members: ClientFiles,
}

/// Reads what the flags name, and makes what they ask for.
pub(super) fn secure(values: &Arguments, log: &Logger) -> Result<Secure, String> {
    let (min, max) = (values.str("tls-min-version"), values.str("tls-max-version"));
    // Each flag by itself first: the message names it.
    for (name, version) in [("min", min), ("max", max)] {
        let checked = Versions::parse(
            if name == "min" { version } else { "" },
            if name == "max" { version } else { "" },
        );
        checked.map_err(|error| format!("tls-{name}-version is invalid: {error}"))?;
    }
    let versions = Versions::parse(min, max).map_err(|error| error.to_string())?;
    let names = values.list("listen-cipher-suites");
    let suites = Suites::parse(names.iter().map(String::as_str), versions);
    let suites = suites.map_err(|error| error.to_string())?;
    let files = pair(values, log)?.map(|pair| ServerFiles {
        client_cert_auth: false,
        trusted_ca: path(values, "trusted-ca-file"),
        crl: path(values, "client-crl-file"),
        versions,
        suites,
        ..ServerFiles::new(pair)
    });
    Ok(Secure {
        files,
        members: members(values, versions)?,
    })
}

impl Secure {
    /// Whether callers are spoken to with TLS.
    pub(super) fn has_pair(&self) -> bool {
        self.files.is_some()
    }

    /// Whether members are, unless an endpoint says otherwise.
    pub(super) fn towards_members(&self) -> bool {
        self.members.pair.is_some() || self.members.trusted_ca.is_some() || self.members.skip_verify
    }

    /// What stands in front of a listener.
    pub(super) fn listener(&self, secured: bool) -> Result<Security, String> {
        match (&self.files, secured) {
            (_, false) => Ok(Security::Plain),
            (None, true) => Err("no certificate is given for a listener with TLS".to_owned()),
            (Some(files), true) => {
                let tls = ServerTls::new(files.clone());
                Ok(Security::Tls(tls.map_err(|error| failure::chain(&error))?))
            }
        }
    }
}

fn members(values: &Arguments, versions: Versions) -> Result<ClientFiles, String> {
    let pair = match (path(values, "cert"), path(values, "key")) {
        (Some(cert), Some(key)) => Some(Pair { cert, key }),
        (None, None) => None,
        (cert, key) => return Err(half(cert, key)),
    };
    if let Some(pair) = &pair {
        let name = pair.common_name().map_err(|error| failure::chain(&error))?;
        if !name.is_empty() {
            // Every caller would be that user.
            let cert = pair.cert.display();
            return Err(format!("cert has non empty Common Name ({name}): {cert}"));
        }
    }
    Ok(ClientFiles {
        pair,
        trusted_ca: path(values, "cacert"),
        skip_verify: values.bool("insecure-skip-tls-verify"),
        versions,
        ..ClientFiles::default()
    })
}

/// The pair that callers are shown: given, or made by the proxy itself.
fn pair(values: &Arguments, log: &Logger) -> Result<Option<Pair>, String> {
    match (path(values, "cert-file"), path(values, "key-file")) {
        (Some(cert), Some(key)) => Ok(Some(Pair { cert, key })),
        (None, None) if values.bool("auto-tls") => own(values, log).map(Some),
        (None, None) => Ok(None),
        (cert, key) => Err(half(cert, key)),
    }
}

fn own(values: &Arguments, log: &Logger) -> Result<Pair, String> {
    let dir = Path::new(values.str("data-dir")).join("fixtures/proxy");
    let listen = values.str("listen-addr");
    let host = listen.rsplit_once(':').map_or(listen, |(host, _)| host);
    let hosts = [host.trim_matches(['[', ']']).to_owned()];
    let years = values.uint("self-signed-cert-validity");
    let own = SelfSigned::find_or_make(&dir, &hosts, years);
    let own = own.map_err(|error| failure::chain(&error))?;
    if own.is_new {
        let fields = fields!["dir" => dir.display().to_string()];
        log.info("made a self-signed certificate", fields);
    }
    Ok(own.pair)
}

fn half(cert: Option<PathBuf>, key: Option<PathBuf>) -> String {
    let text = |path: Option<PathBuf>| path.unwrap_or_default().display().to_string();
    format!(
        "KeyFile and CertFile must both be present[key: {}, cert: {}]",
        text(key),
        text(cert)
    )
}

fn path(values: &Arguments, name: &str) -> Option<PathBuf> {
    let text = values.str(name);
    (!text.is_empty()).then(|| PathBuf::from(text))
}
