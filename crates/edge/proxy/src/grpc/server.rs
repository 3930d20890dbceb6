//! The assembled proxy: listeners in front, members behind.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use client::ClientError;
use rpc::{BindError, ListenAddress, Listener, PortKind, Security, SocketOptions, Threads};
use tokio::runtime::{Builder, Handle};
use tokio::sync::watch::Sender;
use tokio::sync::{oneshot, watch};

use super::backend::{self, Backend};
use super::cache::Cache;
use super::http::Http;
use super::leasing::Leasing;
use super::metrics::Metrics;
use super::namespace::Namespace;
use super::registry::{Registry, Resolver};
use super::renewals::Renewals;
use super::services::{Services, Shared};
use super::watch::groups::Groups;

/// What a proxy is told once.
pub struct Config {
    /// The connection threads.
    pub rpc: rpc::Config,
    /// Where callers are listened to, and how.
    pub listen: (ListenAddress, Security),
    /// Where metrics and health are served besides, and how.
    pub metrics: Option<(ListenAddress, Security)>,
    /// The members.
    pub client: client::Config,
    /// The pause between two looks at the list of members, if it is looked at.
    pub sync_interval: Option<Duration>,
    /// The prefix before every key; empty for none.
    pub namespace: String,
    /// Where others find this proxy; empty for nowhere.
    pub advertised: String,
    /// Where proxies are registered.
    pub resolver: Option<Resolver>,
    /// What this machine is called.
    pub host_name: String,
    /// The prefix of the keys by which proxies own others; empty for none.
    pub leasing_prefix: String,
    /// Whether profiles are served beside metrics and health.
    pub has_profiles: bool,
    /// Whether no answer may be older than an earlier one.
    pub ordered: bool,
    /// Whether every call is written to the log.
    pub logs_calls: bool,
}

/// Why a proxy does not start.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// A URL cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The endpoints or files of the members.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The connection threads do not start.
    #[error(transparent)]
    Threads(#[from] rpc::StartError),
    /// The thread of what is shared does not start.
    #[error("cannot start a thread")]
    Hub(#[source] std::io::Error),
}

/// A running proxy.
pub struct GrpcProxy {
    threads: Threads,
    address: ListenAddress,
    ended: Receiver<()>,
    _stop: oneshot::Sender<()>,
}

impl GrpcProxy {
    /// Binds the sockets and serves callers.
    ///
    /// # Errors
    /// [`ProxyError`].
    pub fn start(config: Config) -> Result<Self, ProxyError> {
        if config.has_profiles {
            profile::heap::switch_on();
        }
        let (address, security) = config.listen;
        let listener = Listener::bind(&address, SocketOptions::default())?;
        let address = listener.address().clone().secured(address.is_secured());
        let metrics_listener = match config.metrics {
            None => None,
            Some((address, security)) => {
                let listener = Listener::bind(&address, SocketOptions::default())?;
                Some((listener, security))
            }
        };
        let (endpoints, known) = watch::channel(config.client.endpoints.clone());
        let registry = Arc::new(Registry {
            resolver: config.resolver,
            advertised: config.advertised,
            host_name: config.host_name,
        });
        let work = Work {
            client: config.client.clone(),
            endpoints,
            sync_interval: config.sync_interval,
            registry: Arc::clone(&registry),
        };
        let (hub, stop, ended) = work.start()?;
        let cache = Arc::new(Cache::default());
        let groups = Groups::new(
            Arc::clone(&hub.backend),
            hub.runtime.clone(),
            Arc::clone(&cache),
        );
        let namespace = Arc::new(Namespace::new(&config.namespace));
        let leasing = (!config.leasing_prefix.is_empty()).then(|| {
            let (leasing, releases) = Leasing::new(&config.leasing_prefix, &namespace);
            let leasing = Arc::new(leasing);
            let keep = Arc::clone(&leasing).keep(Arc::clone(&hub.backend), releases);
            hub.runtime.spawn(keep);
            leasing
        });
        let shared = Arc::new(Shared {
            namespace,
            leasing,
            cache,
            groups: Arc::new(groups),
            renewals: Arc::new(Renewals::new(Arc::clone(&hub.backend), hub.runtime.clone())),
            registry,
            order: config.ordered.then(|| AtomicI64::new(0)),
            logs_calls: config.logs_calls,
        });
        let metrics = Metrics::new(Arc::clone(&shared));
        let threads = Threads::start(&config.rpc, {
            let (metrics, client) = (metrics.clone(), config.client);
            move |_| {
                let own = Backend::new(&client, known.clone());
                // What could be made once can be made again; if not, what there is must do.
                let own = own.map_or_else(|_| Arc::clone(&hub.backend), Arc::new);
                rpc::Services {
                    grpc: Services::new(Arc::clone(&shared), Arc::clone(&own)).into(),
                    http: Http::new(own, metrics.clone(), config.has_profiles).into(),
                }
            }
        })?;
        metrics.set_calls(Arc::clone(threads.metrics()));
        threads.serve(listener, PortKind::Shared, security);
        if let Some((listener, security)) = metrics_listener {
            threads.serve(listener, PortKind::Metrics, security);
        }
        Ok(Self {
            threads,
            address,
            ended,
            _stop: stop,
        })
    }

    /// Where callers are listened to, with the port that the system chose.
    #[must_use]
    pub fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// Serves until the process ends.
    pub fn run(self) {
        // Nobody ever sends: it returns when the thread of what is shared is gone.
        let _ = self.ended.recv();
    }

    /// Stops serving and waits for the threads.
    pub fn shutdown(self, grace: Duration) {
        self.threads.shutdown(grace);
    }
}

/// The thread of what is shared between connection threads.
struct Hub {
    backend: Arc<Backend>,
    runtime: Handle,
}

/// What runs on it from the start.
struct Work {
    client: client::Config,
    endpoints: Sender<Vec<String>>,
    sync_interval: Option<Duration>,
    registry: Arc<Registry>,
}

type Started = (Hub, oneshot::Sender<()>, Receiver<()>);

impl Work {
    fn start(self) -> Result<Started, ProxyError> {
        let (stop, stopped) = oneshot::channel();
        let (made, hub) = sync_channel(1);
        let (alive, ended) = sync_channel(1);
        let run = move || {
            // Dropped with the thread.
            let _alive = alive;
            let mut builder = Builder::new_current_thread();
            let runtime = match builder.enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => {
                    let _ = made.send(Err(ProxyError::Hub(error)));
                    return;
                }
            };
            let handle = runtime.handle().clone();
            runtime.block_on(async move {
                let backend = match Backend::new(&self.client, self.endpoints.subscribe()) {
                    Ok(backend) => Arc::new(backend),
                    Err(error) => {
                        let _ = made.send(Err(error.into()));
                        return;
                    }
                };
                tokio::spawn(self.registry.keep(Arc::clone(&backend)));
                if let Some(interval) = self.sync_interval {
                    let follow = backend::follow(Arc::clone(&backend), self.endpoints, interval);
                    tokio::spawn(follow);
                }
                let runtime = handle;
                let _ = made.send(Ok(Hub { backend, runtime }));
                // Whoever drops the sender wants this to stop as well.
                let _ = stopped.await;
            });
        };
        let thread = std::thread::Builder::new().name("etcd-proxy".to_owned());
        thread.spawn(run).map_err(ProxyError::Hub)?;
        let ended_early = || ProxyError::Hub(std::io::ErrorKind::Other.into());
        let hub = hub.recv().map_err(|_| ended_early())??;
        Ok((hub, stop, ended))
    }
}
