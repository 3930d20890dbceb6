//! The connection threads, and the thread that deals accepted sockets to them.

use std::{
    io,
    pin::pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    runtime::{Builder, LocalOptions, LocalRuntime},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{sleep, timeout},
};

use crate::{
    access::AccessControl,
    arrival::{self, Guest},
    connection::{Shared, http2_builder},
    drain::Drains,
    grpc,
    handler::{Handler, Services},
    http1::{HttpHandler, HttpService},
    listen::{ListenSocket, Listener, PortKind, prepare},
    metrics::{CallMetrics, Metrics, Timing},
    peer::PeerAddress,
    security::{Handshakes, Security},
    table::Table,
    young::Young,
};

/// How long accepting rests after the system refused, as when no file descriptor is free.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// What all connections are served by.
#[derive(Clone, Debug)]
pub struct Config {
    /// Connection threads; one a core.
    pub threads: usize,
    /// Connections that one listener may have open; further ones wait to be accepted.
    pub connections_max: usize,
    /// Largest message that is received, in bytes.
    pub message_bytes_max: usize,
    /// Calls that a connection may have open.
    pub max_concurrent_streams: u32,
    /// Pings from the server, if any.
    pub keepalive: Option<Keepalive>,
    /// Shortest time between two pings of a client that has calls open (`--grpc-keepalive-min-time`).
    pub ping_interval_min: Duration,
    /// How long another member may leave its connection's buffers full (`--raft-write-timeout`).
    pub peer_write_timeout: Duration,
    /// Who may talk to the HTTP endpoints.
    pub access: AccessControl,
    /// What is made of the times of calls.
    pub timing: Timing,
}

/// How long the connections of other members may take to end.
const PEER_GRACE: Duration = Duration::from_millis(500);

/// Pings that find dead clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Silence after which a ping is sent.
    pub interval: Duration,
    /// Silence after a ping that ends the connection.
    pub timeout: Duration,
}

/// A thread or its runtime could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot start the thread {name}")]
pub struct StartError {
    /// The thread.
    pub name: String,
    /// What the system said.
    pub source: io::Error,
}

/// The running connection threads.
pub struct Threads {
    workers: Vec<Worker>,
    acceptor: mpsc::UnboundedSender<Served>,
    acceptor_thread: JoinHandle<()>,
    metrics: Arc<Metrics>,
}

struct Worker {
    thread: JoinHandle<()>,
    work: mpsc::UnboundedSender<Work>,
}

/// What a worker is told. The queue holds no more than the connections that may be open.
enum Work {
    Serve(Accepted),
    /// The clients are to go; whoever waits is told by the end of the channel.
    Drain {
        grace: Duration,
        _gone: std::sync::mpsc::Sender<()>,
    },
}

struct Accepted {
    stream: Stream,
    guest: Guest,
    slot: Slot,
}

/// A listener and how it is served.
struct Served {
    listener: Listener,
    port: PortKind,
    security: Security,
}

