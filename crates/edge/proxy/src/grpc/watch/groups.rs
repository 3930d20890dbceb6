//! Watchers of the same keys that share one watch at a member.
//!
//! A group hands out, in order, what happened to its range since some revision. Watchers join it
//! when they want nothing older than what it has not handed out yet. They read at their own pace
//! from a ring of fixed size: who falls out of it goes on alone and comes back later, so that
//! nobody waits for anybody.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use proto::etcdserverpb::{WatchCreateRequest, WatchResponse};
use rpc::Status;
use tokio::runtime::Handle;
use tokio::sync::{Notify, broadcast};

use super::super::backend::Backend;
use super::super::cache::{Cache, Touched};
use super::super::who::Who;
use super::feed::Feed;

/// Answers that a slow watcher may be behind.
const RING: usize = 256;

/// What watchers must have in common to share a watch.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Same {
    pub(super) who: Who,
    pub(super) key: Bytes,
    pub(super) range_end: Bytes,
    pub(super) prev_kv: bool,
}

/// What a group hands out: answers of the member, or why there will be no more.
pub(super) type Told = Arc<Result<WatchResponse, Status>>;

/// All groups.
pub(crate) struct Groups {
    groups: Mutex<BTreeMap<Same, Arc<Group>>>,
    backend: Arc<Backend>,
    runtime: Handle,
    cache: Arc<Cache>,
    events_shared: AtomicU64,
}

/// One watch at a member, and those who share it.
pub(super) struct Group {
    sender: broadcast::Sender<Told>,
    /// Everything up to this revision has been handed out; held while handing out.
    position: Mutex<i64>,
    asked: Notify,
}

impl Group {
    /// Has the member say how far it is.
    pub(super) fn ask_progress(&self) {
        self.asked.notify_one();
    }

    fn position(&self) -> MutexGuard<'_, i64> {
        self.position.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A watcher's place in a group.
pub(super) struct Seat {
    pub(super) group: Arc<Group>,
    pub(super) answers: broadcast::Receiver<Told>,
    /// What the group had handed out when the seat was taken.
    pub(super) position: i64,
}

impl Groups {
    /// Groups whose watches run on `runtime`.
    pub(crate) fn new(backend: Arc<Backend>, runtime: Handle, cache: Arc<Cache>) -> Self {
        Self {
            groups: Mutex::default(),
            backend,
            runtime,
            cache,
            events_shared: AtomicU64::new(0),
        }
    }

    /// A seat in the group of these keys; a new group hands out everything after `position`.
    pub(super) fn join(self: &Arc<Self>, same: &Same, position: i64) -> Seat {
        let mut groups = self.lock();
        let group = groups.entry(same.clone()).or_insert_with(|| {
            let group = Arc::new(Group {
                sender: broadcast::Sender::new(RING),
                position: Mutex::new(position),
                asked: Notify::new(),
            });
            let task = Task {
                groups: Arc::clone(self),
                group: Arc::clone(&group),
                same: same.clone(),
            };
            let feed = Feed::new(
                Arc::clone(&self.backend),
                same.who.clone(),
                same.request(position),
            );
            self.runtime.spawn(task.run(feed.overlapping()));
            group
        });
        // The position must be the one at which the seat is taken.
        let position = group.position();
        Seat {
            answers: group.sender.subscribe(),
            position: *position,
            group: Arc::clone(group),
        }
    }

    /// As [`Groups::join`], if the group has not handed out anything after `position`.
    pub(super) fn join_behind(self: &Arc<Self>, same: &Same, position: i64) -> Option<Seat> {
        let seat = self.join(same, position);
        (seat.position <= position).then_some(seat)
    }

    /// Watchers that have no watch of their own, and events that did not have to be asked for.
    pub(crate) fn counts(&self) -> (usize, u64) {
        let groups = self.lock();
        let shared = groups
            .values()
            .map(|group| group.sender.receiver_count().saturating_sub(1));
        (shared.sum(), self.events_shared.load(Ordering::Relaxed))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Same, Arc<Group>>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Same {
    fn request(&self, position: i64) -> WatchCreateRequest {
        WatchCreateRequest {
            key: self.key.clone(),
            range_end: self.range_end.clone(),
            start_revision: position + 1,
            progress_notify: true,
            prev_kv: self.prev_kv,
            ..WatchCreateRequest::default()
        }
    }
}

/// What feeds a group.
struct Task {
    groups: Arc<Groups>,
    group: Arc<Group>,
    same: Same,
}

impl Task {
    async fn run(self, mut feed: Feed) {
        loop {
            tokio::select! {
                answer = feed.next() => {
                    if !self.hand_out(&feed, answer) {
                        return;
                    }
                }
                () = self.group.asked.notified() => feed.ask_progress(),
                () = self.group.sender.closed() => {
                    if self.leave_if_alone() {
                        return;
                    }
                }
            }
        }
    }

    /// Hands an answer out; whether there will be more.
    fn hand_out(&self, feed: &Feed, answer: Result<WatchResponse, Status>) -> bool {
        let is_last = match &answer {
            Ok(answer) if answer.created && !answer.canceled => return true,
            Ok(answer) => answer.canceled,
            Err(_) => true,
        };
        if let Ok(answer) = &answer {
            self.note(answer);
        }
        if is_last {
            // Whoever comes now gets a new group.
            self.groups.lock().remove(&self.same);
        }
        let mut position = self.group.position();
        *position = feed.position().max(*position);
        // Without receivers it is for nobody.
        let _ = self.group.sender.send(Arc::new(answer));
        !is_last
    }

    fn note(&self, answer: &WatchResponse) {
        let spared = self.group.sender.receiver_count().saturating_sub(1);
        let events = answer.events.len() as u64 * spared as u64;
        self.groups
            .events_shared
            .fetch_add(events, Ordering::Relaxed);
        let keys = answer.events.iter().filter_map(|event| event.kv.as_ref());
        let touched: Vec<Touched> = keys
            .map(|pair| Touched {
                key: pair.key.clone(),
                range_end: Bytes::new(),
            })
            .collect();
        if !touched.is_empty() {
            self.groups.cache.invalidate(&touched);
        }
    }

    /// Ends the group unless somebody has come meanwhile.
    fn leave_if_alone(&self) -> bool {
        let mut groups = self.groups.lock();
        let is_alone = self.group.sender.receiver_count() == 0;
        if is_alone {
            groups.remove(&self.same);
        }
        is_alone
    }
}
