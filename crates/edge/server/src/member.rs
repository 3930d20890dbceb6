//! The assembled member: listeners in front of the services, the engine behind them.
//!
//! Sockets are bound first, so that a port in use is said before the data directory is touched;
//! clients are served once the member is published through its own log.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use prometheus::Registry;
use rpc::{BindError, ListenAddress, PortKind, SocketOptions, Threads};
use tokio::runtime::{Builder, LocalOptions};
use transport::Transport;

use crate::audit::{Audit, AuditConfig};
use crate::engine::{self, Engine, Handle, Meters, Running};
use crate::http::Http;
use crate::membership::{self, corruption, handover};
use crate::metrics::Metrics;
use crate::network::{self, PeerConfig};
use crate::ports::{ListenerTls, Port, Ports};
use crate::services::{HubMetrics, Observers, Services, Usage, UsageConfig};
use crate::traces::{TraceConfig, Tracer};

/// How long calls that are under way may take when the member stops.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(7);

/// How long the last lines of the audit log, and the last traces, may take.
const OBSERVERS_PATIENCE: Duration = Duration::from_secs(5);

/// How often it is looked at whether a member that is to become ready has ended.
const READY_LOOK: Duration = Duration::from_millis(100);

/// What a member is told once.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The engine; its number of threads is that of the connection threads.
    pub engine: engine::Config,
    /// The connection threads.
    pub rpc: rpc::Config,
    /// How listening sockets are made.
    pub sockets: SocketOptions,
    /// Where other members are listened to.
    pub peer: Vec<ListenAddress>,
    /// How other members are reached.
    pub peers: PeerConfig,
    /// Where clients are listened to: gRPC, and HTTP unless it has ports of its own.
    pub client: Vec<ListenAddress>,
    /// Ports of their own for HTTP; when there are any, `client` serves gRPC alone.
    pub client_http: Vec<ListenAddress>,
    /// Where metrics and health are served besides.
    pub metrics: Vec<ListenAddress>,
    /// Whether the API is served as JSON, too.
    pub gateway: bool,
    /// TLS for the URLs that ask for it.
    pub tls: ListenerTls,
    /// The parts that can be switched by name, for `/metrics`.
    pub features: Vec<Feature>,
    /// Whether profiles are served at `/debug/pprof/`.
    pub profiles: bool,
    /// The audit log, if there is to be one.
    pub audit: Option<AuditConfig>,
    /// What is counted by client, user and prefix.
    pub usage: UsageConfig,
    /// Where traces of requests go, if there are to be any.
    pub traces: Option<TraceConfig>,
    /// Applying a group of entries for so long is worth a warning.
    pub warning_apply: Duration,
}

/// A part that can be switched by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its name.
    pub name: &'static str,
    /// How settled it is: `ALPHA`, `BETA`.
    pub stage: &'static str,
    /// Whether it is on.
    pub enabled: bool,
}