enum Stream {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

/// A connection's place in the counts of its listener and its worker.
struct Slot {
    _permit: OwnedSemaphorePermit,
    open: Arc<AtomicUsize>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Threads {
    /// Starts the threads; `factory` makes the handlers of each, on that thread and inside its
    /// runtime, and is given the thread's number.
    ///
    /// # Errors
    /// [`StartError`] when a thread or runtime cannot be made.
    pub fn start<G, W, F>(config: &Config, factory: F) -> Result<Self, StartError>
    where
        G: Handler,
        W: HttpHandler,
        F: Fn(usize) -> Services<G, W> + Send + Sync + 'static,
    {
        let metrics = Arc::new(Metrics::new(G::METHODS, config.timing));
        let factory = Arc::new(factory);
        let mut workers = Vec::new();
        let mut dealt = Vec::new();
        for number in 0..config.threads.max(1) {
            let (sender, receiver) = mpsc::unbounded_channel();
            let context = WorkerContext {
                config: config.clone(),
                counters: metrics.thread(),
                work: receiver,
            };
            let factory = Arc::clone(&factory);
            let thread = spawn(format!("connections-{number}"), async move || {
                context.run(factory(number)).await;
            })?;
            dealt.push(Dealt {
                work: sender.clone(),
                open: Arc::default(),
            });
            workers.push(Worker {
                thread,
                work: sender,
            });
        }
        let (acceptor, listeners) = mpsc::unbounded_channel();
        let connections_max = config.connections_max;
        let acceptor_thread = spawn("accept".to_owned(), async move || {
            accept_all(listeners, Rc::new(Dealer::new(dealt)), connections_max).await;
        })?;
        Ok(Self {
            workers,
            acceptor,
            acceptor_thread,
            metrics,
        })
    }

    /// Accepts connections from now on, with or without TLS.
    pub fn serve(&self, listener: Listener, port: PortKind, security: Security) {
        let served = Served {
            listener,
            port,
            security,
        };
        // The acceptor lives until shutdown.
        let _ = self.acceptor.send(served);
    }

    /// The counters of all calls.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Stops accepting, ends streams, lets the clients' unary calls finish for at most `grace`, then
    /// does without the other members, and waits for the threads. It blocks.
    pub fn shutdown(self, grace: Duration) {
        drop(self.acceptor);
        join(self.acceptor_thread);
        let (gone, all_gone) = std::sync::mpsc::channel();
        for worker in &self.workers {
            let _gone = gone.clone();
            // A worker that is gone needs no telling.
            let _ = worker.work.send(Work::Drain { grace, _gone });
        }
        drop(gone);
        let _ = all_gone.recv();
        for worker in self.workers {
            drop(worker.work);
            join(worker.thread);
        }
    }
}

fn join(thread: JoinHandle<()>) {
    let name = thread.thread().name().unwrap_or("unnamed").to_owned();
    if thread.join().is_err() {
        tracing::error!(thread = name, "a thread has panicked");
    }
}

/// Starts a thread with a runtime of its own and runs `main` on it.
fn spawn<F>(name: String, main: F) -> Result<JoinHandle<()>, StartError>
where
    F: AsyncFnOnce() + Send + 'static,
{
    let (made, outcome) = std::sync::mpsc::channel();
    let failed = |source| StartError {
        name: name.clone(),
        source,
    };
    let thread = std::thread::Builder::new()
        .name(name.clone())
        .spawn(move || match runtime() {
            Ok(runtime) => {
                let _ = made.send(Ok(()));
                runtime.block_on(main());
            }
            Err(error) => {
                let _ = made.send(Err(error));
            }
        })
        .map_err(failed)?;
    match outcome.recv() {
        Ok(Ok(())) => Ok(thread),
        Ok(Err(source)) => Err(failed(source)),
        Err(_) => Err(failed(io::ErrorKind::Other.into())),
    }
}

fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
}

struct WorkerContext {
    config: Config,
    counters: Arc<CallMetrics>,
    work: mpsc::UnboundedReceiver<Work>,
}

impl WorkerContext {
    async fn run<G: Handler, W: HttpHandler>(mut self, services: Services<G, W>) {
        let drains = Drains::default();
        let shared = Rc::new(self.shared(services, drains.clone()));
        while let Some(work) = self.work.recv().await {
            match work {
                Work::Serve(accepted) => {
                    tokio::task::spawn_local(serve(Rc::clone(&shared), accepted));
                }
                Work::Drain { grace, _gone } => {
                    drains.clients.start();
                    if timeout(grace, drains.clients.finished()).await.is_err() {
                        tracing::warn!("closed connections that still had calls");
                    }
                }
            }
        }
        drains.clients.start();
        drains.peers.start();
        // Whatever another member still sends, it will send again.
        let _ = timeout(PEER_GRACE, drains.peers.finished()).await;
    }

