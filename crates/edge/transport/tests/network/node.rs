//! A transport with a real peer port, and an inbox that remembers.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use disk::{File, MemDir};
use parking_lot::{Condvar, Mutex};
use raft::{Message, MessageKind};
use rpc::{
    AccessControl, Call, Handler, HttpHandler, HttpRequest, HttpResponse, Inbound, ListenAddress,
    Listener, Outbound, PortKind, Security, Services, SocketOptions, Status, Threads, replies,
};
use transport::{Config, Connector, Inbox, Metrics, PeerHttp, Transport};
use types::{ClusterId, Entry, Index, MemberId, Term};

/// Machines are slow and loaded.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const CLUSTER: ClusterId = ClusterId(0xc1);

/// Tries again and again until it is so. For what the inbox does not tell.
pub(crate) fn until(mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "it does not come to be");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What a transport has told.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) messages: Vec<Message>,
    pub(crate) snapshots: Vec<(Message, Arc<dyn File>)>,
    pub(crate) unreachable: Vec<MemberId>,
    pub(crate) gone: Vec<MemberId>,
    pub(crate) snapshots_sent: Vec<(MemberId, bool)>,
    /// Who says that this one is removed, as often as it says so.
    pub(crate) removed_by: Vec<MemberId>,
    /// Who is removed.
    pub(crate) removed: Vec<MemberId>,
}

#[derive(Default)]
pub(crate) struct Memory {
    told: Mutex<Told>,
    changed: Condvar,
}

impl Memory {
    fn note(&self, change: impl FnOnce(&mut Told)) {
        change(&mut self.told.lock());
        self.changed.notify_all();
    }

    pub(crate) fn remove(&self, id: MemberId) {
        self.note(|told| told.removed.push(id));
    }

    /// Waits until `found` finds something.
    pub(crate) fn wait<T>(&self, mut found: impl FnMut(&mut Told) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut told = self.told.lock();
        loop {
            if let Some(found) = found(&mut told) {
                return found;
            }
            let timeout = self.changed.wait_until(&mut told, deadline);
            assert!(!timeout.timed_out(), "nothing came");
        }
    }

    pub(crate) fn now<T>(&self, read: impl FnOnce(&mut Told) -> T) -> T {
        read(&mut self.told.lock())
    }
}

impl Inbox for Memory {
    fn message(&self, message: Message) {
        self.note(|told| told.messages.push(message));
    }

    fn snapshot(&self, message: Message, database: Arc<dyn File>) {
        self.note(|told| told.snapshots.push((message, database)));
    }

    fn unreachable(&self, peer: MemberId) {
        self.note(|told| told.unreachable.push(peer));
    }

    fn gone(&self, peer: MemberId) {
        self.note(|told| told.gone.push(peer));
    }

    fn snapshot_sent(&self, peer: MemberId, delivered: bool) {
        self.note(|told| told.snapshots_sent.push((peer, delivered)));
    }

    fn is_removed(&self, id: MemberId) -> bool {
        self.told.lock().removed.contains(&id)
    }

    fn removed_from_cluster(&self, by: MemberId) {
        self.note(|told| told.removed_by.push(by));
    }
}

struct NoCalls;

impl Handler for NoCalls {
    const METHODS: &'static [proto::Method] = &[];

    async fn unary(self: Rc<Self>, _: Call, _: Bytes) -> Result<Bytes, Status> {
        unreachable!("a peer port has no calls")
    }

    async fn stream(self: Rc<Self>, _: Call, _: Inbound, _: Outbound) -> Result<(), Status> {
        unreachable!("a peer port has no calls")
    }
}

struct Port {
    http: PeerHttp,
    posts: Arc<AtomicUsize>,
}

impl HttpHandler for Port {
    fn takes_upload(&self, _: PortKind, method: &http::Method, path: &str) -> bool {
        PeerHttp::takes_upload(method, path)
    }

    async fn handle(self: Rc<Self>, request: HttpRequest) -> HttpResponse {
        if request.method == http::Method::POST {
            self.posts.fetch_add(1, Ordering::Relaxed);
        }
        match PeerHttp::serves(request.uri.path()) {
            true => self.http.answer(request).await,
            false => replies::not_found(),
        }
    }
}

/// A member as far as the network goes.
pub(crate) struct Node {
    pub(crate) id: MemberId,
    pub(crate) memory: Arc<Memory>,
    pub(crate) transport: Transport,
    pub(crate) metrics: Metrics,
    pub(crate) posts: Arc<AtomicUsize>,
    pub(crate) address: SocketAddr,
    scheme: &'static str,
    threads: Threads,
}

impl Node {
    pub(crate) fn start(id: u64) -> Self {
        Self::at(id, "127.0.0.1:0")
    }

