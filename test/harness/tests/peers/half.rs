//! Half a member: our transport, and as much of raft as the other member of two needs.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cluster::Bootstrap;
use disk::{File, MemDir};
use parking_lot::Mutex;
use raft::{CAMPAIGN_TRANSFER, Message, MessageKind};
use rpc::{
    AccessControl, Call, Handler, HttpHandler, HttpRequest, HttpResponse, Inbound, ListenAddress,
    Listener, Outbound, PortKind, Security, Services, SocketOptions, Status, Threads, replies,
};
use transport::{Config, Connector, Inbox, Metrics, PeerHttp, Transport};
use types::{Entry, Index, MemberId, Term};

use crate::real::initial_cluster;

const PATIENCE: Duration = Duration::from_secs(120);
const TICK: Duration = Duration::from_millis(100);

/// What raft has to know.
pub(crate) struct State {
    local: MemberId,
    other: MemberId,
    term: Term,
    leads: bool,
    /// The log up to here is gone: index and term.
    base: (Index, Term),
    entries: Vec<Entry>,
    commit: Index,
    seen: BTreeMap<u64, usize>,
    pub(crate) reads: Vec<(Bytes, Index)>,
    pub(crate) snapshot: Option<(Message, Arc<dyn File>)>,
}

impl State {
    pub(crate) fn seen(&self, kind: MessageKind) -> usize {
        self.seen.get(&kind.to_wire()).copied().unwrap_or(0)
    }

    pub(crate) fn leads(&self) -> bool {
        self.leads
    }

    pub(crate) fn committed(&self) -> impl Iterator<Item = &Entry> {
        let commit = self.commit;
        self.entries
            .iter()
            .filter(move |entry| entry.index <= commit)
    }

    fn last(&self) -> (Index, Term) {
        let last = self.entries.last();
        last.map_or(self.base, |entry| (entry.index, entry.term))
    }

    fn term_at(&self, index: Index) -> Option<Term> {
        if index == self.base.0 {
            return Some(self.base.1);
        }
        let entry = self.entries.iter().find(|entry| entry.index == index);
        entry.map(|entry| entry.term)
    }

    fn message(&self, kind: MessageKind) -> Message {
        Message {
            kind,
            from: self.local,
            to: self.other,
            term: self.term,
            ..Message::default()
        }
    }

    /// What to answer to a message.
    fn step(&mut self, message: Message) -> Vec<Message> {
        *self.seen.entry(message.kind.to_wire()).or_default() += 1;
        if message.term > self.term && message.kind != MessageKind::PreVote {
            (self.term, self.leads) = (message.term, false);
        }
        match message.kind {
            MessageKind::PreVote => vec![Message {
                term: message.term,
                ..self.message(MessageKind::PreVoteResponse)
            }],
            MessageKind::Vote => vec![self.message(MessageKind::VoteResponse)],
            MessageKind::Append => vec![self.append(message)],
            MessageKind::Heartbeat => vec![Message {
                context: message.context,
                ..self.message(MessageKind::HeartbeatResponse)
            }],
            MessageKind::ReadIndexResponse => {
                let context = message.entries[0].data.clone();
                self.reads.push((context, message.index));
                vec![]
            }
            MessageKind::TimeoutNow => self.campaign(),
            MessageKind::VoteResponse if !message.reject => self.lead(),
            MessageKind::AppendResponse => self.acknowledged(&message),
            MessageKind::Propose if self.leads => self.propose(message.entries),
            MessageKind::ReadIndex if self.leads => vec![Message {
                index: self.commit,
                entries: message.entries,
                ..self.message(MessageKind::ReadIndexResponse)
            }],
            _ => vec![],
        }
    }

    fn append(&mut self, message: Message) -> Message {
        let mut answer = self.message(MessageKind::AppendResponse);
        if self.term_at(message.index) != Some(message.log_term) {
            answer.index = message.index;
            answer.reject = true;
            (answer.reject_hint, answer.log_term) = self.last();
            return answer;
        }
        self.entries.retain(|entry| entry.index <= message.index);
        answer.index = Index(message.index.0 + message.entries.len() as u64);
        self.entries.extend(message.entries);
        self.commit = self.commit.max(message.commit.min(answer.index));
        answer
    }

    fn campaign(&mut self) -> Vec<Message> {
        self.term = Term(self.term.0 + 1);
        let (index, log_term) = self.last();
        vec![Message {
            index,
            log_term,
            context: Bytes::from_static(CAMPAIGN_TRANSFER),
            ..self.message(MessageKind::Vote)
        }]
    }

