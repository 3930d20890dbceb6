//! TLS as the flags ask for it: what listeners show, what this member shows to others.

use std::path::{Path, PathBuf};

use server::ListenerTls;
use tls::{
    Allowed, ClientFiles, ClientTls, Pair, SelfSigned, SelfSignedError, ServerFiles, ServerTls,
    SettingsError, Suites, TlsError, Versions,
};

use crate::flags::settings::Settings;
use crate::logging::Logger;
use crate::logging::field::fields;
use notation::url::Url;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecureError {
    /// A certificate without its key, or the other way round.
    #[error("KeyFile and CertFile must both be present[key: {key}, cert: {cert}]")]
    Half {
        /// The key.
        key: String,
        /// The certificate.
        cert: String,
    },
    /// The same of the pair that this member shows as a client.
    #[error(
        "ClientKeyFile and ClientCertFile must both be present or both absent: key: {key}, cert: {cert}]"
    )]
    HalfClient {
        /// The key.
        key: String,
        /// The certificate.
        cert: String,
    },
    /// Two ways to say who is let in.
    #[error(
        "AllowedCNs and AllowedHostnames are mutually exclusive (cns=[{}], hostnames=[{}])",
        cns.join(" "), hostnames.join(" ")
    )]
    TwoWays {
        /// Common names.
        cns: Vec<String>,
        /// Host names.
        hostnames: Vec<String>,
    },
    /// Versions and suites.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Files.
    #[error(transparent)]
    Files(#[from] TlsError),
    /// Certificates of the member's own.
    #[error(transparent)]
    SelfSigned(#[from] SelfSignedError),
}

/// TLS on both sides.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secure {
    /// For those who come.
    pub(crate) listeners: ListenerTls,
    /// For other members that are called.
    pub(crate) peers: Option<ClientTls>,
}

/// The flags of one side; `prefix` is that of their names.
struct Side<'a> {
    settings: &'a Settings,
    name: &'static str,
    prefix: &'static str,
    listen: &'static [&'static str],
}

const CLIENT: (&str, &str, &[&str]) = (
    "client",
    "",
    &["listen-client-urls", "listen-client-http-urls"],
);
const PEER: (&str, &str, &[&str]) = ("peer", "peer-", &["listen-peer-urls"]);

/// Reads and makes what the flags name; `data_dir` exists.
pub(crate) fn secure(settings: &Settings, log: &Logger) -> Result<Secure, SecureError> {
    let side = |(name, prefix, listen)| Side {
        settings,
        name,
        prefix,
        listen,
    };
    let (client, peer) = (side(CLIENT), side(PEER));
    let mut secure = Secure::default();
    if let Some(pair) = peer.pair(log)? {
        let mut files = peer.server_files(&pair)?;
        files.protocols = vec![b"http/1.1".to_vec()];
        files.checks_remote = !settings.is_on("peer-skip-client-san-verification");
        peer.announce(&pair, &files.suites, log);
        secure.peers = Some(ClientTls::new(peer.client_files(pair)?)?);
        secure.listeners.peer = Some(ServerTls::new(files)?);
    }
    if let Some(pair) = client.pair(log)? {
        let files = client.server_files(&pair)?;
        client.announce(&pair, &files.suites, log);
        secure.listeners.client = Some(ServerTls::new(files.clone())?);
        let metrics = ServerFiles {
            checks_remote: true,
            ..files
        };
        secure.listeners.metrics = Some(ServerTls::new(metrics)?);
    }
    for side in [peer, client] {
        side.mention_plain_urls(log);
    }
    Ok(secure)
}

