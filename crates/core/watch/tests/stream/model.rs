//! Random histories, watchers and interleavings, each watcher compared with the full history.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use proptest::prelude::*;
use types::{Event, KeyRange, RevisionEvents};
use watch::{Body, Create, Filters, Limits, Request, Response, SentEvent, Step, Stream};

use crate::world::{Store, World};

const KEYS: [&str; 6] = ["a", "b", "b1", "c", "d", "e"];
const STREAMS: usize = 3;

/// What may happen.
#[derive(Clone, Debug)]
enum Op {
    /// A transaction becomes visible; each key once, put or deleted.
    Commit(Vec<(usize, Option<u8>)>),
    /// The hub learns of some of what is visible.
    Publish(usize),
    /// The hub learns of all that is visible without its events.
    Pass,
    /// Compaction to so many percent of what there is.
    Compact(i64),
    /// A stream gets a request or a tick, or is polled.
    Stream(usize, StreamOp),
}

#[derive(Clone, Debug)]
enum StreamOp {
    Create(Box<Create>),
    Cancel(i64),
    Progress,
    Tick,
    Poll(usize),
}

fn commit() -> impl Strategy<Value = Op> {
    let change = (0..KEYS.len(), prop::option::weighted(0.7, any::<u8>()));
    prop::collection::vec(change, 1..5).prop_map(|mut changes| {
        changes.sort_by_key(|(key, _)| *key);
        changes.dedup_by_key(|(key, _)| *key);
        Op::Commit(changes)
    })
}

/// Not -1: quiet watchers of that id look like manual progress.
fn watch_id() -> impl Strategy<Value = i64> {
    prop_oneof![Just(-2), 0..4_i64]
}

fn create() -> impl Strategy<Value = StreamOp> {
    let key = || prop::sample::select(&KEYS[..]).prop_map(Bytes::from);
    let end = prop_oneof![
        2 => Just(Bytes::new()),
        2 => Just(Bytes::from_static(b"\0")),
        2 => key(),
    ];
    let start = prop_oneof![3 => Just(0), 4 => 1..40_i64, 1 => Just(-1_i64)];
    let flags = any::<[bool; 5]>();
    (key(), end, start, flags, watch_id()).prop_map(|(key, range_end, start, flags, watch_id)| {
        let [progress_notify, prev_kv, fragment, no_put, no_delete] = flags;
        StreamOp::Create(Box::new(Create {
            key,
            range_end,
            start_revision: start,
            progress_notify,
            filters: Filters {
                no_put: no_put && no_delete,
                no_delete: no_delete && !progress_notify,
            },
            prev_kv,
            watch_id,
            fragment,
            denied: None,
        }))
    })
}

fn op() -> impl Strategy<Value = Op> {
    let stream = prop_oneof![
        4 => create(),
        2 => watch_id().prop_map(StreamOp::Cancel),
        2 => Just(StreamOp::Progress),
        1 => Just(StreamOp::Tick),
        8 => (1..12_usize).prop_map(StreamOp::Poll),
    ];
    prop_oneof![
        8 => commit(),
        6 => (1..4_usize).prop_map(Op::Publish),
        1 => Just(Op::Pass),
        1 => (0..100_i64).prop_map(Op::Compact),
        12 => (0..STREAMS, stream).prop_map(|(stream, op)| Op::Stream(stream, op)),
    ]
}

fn limits() -> impl Strategy<Value = Limits> {
    (
        1..6_usize,
        50..2000_usize,
        1..5_usize,
        1..400_usize,
        100..400_usize,
    )
        .prop_map(
            |(mailbox_items, mailbox_bytes, chunk_revisions, chunk_bytes, fragment_bytes)| Limits {
                mailbox_items,
                mailbox_bytes,
                chunk_revisions,
                chunk_bytes,
                fragment_bytes,
            },
        )
}

/// One stream and what it owes.
struct Client {
    stream: Stream,
    limits: Limits,
    /// Requests whose answers are due, in order.
    asked: VecDeque<Asked>,
    watchers: BTreeMap<i64, Expected>,
    created: usize,
}

#[derive(Debug)]
enum Asked {
    Create { create: Create, current: i64 },
    Cancel(i64),
}

/// What a watcher is to receive next.
#[derive(Debug)]
struct Expected {
    create: Create,
    range: KeyRange,
    /// It has received everything below this revision, and so many wanted events of it.
    next: (i64, usize),
    compacted: bool,
}

impl Expected {
    fn admits(&self, event: &Event) -> bool {
        self.create.filters.admits(event.kind) && self.range.contains(&event.key)
    }

