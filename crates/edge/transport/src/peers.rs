//! The peers: their URLs, and the ways by which messages can leave to them.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use raft::{Message, MessageKind};
use rpc::ListenAddress;
use types::MemberId;

use crate::liveness::Liveness;
use crate::metrics::PeerMeters;
use crate::queue::{Pushed, QueueReceiver, QueueSender, queue};

/// Messages that may wait for a stream.
const STREAM_MESSAGES_MAX: usize = 4096;
/// Messages that may wait to be posted.
const PIPELINE_MESSAGES_MAX: usize = 64;
/// Unknown members that may be answered at a time.
const REMOTES_MAX: usize = 32;
/// A peer is reported as unreachable at most so often: each report makes consensus look at it.
const REPORT_INTERVAL: Duration = Duration::from_millis(20);

/// The two kinds of stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamKind {
    /// Appends only.
    Appends,
    /// Any message.
    Messages,
}

impl StreamKind {
    /// The last part but one of the stream's path.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Appends => "msgapp",
            Self::Messages => "message",
        }
    }
}

/// Another member, or (without streams) an unknown one that has talked to us.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) id: MemberId,
    pub(crate) urls: Urls,
    pub(crate) meters: PeerMeters,
    pub(crate) liveness: Liveness,
    appends: Slot,
    messages: Slot,
    pipeline: QueueSender,
    reported: Mutex<Option<Instant>>,
}

impl Peer {
    pub(crate) fn new(id: MemberId, urls: &[String], meters: PeerMeters) -> (Self, QueueReceiver) {
        let (pipeline, posts) = queue(PIPELINE_MESSAGES_MAX);
        let peer = Self {
            id,
            urls: Urls::new(id, urls),
            meters,
            liveness: Liveness::new(id),
            appends: Slot::default(),
            messages: Slot::default(),
            pipeline,
            reported: Mutex::default(),
        };
        (peer, posts)
    }

    /// Leaves a message where it will be sent from; false when it is dropped.
    pub(crate) fn push(&self, mut message: Message) -> bool {
        let streams = match message.kind {
            MessageKind::Append => &[&self.appends, &self.messages][..],
            _ => &[&self.messages][..],
        };
        for stream in streams {
            match stream.push(message) {
                Pushed::Queued => return true,
                Pushed::Full => return false,
                Pushed::Closed(back) => message = back,
            }
        }
        matches!(self.pipeline.push(message), Pushed::Queued)
    }

    /// A stream that the peer has opened; it takes the place of an older one.
    pub(crate) fn attach(&self, kind: StreamKind) -> QueueReceiver {
        let slot = match kind {
            StreamKind::Appends => &self.appends,
            StreamKind::Messages => &self.messages,
        };
        let (sender, receiver) = queue(STREAM_MESSAGES_MAX);
        *slot.0.lock() = Some(sender);
        receiver
    }

    /// Ends the streams that the peer has opened.
    pub(crate) fn detach(&self) {
        self.appends.0.lock().take();
        self.messages.0.lock().take();
    }

    pub(crate) fn connected(&self) {
        if self.liveness.connected() {
            self.meters.active.inc();
        }
    }

    pub(crate) fn lost(&self, connection: &str, error: &dyn Display) {
        if self.liveness.lost(connection, error) {
            self.meters.active.dec();
            self.meters.disconnected.inc();
        }
    }

    /// Whether it is time to report the peer again.
    pub(crate) fn is_report_due(&self) -> bool {
        let now = Instant::now();
        let mut reported = self.reported.lock();
        let is_due = reported.is_none_or(|last| now - last >= REPORT_INTERVAL);
        if is_due {
            *reported = Some(now);
        }
        is_due
    }
}

/// Where the messages for a stream go while there is one.
#[derive(Debug, Default)]
struct Slot(Mutex<Option<QueueSender>>);

impl Slot {
    fn push(&self, message: Message) -> Pushed {
        let mut slot = self.0.lock();
        let Some(sender) = &*slot else {
            return Pushed::Closed(message);
        };
        let pushed = sender.push(message);
        if matches!(pushed, Pushed::Closed(_)) {
            *slot = None;
        }
        pushed
    }
}

/// A peer's URLs; the one that worked last is used again.
#[derive(Debug)]
pub(crate) struct Urls(Mutex<(Vec<ListenAddress>, usize)>);

impl Urls {
    fn new(id: MemberId, urls: &[String]) -> Self {
        Self(Mutex::new((parse(id, urls), 0)))
    }

    /// Replaces the URLs if they are others.
    pub(crate) fn set(&self, id: MemberId, urls: &[String]) {
        let parsed = parse(id, urls);
        let mut current = self.0.lock();
        if current.0 != parsed {
            *current = (parsed, 0);
        }
    }

    /// The URL to use now.
    pub(crate) fn pick(&self) -> Option<ListenAddress> {
        let urls = self.0.lock();
        urls.0.get(urls.1).cloned()
    }

    /// Whether there is no other to try.
    pub(crate) fn is_only_one(&self) -> bool {
        self.0.lock().0.len() == 1
    }

    /// The URL has failed: the next one is tried.
    pub(crate) fn failed(&self, url: &ListenAddress) {
        let mut urls = self.0.lock();
        if urls.0.get(urls.1) == Some(url) {
            urls.1 = (urls.1 + 1) % urls.0.len();
        }
    }
}

fn parse(id: MemberId, urls: &[String]) -> Vec<ListenAddress> {
    let parsed = urls.iter().filter_map(|url| {
        url.trim_end_matches('/')
            .parse()
            .inspect_err(|error| tracing::warn!(peer = %id, %error, "a member has a bad peer URL"))
            .ok()
    });
    parsed.collect()
}

/// All peers.
#[derive(Debug, Default)]
pub(crate) struct Table {
    members: RwLock<BTreeMap<MemberId, Arc<Peer>>>,
    /// Members that we have not heard of from the log yet.
    remotes: RwLock<BTreeMap<MemberId, Arc<Peer>>>,
}

impl Table {
    pub(crate) fn member(&self, id: MemberId) -> Option<Arc<Peer>> {
        self.members.read().get(&id).cloned()
    }

    /// Where messages to `id` go.
    pub(crate) fn receiver(&self, id: MemberId) -> Option<Arc<Peer>> {
        self.member(id)
            .or_else(|| self.remotes.read().get(&id).cloned())
    }

    pub(crate) fn ids(&self) -> Vec<MemberId> {
        self.members.read().keys().copied().collect()
    }

    pub(crate) fn insert(&self, peer: Arc<Peer>) {
        self.members.write().insert(peer.id, peer);
    }

    pub(crate) fn remove(&self, id: MemberId) -> Option<Arc<Peer>> {
        self.members.write().remove(&id)
    }

    /// Adds an unknown member unless it is there already, or too many are.
    pub(crate) fn insert_remote(&self, id: MemberId, make: impl FnOnce() -> Arc<Peer>) {
        let mut remotes = self.remotes.write();
        if remotes.len() < REMOTES_MAX && !remotes.contains_key(&id) {
            remotes.insert(id, make());
        }
    }

    pub(crate) fn remove_remote(&self, id: MemberId) -> bool {
        self.remotes.write().remove(&id).is_some()
    }
}