    fn lead(&mut self) -> Vec<Message> {
        if self.leads {
            return vec![];
        }
        self.leads = true;
        self.propose(vec![Entry::default()])
    }

    fn propose(&mut self, entries: Vec<Entry>) -> Vec<Message> {
        let (after, _) = self.last();
        for (index, entry) in (after.0 + 1..).zip(entries) {
            let (term, index) = (self.term, Index(index));
            self.entries.push(Entry {
                term,
                index,
                ..entry
            });
        }
        vec![self.append_after(after)]
    }

    fn append_after(&self, after: Index) -> Message {
        let entries = self.entries.iter().filter(|entry| entry.index > after);
        Message {
            index: after,
            log_term: self.term_at(after).unwrap(),
            entries: entries.cloned().collect(),
            commit: self.commit,
            ..self.message(MessageKind::Append)
        }
    }

    /// Both have what the other one acknowledges.
    fn acknowledged(&mut self, message: &Message) -> Vec<Message> {
        if !self.leads {
            return vec![];
        }
        if message.reject {
            return vec![self.append_after(message.reject_hint)];
        }
        if message.index <= self.commit || self.term_at(message.index) != Some(self.term) {
            return vec![];
        }
        self.commit = message.index;
        vec![self.append_after(self.last().0)]
    }
}

/// Where the transport leaves what arrives.
struct Raft {
    state: Mutex<State>,
    transport: OnceLock<Transport>,
}

impl Raft {
    fn send(&self, messages: Vec<Message>) {
        if let Some(transport) = self.transport.get() {
            transport.send(messages);
        }
    }
}

impl Inbox for Raft {
    fn message(&self, message: Message) {
        let answers = self.state.lock().step(message);
        self.send(answers);
    }

    fn snapshot(&self, message: Message, database: Arc<dyn File>) {
        let mut state = self.state.lock();
        let mark = &message.snapshot.as_ref().unwrap().mark;
        state.base = (mark.index, mark.term);
        state.commit = mark.index;
        let answer = Message {
            index: mark.index,
            ..state.message(MessageKind::AppendResponse)
        };
        state.snapshot = Some((message, database));
        drop(state);
        self.send(vec![answer]);
    }

    fn unreachable(&self, _: MemberId) {}

    fn gone(&self, _: MemberId) {}

    fn snapshot_sent(&self, _: MemberId, _: bool) {}

    fn is_removed(&self, _: MemberId) -> bool {
        false
    }