    /// The wanted events that were not received, of visible revisions.
    fn outstanding<'a>(
        &'a self,
        all: &'a [std::sync::Arc<RevisionEvents>],
    ) -> impl Iterator<Item = (i64, usize, usize, &'a Event)> {
        let (next, received) = self.next;
        all.iter()
            .filter(move |events| events.revision >= next)
            .flat_map(move |events| {
                let wanted: Vec<&Event> = events.events.iter().filter(|e| self.admits(e)).collect();
                let count = wanted.len();
                let skip = if events.revision == next { received } else { 0 };
                let numbered = wanted.into_iter().enumerate().skip(skip);
                numbered.map(move |(at, event)| (events.revision, at, count, event))
            })
    }

    /// Compares a response with what is outstanding and moves on.
    fn receive(&mut self, header: i64, events: &[SentEvent], fragment: bool, store: &Store) {
        let all = store.all();
        let mut next = self.next;
        let mut outstanding = self.outstanding(&all);
        for sent in events {
            let (revision, at, count, event) = outstanding.next().expect("nothing is outstanding");
            assert_eq!(sent.encoded, event.encoded, "the next event in order");
            assert!(header >= revision);
            self.check_previous(sent, revision, event, store);
            next = if at + 1 == count {
                (revision + 1, 0)
            } else {
                (revision, at + 1)
            };
        }
        drop(outstanding);
        assert!(
            !fragment || self.create.fragment,
            "split without being allowed"
        );
        assert!(fragment || next.1 == 0, "a revision is whole");
        assert!(header <= store.current());
        self.next = next;
    }

    fn check_previous(&self, sent: &SentEvent, revision: i64, event: &Event, store: &Store) {
        let state = store.state(&event.key, revision - 1);
        let expected = state
            .filter(|_| self.create.prev_kv)
            .map(|record| record.encode());
        if sent.previous != expected {
            assert_eq!(sent.previous, None, "a wrong previous pair");
            let compacted = watch::History::revisions(store).compacted;
            assert!(revision - 1 < compacted, "the previous pair is there");
        }
    }
}

impl Client {
    fn new(world: &World, limits: Limits) -> Self {
        Self {
            stream: Stream::new(world.hub.clone(), Box::new(|| {}), limits),
            limits,
            asked: VecDeque::new(),
            watchers: BTreeMap::new(),
            created: 0,
        }
    }

    fn apply(&mut self, op: StreamOp, store: &Store) {
        match op {
            StreamOp::Create(create) => {
                let current = store.current();
                self.created += 1;
                self.asked.push_back(Asked::Create {
                    create: (*create).clone(),
                    current,
                });
                self.stream.handle(Request::Create(*create), store);
            }
            StreamOp::Cancel(id) => {
                self.asked.push_back(Asked::Cancel(id));
                self.stream.handle(Request::Cancel(id), store);
            }
            StreamOp::Progress => self.stream.handle(Request::Progress, store),
            StreamOp::Tick => self.stream.tick(),
            StreamOp::Poll(turns) => {
                for _ in 0..turns {
                    if !self.poll(store) {
                        break;
                    }
                }
            }
        }
    }

    /// Polls once; says whether there was something to do.
    fn poll(&mut self, store: &Store) -> bool {
        match self.stream.poll(store).unwrap() {
            Step::Idle => return false,
            Step::Again => {}
            Step::Send(response) => self.receive(&response, store),
        }
        true
    }

    fn receive(&mut self, response: &Response, store: &Store) {
        let id = response.watch_id;
        match &response.body {
            Body::Created | Body::Refused(_) | Body::Canceled { compacted: 0 } => {
                self.receive_answer(response);
            }
            Body::Canceled { compacted } => {
                let watcher = self.watchers.get_mut(&id).expect("a watcher of this id");
                assert_eq!(response.revision, 0);
                assert!(
                    watcher.next.0 < *compacted,
                    "nothing that it needs is compacted"
                );
                assert!(!watcher.compacted, "ended twice");
                watcher.compacted = true;
            }
            Body::Revoked(_) => panic!("nobody has lost a right"),
            Body::Events { events, fragment } => {
                assert!(!events.is_empty());
                let watcher = self.watchers.get_mut(&id).expect("a watcher of this id");
                assert!(!watcher.compacted, "events after the end");
                watcher.receive(response.revision, events, *fragment, store);
            }
            Body::Progress if id == -1 => {
                assert!(!self.watchers.is_empty());
                for watcher in self.watchers.values() {
                    check_progress(watcher, response.revision, store);
                }
            }
            Body::Progress => {
                let watcher = &self.watchers[&id];
                assert!(watcher.create.progress_notify);
                check_progress(watcher, response.revision, store);
            }
        }
    }

