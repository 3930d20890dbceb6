//! The Watch service of the proxy: one session a stream of a caller.
//!
//! A watcher that wants what happens from now on first reads its range, with the rights of its
//! caller: the answer says which revision "now" is, and whether the caller may see the keys at all.
//! Then it joins the [`groups`] of its keys, or makes one. All others have a watch of their own until they have
//! caught up.

mod feed;
pub(super) mod groups;
mod watcher;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::future::{AbortHandle, Abortable, LocalBoxFuture};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use prost::Message as _;
use proto::etcdserverpb::watch_request::RequestUnion;
use proto::etcdserverpb::{
    RangeRequest, ResponseHeader, WatchCreateRequest, WatchRequest, WatchResponse,
};
use proto::limits::{GRPC_OVERHEAD_BYTES, MAX_REQUEST_BYTES};
use rpc::{Inbound, Outbound, Status};
use tokio::sync::watch;

use self::groups::{Groups, Same, Seat};
use self::watcher::{Watcher, shown};
use super::backend::Backend;
use super::namespace::Namespace;
use super::who::Who;

/// Answers are split at this size for those who ask for it.
const FRAGMENT_BYTES: usize = MAX_REQUEST_BYTES + GRPC_OVERHEAD_BYTES;
/// The id of refusals, and of what concerns all watchers of a stream.
const NO_ID: i64 = -1;
const DUPLICATE_ID: &str = "mvcc: duplicate watch ID provided on the WatchStream";

/// What the watchers of a connection thread share.
pub(super) struct Hub {
    pub(super) backend: Arc<Backend>,
    pub(super) groups: Arc<Groups>,
    pub(super) namespace: Arc<Namespace>,
}

/// Serves one stream of a caller.
pub(super) async fn serve(
    hub: Rc<Hub>,
    who: Who,
    mut inbound: Inbound,
    outbound: Outbound,
) -> Result<(), Status> {
    let mut session = Session::new(hub, who, outbound.clone());
    let mut is_open = true;
    loop {
        // Nothing is made for a caller that does not read.
        outbound.ready().await.map_err(|_| Status::cancelled())?;
        tokio::select! {
            message = inbound.next(), if is_open => match message {
                Some(message) => {
                    let request = WatchRequest::decode(message?).map_err(|_| Status::undecodable())?;
                    session.take(request).await?;
                }
                None => is_open = false,
            },
            Some(step) = session.running.next(), if !session.running.is_empty() => {
                session.tell(step)?;
            }
        }
    }
}

/// A watcher that has something to tell, or nothing any more because it was cancelled.
type Step = Option<(i64, Box<Watcher>, Result<WatchResponse, Status>)>;

struct Session {
    hub: Rc<Hub>,
    who: Who,
    outbound: Outbound,
    watchers: BTreeMap<i64, Entry>,
    running: FuturesUnordered<LocalBoxFuture<'static, Step>>,
    next_id: i64,
    asks: watch::Sender<u64>,
    /// Whether the caller waits to hear how far all its watchers are.
    is_asked: bool,
    header: ResponseHeader,
}

/// What the session knows of a watcher.
struct Entry {
    abort: AbortHandle,
    fragment: bool,
    progress_notify: bool,
    /// How far it is, since the caller asked.
    progress: Option<i64>,
    /// A compaction has overtaken it. As at a member, its id is taken until it is cancelled.
    is_over: bool,
}

impl Session {
    fn new(hub: Rc<Hub>, who: Who, outbound: Outbound) -> Self {
        Self {
            hub,
            who,
            outbound,
            watchers: BTreeMap::new(),
            running: FuturesUnordered::new(),
            next_id: 0,
            asks: watch::Sender::new(0),
            is_asked: false,
            header: ResponseHeader::default(),
        }
    }

    async fn take(&mut self, request: WatchRequest) -> Result<(), Status> {
        match request.request_union {
            Some(RequestUnion::CreateRequest(request)) => self.create(request).await,
            Some(RequestUnion::CancelRequest(request)) => self.cancel(request.watch_id),
            Some(RequestUnion::ProgressRequest(_)) => {
                self.ask();
                Ok(())
            }
            None => Ok(()),
        }
    }

    async fn create(&mut self, mut request: WatchCreateRequest) -> Result<(), Status> {
        let first_id = self.next_id;
        let id = match request.watch_id {
            0 => self.free_id(),
            id => id,
        };
        if self.watchers.contains_key(&id) {
            return self.refuse(DUPLICATE_ID);
        }
        let (fragment, progress_notify) = (request.fragment, request.progress_notify);
        match self.hub.namespace.is_whole() {
            true if request.key.is_empty() => request.key = vec![0].into(),
            true => {}
            false => self.hub.namespace.watch(&mut request),
        }
        let same = Same {
            who: self.who.clone(),
            key: request.key.clone(),
            range_end: request.range_end.clone(),
            prev_kv: request.prev_kv,
        };
        let seat = self.seat(&same, &mut request).await;
        if seat.is_some() {
            self.send(&WatchResponse {
                header: Some(self.header),
                watch_id: id,
                created: true,
                ..WatchResponse::default()
            })?;
        }
        let is_alone = seat.is_none();
        let hub = Rc::clone(&self.hub);
        let mut watcher = Watcher::new(hub, request, same, seat, self.asks.subscribe());
        if is_alone {
            // Creations are answered in the order in which they were asked for.
            let answer = watcher.next().await?;
            self.header = answer.header.unwrap_or(self.header);
            let is_refused = answer.canceled;
            self.send(&shown(&self.hub.namespace, answer, id))?;
            if is_refused {
                self.next_id = first_id;
                return Ok(());
            }
        }
        let (abort, _) = AbortHandle::new_pair();
        let entry = Entry {
            abort,
            fragment,
            progress_notify,
            progress: None,
            is_over: false,
        };
        self.watchers.insert(id, entry);
        self.go_on(id, Box::new(watcher));
        Ok(())
    }