/// Why a member does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A URL cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The engine does not start.
    #[error(transparent)]
    Engine(#[from] engine::StartError),
    /// The connection threads do not start.
    #[error(transparent)]
    Threads(#[from] rpc::StartError),
    /// This member's data is not that of the others.
    #[error(transparent)]
    Corrupt(#[from] membership::Inconsistent),
    /// The network to the other members does not start.
    #[error(transparent)]
    Transport(#[from] transport::StartError),
    /// A metric's name is used twice.
    #[error("cannot register metrics")]
    Metrics(#[from] prometheus::Error),
    /// A thread of the member's own does not start.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
}

/// A running member.
pub struct Server {
    running: Running,
    transport: Transport,
    threads: Threads,
    keeper: JoinHandle<()>,
    stop_keeper: tokio::sync::oneshot::Sender<()>,
    ready: Receiver<()>,
    clients: Vec<Port>,
    observers: Arc<Observers>,
}

impl Server {
    /// Binds all sockets, opens the data directory and starts the threads.
    ///
    /// Peers, metrics and health are served at once, clients after [`Server::serve_clients`].
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn start(config: &ServerConfig) -> Result<Self, ServerError> {
        let ports = Ports::bind(config)?;
        if config.profiles {
            profile::heap::switch_on();
        }
        let registry = Registry::new();
        let meters = Arc::new(Meters::new(&registry, config.warning_apply)?);
        let opened = engine::open(&config.engine, meters)?;
        opened
            .engine()
            .set_connector(config.peers.connector.clone());
        if config.engine.corruption.initial && !opened.is_new() {
            corruption::check_before_start(opened.engine())?;
        }
        let traffic = transport::Metrics::new()?;
        traffic.register(&registry)?;
        let transport = network::start(&config.peers, &opened, traffic)?;
        let running = opened.start(Arc::new(transport.clone()))?;
        registry.register(Box::new(HubMetrics::new(Arc::clone(
            running.engine().hub(),
        ))?))?;
        let metrics = Metrics::new(
            registry,
            &config.features,
            config.engine.member_dir.describe("").into(),
        )?;
        let observers = Arc::new(observers(config).map_err(ServerError::Thread)?);
        metrics.set_observers(Arc::clone(&observers));
        if observers.tracer.is_some() {
            running.engine().meters().timeline().switch_on();
        }
        let threads = Threads::start(&config.rpc, {
            let (engine, metrics) = (running.engine().clone(), metrics.clone());
            let peers = transport.http();
            let observers = observers.is_wanted().then(|| Arc::clone(&observers));
            let profiles = config.profiles;
            let gateway = config.gateway.then_some(config.rpc.message_bytes_max);
            move |thread| {
                let handle = Handle::start(engine.clone(), thread);
                rpc::Services {
                    grpc: Services::new(handle.clone(), observers.clone(), metrics.lags()).into(),
                    http: Http::new(handle, metrics.clone(), gateway, peers.clone(), profiles)
                        .into(),
                }
            }
        })?;
        metrics.set_calls(Arc::clone(threads.metrics()));
        for port in ports.early {
            threads.serve(port.listener, port.kind, port.security);
        }
        let (ready_sender, ready) = sync_channel(1);
        let (stop_keeper, stopped) = tokio::sync::oneshot::channel();
        let keeper = spawn_keeper(&running, &config.engine, ready_sender, stopped)?;
        Ok(Self {
            running,
            transport,
            threads,
            keeper,
            stop_keeper,
            ready,
            clients: ports.clients,
            observers,
        })
    }

    /// The state that all threads share.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        self.running.engine()
    }

    /// Whether the data directory was empty.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.running.is_new()
    }

    /// The client URLs that are listened on, with the ports that the system chose, and what each serves.
    #[must_use]
    pub fn client_urls(&self) -> Vec<(ListenAddress, PortKind)> {
        self.clients
            .iter()
            .map(|port| (port.address(), port.kind))
            .collect()
    }

    /// Waits until the member is published; false when it has stopped or ended before.
    #[must_use]
    pub fn wait_ready(&self) -> bool {
        loop {
            match self.ready.recv_timeout(READY_LOOK) {
                Ok(()) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) if self.engine().ending().get().is_some() => {
                    return false;
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Accepts clients from now on.
    pub fn serve_clients(&mut self) {
        for port in self.clients.drain(..) {
            self.threads.serve(port.listener, port.kind, port.security);
        }
    }

    /// Stops in good order: another member leads, calls under way are answered, everything applied
    /// reaches the disk.
    pub fn shutdown(self) {
        handover::hand_over_leadership(self.running.engine());
        self.threads.shutdown(SHUTDOWN_GRACE);
        // The keeper may have ended already.
        let _ = self.stop_keeper.send(());
        let _ = self.keeper.join();
        self.transport.stop();
        self.running.stop();
        self.observers.stop(OBSERVERS_PATIENCE);
    }
}

/// Starts whoever wants to know of requests.
fn observers(config: &ServerConfig) -> std::io::Result<Observers> {
    let audit = config.audit.as_ref().map(Audit::start).transpose()?;
    let tracer = config.traces.as_ref().map(Tracer::start).transpose()?;
    Ok(Observers {
        audit: audit.map(Arc::new),
        tracer: tracer.map(Arc::new),
        usage: config
            .usage
            .is_wanted()
            .then(|| Arc::new(Usage::new(config.usage.clone()))),
    })
}

/// Runs the member's own duties on a thread with a runtime of its own.
fn spawn_keeper(
    running: &Running,
    config: &engine::Config,
    ready: std::sync::mpsc::SyncSender<()>,
    stopped: tokio::sync::oneshot::Receiver<()>,
) -> Result<JoinHandle<()>, ServerError> {
    let runtime = Builder::new_current_thread();
    let keep = running.keeper(config, ready);
    let run = move || {
        let mut builder = runtime;
        let local = builder.enable_all().build_local(LocalOptions::default());
        match local {
            Ok(local) => local.block_on(async {
                keep.start();
                // Whoever drops the sender wants the keeper to stop as well.
                let _ = stopped.await;
            }),
            Err(error) => tracing::error!(%error, "cannot start the keeper's runtime"),
        }
    };
    std::thread::Builder::new()
        .name("etcd-keeper".to_owned())
        .spawn(run)
        .map_err(ServerError::Thread)
}