    /// Answers come in the order of the requests; unknown ids are not answered.
    fn receive_answer(&mut self, response: &Response) {
        let asked = loop {
            match self.asked.pop_front().expect("an answer without a request") {
                Asked::Cancel(id) if !self.watchers.contains_key(&id) => {}
                asked => break asked,
            }
        };
        match (asked, &response.body) {
            (Asked::Cancel(id), Body::Canceled { .. }) => {
                assert_eq!(id, response.watch_id);
                self.watchers.remove(&id);
            }
            (Asked::Create { create, current }, Body::Created) => {
                assert_eq!(response.revision, current);
                let range = KeyRange::new(create.key.clone(), create.range_end.clone()).unwrap();
                let start = if create.start_revision == 0 {
                    current + 1
                } else {
                    create.start_revision
                };
                let expected = Expected {
                    create,
                    range,
                    next: (start, 0),
                    compacted: false,
                };
                assert!(self.watchers.insert(response.watch_id, expected).is_none());
            }
            (Asked::Create { create, .. }, Body::Refused(_)) => {
                let range = KeyRange::new(create.key, create.range_end).unwrap();
                assert!(
                    range.is_empty()
                        || create.start_revision < 0
                        || self.watchers.contains_key(&create.watch_id)
                );
            }
            other => panic!("answered with something else: {other:?}"),
        }
    }

    /// What may wait in the mailbox: its bound, and per watcher a marker and a mark.
    fn pending_max(&self) -> usize {
        self.limits.mailbox_items + 2 * self.created
    }
}

fn check_progress(watcher: &Expected, revision: i64, store: &Store) {
    assert!(!watcher.compacted);
    assert!(
        watcher.create.start_revision <= revision,
        "the watcher is in the future"
    );
    let all = store.all();
    let next = watcher.outstanding(&all).next();
    assert!(
        next.is_none_or(|(next, ..)| next > revision),
        "not everything was sent"
    );
}

/// The whole of it, step by step.
struct Run {
    world: World,
    clients: Vec<Client>,
    published: usize,
}

impl Run {
    fn apply(&mut self, op: Op) {
        let store = &self.world.store;
        match op {
            Op::Commit(changes) => {
                let value = |v: &Option<u8>| v.map(|byte| vec![byte; usize::from(byte)]);
                let changes: Vec<(&[u8], Option<Vec<u8>>)> = changes
                    .iter()
                    .map(|(key, v)| (KEYS[*key].as_bytes(), value(v)))
                    .collect();
                let changes: Vec<_> = changes.iter().map(|(k, v)| (*k, v.as_deref())).collect();
                store.commit(&changes);
            }
            Op::Publish(count) => {
                let all = store.all();
                let end = all.len().min(self.published + count);
                self.world.hub.publish(&all[self.published..end]);
                self.published = end;
            }
            Op::Pass => {
                self.world.hub.pass(store.current());
                self.published = store.all().len();
            }
            Op::Compact(percent) => {
                let revision = store.current() * percent / 100;
                if revision > watch::History::revisions(store).compacted {
                    store.compact(revision);
                }
            }
            Op::Stream(at, op) => self.clients[at].apply(op, store),
        }
        let pending = usize::try_from(self.world.hub.stats().pending).unwrap();
        assert!(pending <= self.clients.iter().map(Client::pending_max).sum());
    }

    /// After everything is published and read, nobody lacks anything.
    fn finish(mut self) {
        self.apply(Op::Publish(usize::MAX / 2));
        for client in &mut self.clients {
            let mut turns = 0;
            while client.poll(&self.world.store) {
                turns += 1;
                assert!(turns < 100_000, "it comes to rest");
            }
            let all = self.world.store.all();
            for watcher in client
                .watchers
                .values()
                .filter(|watcher| !watcher.compacted)
            {
                assert_eq!(watcher.outstanding(&all).count(), 0, "{watcher:?}");
            }
        }
        let stats = self.world.hub.stats();
        assert_eq!((stats.pending, stats.slow_watchers), (0, 0));
        let watchers: usize = self
            .clients
            .iter()
            .map(|client| client.watchers.len())
            .sum();
        assert_eq!(usize::try_from(stats.watchers), Ok(watchers));
        drop(self.clients);
        assert_eq!(self.world.hub.stats().watchers, 0);
        assert!(self.world.hub.is_idle());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    /// Gaps, duplicates, torn revisions, lost progress: whatever goes wrong here, a client's cache
    /// is wrong for ever.
    #[test]
    fn every_watcher_sees_its_history(
        limits in prop::collection::vec(limits(), STREAMS),
        bounded_scan in any::<bool>(),
        ops in prop::collection::vec(op(), 1..150),
    ) {
        let mut world = World::new();
        world.store.bounded_scan = bounded_scan;
        let clients = limits.iter().map(|limits| Client::new(&world, *limits)).collect();
        let mut run = Run { world, clients, published: 0 };
        for op in ops {
            run.apply(op);
        }
        run.finish();
    }
}