    fn removed_from_cluster(&self, _: MemberId) {
        panic!("nobody is removed here");
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

struct Port(PeerHttp);

impl HttpHandler for Port {
    fn takes_upload(&self, _: PortKind, method: &http::Method, path: &str) -> bool {
        PeerHttp::takes_upload(method, path)
    }

    async fn handle(self: Rc<Self>, request: HttpRequest) -> HttpResponse {
        match PeerHttp::serves(request.uri.path()) {
            true => self.0.answer(request).await,
            false => replies::not_found(),
        }
    }
}

/// The running half.
pub(crate) struct Half {
    raft: Arc<Raft>,
    transport: Transport,
    threads: Threads,
    ticker: JoinHandle<()>,
    stopped: Arc<AtomicBool>,
}

impl Half {
    pub(crate) fn start(real_port: u16, half_port: u16) -> Self {
        let members = BTreeMap::from(initial_cluster(real_port, half_port));
        let bootstrap = Bootstrap::new(&members, "etcd-cluster").unwrap();
        let (real, half) = (
            bootstrap.member("real").unwrap(),
            bootstrap.member("half").unwrap(),
        );
        let entries = bootstrap.entries();
        let raft = Arc::new(Raft {
            state: Mutex::new(State {
                local: half.id,
                other: real.id,
                term: Term(1),
                leads: false,
                base: (Index(0), Term(0)),
                commit: Index(entries.len() as u64),
                entries,
                seen: BTreeMap::new(),
                reads: Vec::new(),
                snapshot: None,
            }),
            transport: OnceLock::new(),
        });
        let config = Config {
            local: half.id,
            cluster: bootstrap.cluster_id,
            peer_urls: half.peer_urls.clone(),
            dial_timeout: Duration::from_secs(2),
            read_timeout: Duration::from_secs(5),
            connector: Connector::plain(),
            scratch: Arc::new(MemDir::new()),
            snapshot_bytes_per_second: None,
        };
        let inbox = Arc::clone(&raft) as Arc<dyn Inbox>;
        let transport = Transport::start(config, Metrics::new().unwrap(), inbox).unwrap();
        raft.transport.set(transport.clone()).unwrap();
        let threads = serve(half_port, transport.http());
        transport.set_members(&[(real.id, real.peer_urls.clone())]);
        let stopped = Arc::new(AtomicBool::new(false));
        let ticker = thread::spawn({
            let (raft, stopped) = (Arc::clone(&raft), Arc::clone(&stopped));
            move || tick(&raft, &stopped)
        });
        Self {
            raft,
            transport,
            threads,
            ticker,
            stopped,
        }
    }

    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&State) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(&self.raft.state.lock()) {
            let seen = || self.raft.state.lock().seen.clone();
            assert!(
                Instant::now() < deadline,
                "not so: {what}; seen {:?}",
                seen()
            );
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        let other = self.raft.state.lock().other;
        self.transport.active_since(other).is_some()
    }

    pub(crate) fn read_index(&self, context: [u8; 8]) {
        let entry = Entry {
            data: Bytes::copy_from_slice(&context),
            ..Entry::default()
        };
        self.ask(MessageKind::ReadIndex, vec![entry]);
    }

    pub(crate) fn propose(&self, entry: Entry) {
        self.ask(MessageKind::Propose, vec![entry]);
    }

    /// Requests carry no term.
    fn ask(&self, kind: MessageKind, entries: Vec<Entry>) {
        let message = Message {
            term: Term(0),
            entries,
            ..self.raft.state.lock().message(kind)
        };
        self.raft.send(vec![message]);
    }

    /// In such a message the sender is the successor.
    pub(crate) fn ask_for_leadership(&self) {
        let message = self.raft.state.lock().message(MessageKind::TransferLeader);
        self.raft.send(vec![message]);
    }

    /// Loses the log, and deposes the leader: the next one finds out what we have.
    pub(crate) fn forget_everything(&self) {
        let mut state = self.raft.state.lock();
        state.entries.clear();
        state.base = (Index(0), Term(0));
        state.term = Term(state.term.0 + 1);
        let deposing = state.message(MessageKind::AppendResponse);
        drop(state);
        self.raft.send(vec![deposing]);
    }

    /// The snapshot is a whole database with the keys that were put.
    pub(crate) fn check_snapshot(&self, key: &[u8]) {
        let (message, file) = self.raft.state.lock().snapshot.clone().unwrap();
        let snapshot = message.snapshot.unwrap();
        assert!(snapshot.mark.index > Index(30));
        assert_eq!(snapshot.mark.conf.unwrap().voters.len(), 2);
        assert!(snapshot.data.starts_with(b"{"), "the membership as JSON");
        let reader = boltfile::Reader::open(file).unwrap();
        assert!(reader.check().is_empty());
        let keys = reader.bucket(b"key").unwrap().unwrap();
        let mut records = keys.items().map(|item| item.unwrap().1);
        assert!(records.any(|record| record.windows(key.len()).any(|bytes| bytes == key)));
    }

    pub(crate) fn stop(self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.ticker.join().unwrap();
        self.transport.stop();
        self.threads.shutdown(Duration::from_secs(10));
    }
}

/// A leader is heard of.
fn tick(raft: &Raft, stopped: &AtomicBool) {
    while !stopped.load(Ordering::Relaxed) {
        thread::sleep(TICK);
        let state = raft.state.lock();
        if state.leads {
            let messages = vec![
                state.message(MessageKind::Heartbeat),
                state.append_after(state.last().0),
            ];
            drop(state);
            raft.send(messages);
        }
    }
}

fn serve(port: u16, http: PeerHttp) -> Threads {
    let url: ListenAddress = format!("http://127.0.0.1:{port}").parse().unwrap();
    let listener = Listener::bind(&url, SocketOptions::default()).unwrap();
    let config = rpc::Config {
        threads: 1,
        connections_max: 100,
        message_bytes_max: 1 << 20,
        max_concurrent_streams: 100,
        keepalive: None,
        ping_interval_min: Duration::from_secs(5),
        peer_write_timeout: Duration::from_secs(5),
        access: AccessControl::default(),
        timing: rpc::Timing::default(),
    };
    let threads = Threads::start(&config, move |_| Services {
        grpc: Rc::new(NoCalls),
        http: Rc::new(Port(http.clone())),
    });
    let threads = threads.unwrap();
    threads.serve(listener, PortKind::Peer, Security::Plain);
    threads
}