    /// The lowest id that no watcher has had.
    fn free_id(&mut self) -> i64 {
        while self.watchers.contains_key(&self.next_id) {
            self.next_id += 1;
        }
        self.next_id += 1;
        self.next_id - 1
    }

    /// A seat among those who watch the same, for who wants nothing of the past. Whatever is
    /// unusual is left to the member, which says what is wrong in its own words.
    async fn seat(&mut self, same: &Same, request: &mut WatchCreateRequest) -> Option<Seat> {
        let is_range = matches!(&*request.range_end, [] | [0]) || request.range_end > request.key;
        if !is_range || request.start_revision < 0 {
            return None;
        }
        let client = self.hub.backend.client_of(&self.who).ok()?;
        let probe = RangeRequest {
            key: request.key.clone(),
            range_end: request.range_end.clone(),
            limit: 1,
            keys_only: true,
            ..RangeRequest::default()
        };
        let answer = client.range(probe).await.ok()?;
        self.header = answer.header?;
        let now = self.header.revision;
        if (1..=now).contains(&request.start_revision) {
            return None;
        }
        let seat = self.hub.groups.join(same, now);
        if request.start_revision == 0 {
            // What happened before now is not wanted, and what the others have been told is gone.
            self.header.revision = now.max(seat.position);
            request.start_revision = self.header.revision + 1;
        }
        (request.start_revision > seat.position).then_some(seat)
    }

    fn go_on(&mut self, id: i64, mut watcher: Box<Watcher>) {
        let Some(entry) = self.watchers.get_mut(&id) else {
            return;
        };
        let (abort, registration) = AbortHandle::new_pair();
        entry.abort = abort;
        let step = async move {
            let told = watcher.next().await;
            (id, watcher, told)
        };
        let step = Abortable::new(step, registration);
        self.running.push(Box::pin(async move { step.await.ok() }));
    }

    /// Tells what a watcher has.
    fn tell(&mut self, step: Step) -> Result<(), Status> {
        let Some((id, watcher, told)) = step else {
            return Ok(());
        };
        let answer = told?;
        let Some(entry) = self.watchers.get_mut(&id) else {
            return Ok(());
        };
        if let Some(header) = answer.header.filter(|header| header.revision > 0) {
            self.header = header;
        }
        let is_progress = !answer.created && !answer.canceled && answer.events.is_empty();
        let (is_last, fragment) = (answer.canceled, entry.fragment);
        entry.is_over = is_last && answer.compact_revision > 0;
        let is_kept = entry.is_over;
        if is_progress {
            entry.progress = Some(self.header.revision);
        }
        if !is_progress || entry.progress_notify {
            self.send_parts(shown(&self.hub.namespace, answer, id), fragment)?;
        }
        match is_last {
            true if is_kept => {}
            true => drop(self.watchers.remove(&id)),
            false => self.go_on(id, watcher),
        }
        self.tell_progress()
    }

    fn cancel(&mut self, id: i64) -> Result<(), Status> {
        let Some(entry) = self.watchers.remove(&id) else {
            return Ok(());
        };
        entry.abort.abort();
        self.send(&WatchResponse {
            header: Some(self.header),
            watch_id: id,
            canceled: true,
            ..WatchResponse::default()
        })
    }

    fn refuse(&self, reason: &str) -> Result<(), Status> {
        self.send(&WatchResponse {
            header: Some(self.header),
            watch_id: NO_ID,
            created: true,
            canceled: true,
            cancel_reason: reason.to_owned(),
            ..WatchResponse::default()
        })
    }

    /// Asks all watchers how far they are.
    fn ask(&mut self) {
        self.is_asked = !self.watchers.is_empty();
        for entry in self.watchers.values_mut() {
            entry.progress = None;
        }
        self.asks.send_modify(|asks| *asks += 1);
    }

    /// Tells how far all watchers are, once all have said so.
    fn tell_progress(&mut self) -> Result<(), Status> {
        if !self.is_asked {
            return Ok(());
        }
        let open = self.watchers.values().filter(|entry| !entry.is_over);
        let all = open.map(|entry| entry.progress);
        let Some(revision) = all.min().flatten() else {
            return Ok(());
        };
        self.is_asked = false;
        self.send(&WatchResponse {
            header: Some(ResponseHeader {
                revision,
                ..self.header
            }),
            watch_id: NO_ID,
            ..WatchResponse::default()
        })
    }

    /// Sends an answer, in parts if it is large and the caller wants that.
    fn send_parts(&self, answer: WatchResponse, fragment: bool) -> Result<(), Status> {
        if !fragment || answer.events.len() < 2 || answer.encoded_len() < FRAGMENT_BYTES {
            return self.send(&answer);
        }
        let mut part = WatchResponse {
            events: Vec::new(),
            fragment: true,
            ..answer.clone()
        };
        let mut bytes = 0;
        for event in answer.events {
            let length = event.encoded_len();
            if bytes + length >= FRAGMENT_BYTES && !part.events.is_empty() {
                self.send(&part)?;
                part.events.clear();
                bytes = 0;
            }
            bytes += length;
            part.events.push(event);
        }
        part.fragment = false;
        self.send(&part)
    }

    fn send(&self, answer: &WatchResponse) -> Result<(), Status> {
        let message = answer.encode_to_vec().into();
        self.outbound.push(message).map_err(|_| Status::cancelled())
    }
}