impl Side<'_> {
    fn text(&self, name: &str) -> &str {
        self.settings.text(&format!("{}{name}", self.prefix))
    }

    fn is_on(&self, name: &str) -> bool {
        self.settings.is_on(&format!("{}{name}", self.prefix))
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        let text = self.text(name);
        (!text.is_empty()).then(|| PathBuf::from(text))
    }

    fn urls(&self) -> impl Iterator<Item = &Url> {
        self.listen.iter().flat_map(|name| self.settings.urls(name))
    }

    /// The pair that is shown: given, or made by the member itself.
    fn pair(&self, log: &Logger) -> Result<Option<Pair>, SecureError> {
        let makes_own = self.is_on("auto-tls");
        match (self.path("cert-file"), self.path("key-file")) {
            // Nobody would be shown them.
            (Some(_), _) | (_, Some(_)) if self.is_idle() => Ok(None),
            (Some(cert), Some(key)) => {
                if makes_own {
                    let message = format!("ignoring {} auto TLS since certs given", self.name);
                    log.warn(&message, &[]);
                }
                Ok(Some(Pair { cert, key }))
            }
            (None, None) if makes_own => self.own_pair(log).map(Some),
            (None, None) => Ok(None),
            _ => Err(SecureError::Half {
                key: self.text("key-file").to_owned(),
                cert: self.text("cert-file").to_owned(),
            }),
        }
    }

    /// Whether clients are served without TLS; members show their pair to others, too.
    fn is_idle(&self) -> bool {
        let metrics = self.settings.urls("listen-metrics-urls");
        let has_tls = self.urls().chain(metrics).any(|url| url.scheme().is_tls());
        self.prefix.is_empty() && !has_tls
    }

    fn own_pair(&self, log: &Logger) -> Result<Pair, SecureError> {
        let data_dir = Path::new(self.settings.text("data-dir"));
        let dir = data_dir.join("fixtures").join(self.name);
        let hosts = self.urls().filter(|url| !url.scheme().is_unix());
        let mut hosts: Vec<String> = hosts.map(|url| url.hostname().to_owned()).collect();
        hosts.sort_unstable();
        hosts.dedup();
        let years = self.settings.uint("self-signed-cert-validity");
        let own = SelfSigned::find_or_make(&dir, &hosts, years)?;
        if own.has_replaced {
            let fields = fields!["dir" => dir.display().to_string()];
            log.warn(
                "replaced a self-signed certificate whose kind of key is not supported",
                fields,
            );
        }
        Ok(own.pair)
    }

    fn is_own(&self, pair: &Pair) -> bool {
        self.path("cert-file").as_ref() != Some(&pair.cert)
    }

    fn allowed(&self) -> Result<Allowed, SecureError> {
        let (cns, hostnames) = match self.prefix {
            "" => (&[][..], "client-cert-allowed-hostname"),
            _ => (
                self.settings.list("peer-cert-allowed-cn"),
                "peer-cert-allowed-hostname",
            ),
        };
        let hostnames = self.settings.list(hostnames);
        match (cns.is_empty(), hostnames.is_empty()) {
            (true, true) => Ok(Allowed::Any),
            (false, true) => Ok(Allowed::CommonNames(cns.to_vec())),
            (true, false) => Ok(Allowed::Hostnames(hostnames.to_vec())),
            (false, false) => Err(SecureError::TwoWays {
                cns: cns.to_vec(),
                hostnames: hostnames.to_vec(),
            }),
        }
    }

    fn settings(&self) -> Result<(Versions, Suites), SettingsError> {
        settings(self.settings)
    }

    fn crl(&self) -> Option<PathBuf> {
        let name = match self.prefix {
            "" => "client-crl-file",
            _ => "peer-crl-file",
        };
        let text = self.settings.text(name);
        (!text.is_empty()).then(|| PathBuf::from(text))
    }

    fn server_files(&self, pair: &Pair) -> Result<ServerFiles, SecureError> {
        self.client_pair()?;
        let (versions, suites) = self.settings()?;
        Ok(ServerFiles {
            client_cert_auth: self.is_on("client-cert-auth"),
            trusted_ca: self.path("trusted-ca-file"),
            crl: self.crl(),
            allowed: self.allowed()?,
            versions,
            suites,
            ..ServerFiles::new(pair.clone())
        })
    }

    /// The pair that is shown to others, if it is not the listeners'.
    fn client_pair(&self) -> Result<Option<Pair>, SecureError> {
        match (self.path("client-cert-file"), self.path("client-key-file")) {
            (Some(cert), Some(key)) => Ok(Some(Pair { cert, key })),
            (None, None) => Ok(None),
            _ => Err(SecureError::HalfClient {
                key: self.text("client-key-file").to_owned(),
                cert: self.text("client-cert-file").to_owned(),
            }),
        }
    }

    /// What is shown to other members, and who of them is believed. Certificates that members make
    /// themselves cannot be verified.
    fn client_files(&self, pair: Pair) -> Result<ClientFiles, SecureError> {
        let (versions, suites) = self.settings()?;
        Ok(ClientFiles {
            skip_verify: self.is_own(&pair),
            pair: Some(self.client_pair()?.unwrap_or(pair)),
            server_name: self.discovered_name(),
            trusted_ca: self.path("trusted-ca-file"),
            allowed: self.allowed()?,
            versions,
            suites,
            protocols: vec![b"http/1.1".to_vec()],
        })
    }

    /// Members that were found by their domain, and that no authority of their own vouches for, show
    /// certificates of the domain.
    fn discovered_name(&self) -> Option<String> {
        let domain = self.settings.text("discovery-srv");
        let is_used = !domain.is_empty() && self.path("trusted-ca-file").is_none();
        is_used.then(|| domain.to_owned())
    }

    fn announce(&self, pair: &Pair, suites: &Suites, log: &Logger) {
        let crl = self.crl().unwrap_or_default();
        let info = format!(
            "cert = {}, key = {}, client-cert={}, client-key={}, trusted-ca = {}, client-cert-auth = {}, crl-file = {}",
            pair.cert.display(),
            pair.key.display(),
            self.text("client-cert-file"),
            self.text("client-key-file"),
            self.text("trusted-ca-file"),
            self.is_on("client-cert-auth"),
            crl.display(),
        );
        let names = self.settings.list("cipher-suites");
        let fields = fields!["tls-info" => info, "cipher-suites" => names.to_vec()];
        log.info(&format!("starting with {} TLS", self.name), fields);
        if !suites.unsupported.is_empty() {
            let fields = fields!["cipher-suites" => suites.unsupported.clone()];
            log.warn(
                "ignoring TLS cipher suites that are not supported: CBC, RC4 and RSA key exchange",
                fields,
            );
        }
    }

    /// Files and checks that a URL without TLS leaves unused.
    fn mention_plain_urls(&self, log: &Logger) {
        let (scheme, key) = match self.prefix {
            "" => ("http or unix", "client-url"),
            _ => ("HTTP", "peer-url"),
        };
        let has_pair = self.path("cert-file").is_some() || self.path("key-file").is_some();
        for url in self.urls().filter(|url| !url.scheme().is_tls()) {
            let url = url.to_string();
            if has_pair {
                let message = format!(
                    "scheme is {scheme} while key and cert files are present; ignoring key and cert files"
                );
                log.warn(&message, fields![key => url.as_str()]);
            }
            if self.is_on("client-cert-auth") {
                let message = format!(
                    "scheme is {scheme} while --{}client-cert-auth is enabled; ignoring client cert auth for this URL",
                    self.prefix
                );
                log.warn(&message, fields![key => url.as_str()]);
            }
        }
    }
}

/// The versions and suites that both sides share.
pub(crate) fn settings(settings: &Settings) -> Result<(Versions, Suites), SettingsError> {
    let (min, max) = (
        settings.text("tls-min-version"),
        settings.text("tls-max-version"),
    );
    let versions = Versions::parse(min, max)?;
    let names = settings.list("cipher-suites").iter().map(String::as_str);
    Ok((versions, Suites::parse(names, versions)?))
}