    fn shared<G: Handler, W: HttpHandler>(
        &self,
        services: Services<G, W>,
        drains: Drains,
    ) -> Shared<G, W> {
        let grpc = Rc::new(grpc::Service {
            handler: services.grpc,
            table: Table::new(G::METHODS),
            metrics: Arc::clone(&self.counters),
            drain: drains.clients.clone(),
            message_bytes_max: self.config.message_bytes_max,
        });
        Shared {
            grpc: Rc::clone(&grpc),
            http: Rc::new(HttpService {
                handler: services.http,
                calls: grpc,
                access: Arc::new(self.config.access.clone()),
                body_bytes_max: self.config.message_bytes_max,
                drains: drains.clone(),
            }),
            http2: http2_builder(&self.config),
            handshakes: Handshakes::default(),
            ping_interval_min: self.config.ping_interval_min,
            peer_write_timeout: self.config.peer_write_timeout,
            drains,
        }
    }
}

async fn serve<G: Handler, W: HttpHandler>(shared: Rc<Shared<G, W>>, accepted: Accepted) {
    let Accepted {
        stream,
        guest,
        slot,
    } = accepted;
    let address = guest.address;
    let ended = match stream {
        Stream::Tcp(stream) => match TcpStream::from_std(stream) {
            Ok(stream) => arrival::serve(shared, stream, guest).await,
            Err(error) => Err(error),
        },
        Stream::Unix(stream) => match UnixStream::from_std(stream) {
            Ok(stream) => arrival::serve(shared, stream, guest).await,
            Err(error) => Err(error),
        },
    };
    if let Err(error) = ended {
        tracing::debug!(peer = %address, %error, "connection ended");
    }
    drop(slot);
}

/// Gives each connection to the worker that has fewest.
struct Dealer {
    workers: Vec<Dealt>,
}

struct Dealt {
    work: mpsc::UnboundedSender<Work>,
    open: Arc<AtomicUsize>,
}

impl Dealer {
    fn new(workers: Vec<Dealt>) -> Self {
        Self { workers }
    }

    fn deal(&self, stream: Stream, guest: Guest, permit: OwnedSemaphorePermit) {
        let fewest = self
            .workers
            .iter()
            .min_by_key(|worker| worker.open.load(Ordering::Relaxed));
        let Some(worker) = fewest else {
            return;
        };
        worker.open.fetch_add(1, Ordering::Relaxed);
        let slot = Slot {
            _permit: permit,
            open: Arc::clone(&worker.open),
        };
        let accepted = Accepted {
            stream,
            guest,
            slot,
        };
        // A worker that has stopped drops the connection.
        let _ = worker.work.send(Work::Serve(accepted));
    }
}

/// Accepts from every listener that comes, until the sender of listeners is gone.
async fn accept_all(
    mut listeners: mpsc::UnboundedReceiver<Served>,
    dealer: Rc<Dealer>,
    connections_max: usize,
) {
    while let Some(served) = listeners.recv().await {
        let dealer = Rc::clone(&dealer);
        tokio::task::spawn_local(async move {
            let address = served.listener.address().to_string();
            if let Err(error) = accept(served, &dealer, connections_max).await {
                tracing::error!(address, %error, "cannot accept connections");
            }
        });
    }
}

/// A place for one more connection: whoever says nothing makes room, and if everybody speaks, it
/// waits, and all others in the system's queue behind it.
async fn room(slots: &Arc<Semaphore>, young: &Young) -> io::Result<OwnedSemaphorePermit> {
    if let Ok(permit) = Arc::clone(slots).try_acquire_owned() {
        return Ok(permit);
    }
    let mut freed = pin!(Arc::clone(slots).acquire_owned());
    loop {
        let patience = young.evict_oldest();
        if let Ok(permit) = timeout(patience, freed.as_mut()).await {
            return permit.map_err(io::Error::other);
        }
    }
}

enum Incoming {
    Tcp(TcpListener),
    Unix(UnixListener),
}

async fn accept(served: Served, dealer: &Dealer, connections_max: usize) -> io::Result<()> {
    let Served {
        listener,
        port,
        security,
    } = served;
    let (socket, _file) = listener.into_parts();
    let incoming = match socket {
        ListenSocket::Tcp(socket) => Incoming::Tcp(TcpListener::from_std(socket)?),
        ListenSocket::Unix(socket) => Incoming::Unix(UnixListener::from_std(socket)?),
    };
    let slots = Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS)));
    let young = Young::default();
    loop {
        match incoming.next().await {
            Ok((stream, address)) => {
                let permit = room(&slots, &young).await?;
                let guest = Guest {
                    port,
                    security: security.clone(),
                    address,
                    youth: young.enter(),
                };
                dealer.deal(stream, guest, permit);
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::debug!(%error, "accept failed");
                sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

impl Incoming {
    async fn next(&self) -> io::Result<(Stream, PeerAddress)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                let stream = stream.into_std()?;
                if let Err(error) = prepare(&stream) {
                    // A client that is gone already is found out when it is read from.
                    tracing::debug!(peer = %address, %error, "cannot set socket options");
                }
                Ok((Stream::Tcp(stream), PeerAddress::Tcp(address)))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Stream::Unix(stream.into_std()?), PeerAddress::Unix))
            }
        }
    }
}