    /// A node at an address, perhaps that of a node that has stopped.
    pub(crate) fn at(id: u64, address: &str) -> Self {
        Self::with(id, address, |_| {})
    }

    pub(crate) fn with(id: u64, address: &str, change: impl FnOnce(&mut Config)) -> Self {
        Self::behind(id, address, Security::Plain, change)
    }

    /// A node that waits so long for what it reads, and for others to read.
    pub(crate) fn waiting(id: u64, read: Duration, write: Duration) -> Self {
        let change = |config: &mut Config| config.read_timeout = read;
        Self::built(id, "127.0.0.1:0", Security::Plain, write, change)
    }

    /// A node whose peer port may speak TLS.
    pub(crate) fn behind(
        id: u64,
        address: &str,
        security: Security,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        Self::built(id, address, security, Duration::from_secs(5), change)
    }

    fn built(
        id: u64,
        address: &str,
        security: Security,
        peer_write_timeout: Duration,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let scheme = match security {
            Security::Plain => "http",
            _ => "https",
        };
        let url: ListenAddress = format!("{scheme}://{address}").parse().unwrap();
        let listener = Listener::bind(&url, SocketOptions::default()).unwrap();
        let ListenAddress::Tcp { host, port, .. } = listener.address().clone() else {
            unreachable!("a TCP address was asked for");
        };
        let address: SocketAddr = format!("{host}:{port}").parse().unwrap();
        let id = MemberId(id);
        let memory = Arc::new(Memory::default());
        let metrics = Metrics::new().unwrap();
        let mut config = Config {
            local: id,
            cluster: CLUSTER,
            peer_urls: vec![format!("{scheme}://{address}")],
            dial_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(5),
            connector: Connector::plain(),
            scratch: Arc::new(MemDir::new()),
            snapshot_bytes_per_second: None,
        };
        change(&mut config);
        let inbox = Arc::clone(&memory) as Arc<dyn Inbox>;
        let transport = Transport::start(config, metrics.clone(), inbox).unwrap();
        let posts = Arc::new(AtomicUsize::new(0));
        let threads = Threads::start(&rpc_config(peer_write_timeout), {
            let (http, posts) = (transport.http(), Arc::clone(&posts));
            move |_| Services {
                grpc: Rc::new(NoCalls),
                http: Rc::new(Port {
                    http: http.clone(),
                    posts: Arc::clone(&posts),
                }),
            }
        })
        .unwrap();
        threads.serve(listener, PortKind::Peer, security);
        Self {
            id,
            memory,
            transport,
            metrics,
            posts,
            address,
            scheme,
            threads,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    pub(crate) fn member(&self) -> (MemberId, Vec<String>) {
        (self.id, vec![self.url()])
    }

    /// Sends until `to` has received what `mark` recognises: what is sent before a connection
    /// stands may be lost.
    pub(crate) fn send_until_received(&self, to: &Node, make: impl Fn() -> Message) {
        let mark = make();
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.transport.send(vec![make()]);
            std::thread::sleep(Duration::from_millis(20));
            let has_come = |told: &mut Told| told.messages.contains(&mark);
            if to.memory.now(has_come) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{} does not hear {}",
                to.id,
                self.id
            );
        }
    }

    pub(crate) fn stop(self) {
        self.transport.stop();
        self.threads.shutdown(Duration::from_secs(10));
    }
}

fn rpc_config(peer_write_timeout: Duration) -> rpc::Config {
    rpc::Config {
        threads: 1,
        connections_max: 1000,
        message_bytes_max: 1 << 20,
        max_concurrent_streams: 100,
        keepalive: None,
        ping_interval_min: Duration::from_secs(5),
        peer_write_timeout,
        access: AccessControl::default(),
        timing: rpc::Timing::default(),
    }
}

/// Makes the nodes peers of each other.
pub(crate) fn introduce(nodes: &[&Node]) {
    for node in nodes {
        let others = nodes.iter().filter(|other| other.id != node.id);
        let others: Vec<_> = others.map(|other| other.member()).collect();
        node.transport.set_members(&others);
    }
}

pub(crate) fn message(kind: MessageKind, from: MemberId, to: MemberId, term: u64) -> Message {
    Message {
        kind,
        from,
        to,
        term: Term(term),
        ..Message::default()
    }
}

pub(crate) fn heartbeat(from: &Node, to: MemberId, term: u64) -> Message {
    message(MessageKind::Heartbeat, from.id, to, term)
}

pub(crate) fn append(from: MemberId, to: MemberId, index: u64, data: Bytes) -> Message {
    Message {
        log_term: Term(7),
        index: Index(index),
        commit: Index(index),
        entries: vec![Entry {
            term: Term(7),
            index: Index(index + 1),
            data,
            ..Entry::default()
        }],
        ..message(MessageKind::Append, from, to, 7)
    }
}
