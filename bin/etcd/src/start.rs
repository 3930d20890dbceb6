//! Starting the member and saying where it is.

use std::io;
use std::net::ToSocketAddrs as _;
use std::path::Path;
use std::sync::Arc;

use notation::initial_cluster::{self, InitialClusterError, Members};
use notation::url::UrlError;
use rpc::{BindError, ListenAddress};
use server::engine::Join;
use server::membership::{self, Joining, JoiningError};
use server::{Connector, Server, ServerError};

use crate::announce;
use crate::data_dir::{self, Contents, DataDirError};
use crate::descriptors::{self, TooFew};
use crate::discover::records::{self, RecordsError};
use crate::discover::service::{self, ServiceError};
use crate::dump;
use crate::failure::GoIo;
use crate::flags::settings::Settings;
use crate::handover::{self, HandoverError};
use crate::logging::Logger;
use crate::logging::field::fields;
use crate::secure::{self, SecureError};

/// Why a member does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// Too few descriptors.
    #[error(transparent)]
    Descriptors(#[from] TooFew),
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The directory of the log cannot be read.
    #[error("cannot read the directory of the write-ahead log")]
    LogDir(#[from] wal::Fault),
    /// The description of the first members cannot be read.
    #[error("error setting up initial cluster: {0}")]
    Syntax(UrlError),
    /// The first members.
    #[error(transparent)]
    Cluster(InitialClusterError),
    /// The discovery service.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The records of the domain name system.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// A service that knows new clusters only was named for one that is there.
    #[error("discovery URL should not be set when joining existing initial cluster")]
    ServiceOfExisting,
    /// The cluster that is there already.
    #[error(transparent)]
    Joining(#[from] JoiningError),
    /// The settings.
    #[error(transparent)]
    Handover(#[from] HandoverError),
    /// TLS.
    #[error(transparent)]
    Secure(#[from] SecureError),
    /// A place that cannot be listened on, in the words that scripts look for.
    #[error("listen {network} {address}: bind: {}", GoIo(source))]
    Listen {
        /// The kind of the socket.
        network: &'static str,
        /// The place.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The server.
    #[error(transparent)]
    Server(ServerError),
    /// The server stopped by itself.
    #[error("the member stopped before it was ready")]
    Stopped,
}

impl StartError {
    /// Whether it is about the member's place in its cluster, or the directory of its data.
    pub(crate) fn is_of_bootstrap(&self) -> bool {
        matches!(self, Self::Cluster(_) | Self::DataDir(_) | Self::Joining(_))
    }
}

impl From<ServerError> for StartError {
    fn from(error: ServerError) -> Self {
        match error {
            ServerError::Bind(BindError { address, source }) => Self::Listen {
                network: match address {
                    ListenAddress::Tcp { .. } => "tcp",
                    ListenAddress::Unix { .. } => "unix",
                },
                address: announce::bound(&address),
                source,
            },
            other => Self::Server(other),
        }
    }
}

/// Starts the member; it is ready for clients when this returns, and waits for [`serve`].
pub(crate) fn start(
    settings: &Settings,
    contents: Contents,
    log: &Logger,
) -> Result<Server, StartError> {
    let connections_max = descriptors::connections_max()?;
    say_what_is_configured(settings, log);
    dump::log(settings, contents, log);
    data_dir::prepare(Path::new(settings.text("data-dir")), log)?;
    let secure = secure::secure(settings, log)?;
    let connector = match secure.peers {
        Some(tls) => Connector::with_tls(Arc::new(tls)),
        None => Connector::plain(),
    };
    let Place {
        members,
        token,
        join,
    } = place(settings, &connector, log)?;
    let mut config = handover::server_config(settings, members, connections_max, secure.listeners)?;
    config.engine.join = join;
    config.engine.initial_cluster_token = token;
    config.peers.connector = connector;
    let server = Server::start(&config)?;
    announce::who_it_is(settings, &server, log);
    match server.wait_ready() {
        true => Ok(server),
        false => Err(StartError::Stopped),
    }
}

/// Serves clients from now on.
pub(crate) fn serve(server: &mut Server, log: &Logger) {
    let clients = server.client_urls();
    server.serve_clients();
    for (address, kind) in &clients {
        announce::ready(address, *kind, log);
    }
}

/// Where this member stands when its log does not know yet.
#[derive(Default)]
struct Place {
    /// The first members of a cluster that is founded.
    members: Members,
    /// What tells it from others with the same members.
    token: String,
    /// The place in one that is there.
    join: Option<Join>,
}

/// The place that the settings give; none when the log knows it.
fn place(settings: &Settings, connector: &Connector, log: &Logger) -> Result<Place, StartError> {
    let (parent, name) = handover::wal_place(settings);
    let parent: &dyn disk::Dir = &parent;
    let has_service = !settings.list("discovery-endpoints").is_empty();
    if wal::exists(&*parent.sub(&name))? {
        if has_service {
            log.warn("discovery token is ignored since cluster already initialized; valid logs are found", &[]);
        }
        return Ok(Place::default());
    }
    let name = settings.text("name").to_owned();
    if settings.text("initial-cluster-state") == "existing" {
        if has_service {
            return Err(StartError::ServiceOfExisting);
        }
        let joining = Joining {
            name,
            initial_cluster: described(settings, log)?,
            learners_max: usize::try_from(settings.int("max-learners")).unwrap_or_default(),
            connector: connector.clone(),
        };
        return Ok(Place {
            join: Some(membership::join(&joining)?),
            ..Place::default()
        });
    }
    if has_service {
        return discovered(settings, log);
    }
    let members = described(settings, log)?;
    let token = settings.text("initial-cluster-token").to_owned();
    membership::check_not_bootstrapped(&members, &name, &token, connector)?;
    Ok(Place {
        members,
        token,
        join: None,
    })
}

/// The members that were written down, in the settings or in the domain name system.
fn described(settings: &Settings, log: &Logger) -> Result<Members, StartError> {
    if settings.text("discovery-srv").is_empty() {
        // The default describes no cluster whose records are to be looked for.
        let is_default = !settings.is_set("initial-cluster");
        let text = match settings.text("discovery-srv-name").is_empty() || !is_default {
            true => settings.text("initial-cluster"),
            false => "",
        };
        return founders(settings, text);
    }
    let text = records::members(settings, log)?;
    founders(settings, &text)
}

/// The members of a description, this one under its own URLs among them.
fn founders(settings: &Settings, text: &str) -> Result<Members, StartError> {
    let advertised = settings.url_texts("initial-advertise-peer-urls");
    let members = initial_cluster::members(text, settings.text("name"), &advertised, |at| {
        at.to_socket_addrs().into_iter().flatten().collect()
    });
    members.map_err(|error| match error {
        InitialClusterError::Syntax(error) => StartError::Syntax(error),
        error => StartError::Cluster(error),
    })
}

/// The place that the discovery service gives; its token stands for the cluster's.
fn discovered(settings: &Settings, log: &Logger) -> Result<Place, StartError> {
    let endpoints = settings.list("discovery-endpoints");
    let fields = fields!["endpoints" => endpoints.to_vec()];
    log.info("Bootstrapping cluster using v3 discovery.", fields);
    let token = settings.text("discovery-token").to_owned();
    let mut urls = settings.url_texts("initial-advertise-peer-urls");
    urls.sort_unstable();
    let own = cluster::derive_member_id(&urls, &token, None);
    let name = settings.text("name");
    let entries: Vec<String> = urls.iter().map(|url| format!("{name}={url}")).collect();
    let text = service::join(settings, own, &entries.join(","), log)?;
    Ok(Place {
        members: founders(settings, &text)?,
        token,
        join: None,
    })
}

fn say_what_is_configured(settings: &Settings, log: &Logger) {
    let (reuse_address, reuse_port) = (
        settings.is_on("socket-reuse-address"),
        settings.is_on("socket-reuse-port"),
    );
    if reuse_address || reuse_port {
        let fields = fields!["reuse-address" => reuse_address, "reuse-port" => reuse_port];
        log.info("configuring socket options", fields);
    }
    let peers = settings.url_texts("listen-peer-urls");
    log.info(
        "configuring peer listeners",
        fields!["listen-peer-urls" => peers],
    );
    let clients = settings.url_texts("listen-client-urls");
    log.info(
        "configuring client listeners",
        fields!["listen-client-urls" => clients],
    );
}
