//! A store kept as a plain list of revisions, with a hub and streams on it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{BufMut, Bytes, BytesMut};
use parking_lot::Mutex;
use types::{Event, EventKind, KeyRange, LeaseId, Record, RevisionEvents};
use watch::{
    Body, Chunk, Create, History, HistoryError, Hub, Limits, Refusal, Request, Response, Revisions,
    Step, Stream,
};

/// One change of a transaction: a key and its value, or none to delete it.
pub(crate) type Change<'a> = (&'a [u8], Option<&'a [u8]>);

/// The list, behind a lock so that threads can share it.
#[derive(Default)]
pub(crate) struct Store {
    inner: Mutex<Inner>,
    /// Whether a chunk is bounded by the revisions looked at instead of those found.
    pub(crate) bounded_scan: bool,
}

#[derive(Default)]
struct Inner {
    /// Revision 2 is the first.
    revisions: Vec<Arc<RevisionEvents>>,
    /// Every state that each key had, by the revision that made it.
    states: BTreeMap<Bytes, BTreeMap<i64, Option<Record>>>,
    compacted: i64,
}

impl Inner {
    fn current(&self) -> i64 {
        i64::try_from(self.revisions.len()).unwrap() + 1
    }

    fn state(&self, key: &[u8], revision: i64) -> Option<&Record> {
        let (_, state) = self.states.get(key)?.range(..=revision).next_back()?;
        state.as_ref()
    }
}

impl Store {
    /// Applies a transaction; deletions of absent keys are left out. Nothing happens if nothing is
    /// left.
    pub(crate) fn commit(&self, changes: &[Change<'_>]) -> Option<Arc<RevisionEvents>> {
        let mut inner = self.inner.lock();
        let revision = inner.current() + 1;
        let mut events = Vec::new();
        for (key, value) in changes {
            let before = inner.state(key, revision).cloned();
            let key = Bytes::copy_from_slice(key);
            let after = match (value, &before) {
                (None, None) => continue,
                (None, Some(_)) => None,
                (Some(value), before) => Some(Record {
                    key: key.clone(),
                    create_revision: before.as_ref().map_or(revision, |r| r.create_revision),
                    mod_revision: revision,
                    version: before.as_ref().map_or(0, |r| r.version) + 1,
                    value: Bytes::copy_from_slice(value),
                    lease: LeaseId::NONE,
                }),
            };
            events.push(event(&key, revision, after.as_ref()));
            inner.states.entry(key).or_default().insert(revision, after);
        }
        if events.is_empty() {
            return None;
        }
        let events = Arc::new(RevisionEvents { revision, events });
        inner.revisions.push(events.clone());
        Some(events)
    }

    pub(crate) fn compact(&self, revision: i64) {
        self.inner.lock().compacted = revision;
    }

    pub(crate) fn current(&self) -> i64 {
        self.inner.lock().current()
    }

    /// Every revision, also the compacted ones.
    pub(crate) fn all(&self) -> Vec<Arc<RevisionEvents>> {
        self.inner.lock().revisions.clone()
    }

    /// The state of a key, compacted or not.
    pub(crate) fn state(&self, key: &[u8], revision: i64) -> Option<Record> {
        self.inner.lock().state(key, revision).cloned()
    }
}

fn event(key: &Bytes, revision: i64, after: Option<&Record>) -> Event {
    let mut encoded = BytesMut::new();
    let tombstone = Record {
        key: key.clone(),
        mod_revision: revision,
        ..Record::default()
    };
    if after.is_none() {
        encoded.put_slice(b"\x08\x01");
    }
    let record = after.unwrap_or(&tombstone).encode();
    encoded.put_u8(0x12);
    let mut len = record.len();
    while len >= 0x80 {
        encoded.put_u8(u8::try_from(len & 0x7f).unwrap() | 0x80);
        len >>= 7;
    }
    encoded.put_u8(u8::try_from(len).unwrap());
    encoded.put_slice(&record);
    Event {
        kind: if after.is_some() {
            EventKind::Put
        } else {
            EventKind::Delete
        },
        key: key.clone(),
        created: after.is_some_and(|record| record.create_revision == revision),
        encoded: encoded.freeze(),
    }
}

impl History for Store {
    type Fault = String;

    fn revisions(&self) -> Revisions {
        let inner = self.inner.lock();
        Revisions {
            current: inner.current(),
            compacted: inner.compacted,
        }
    }

    fn history(
        &self,
        range: &KeyRange,
        from: i64,
        revisions_max: usize,
        bytes_max: usize,
    ) -> Result<Chunk, HistoryError<String>> {
        let inner = self.inner.lock();
        if from < inner.compacted {
            return Err(HistoryError::Compacted {
                at: inner.compacted,
            });
        }
        let skip = usize::try_from((from - 2).max(0)).unwrap();
        let mut revisions = Vec::new();
        let (mut bytes, mut next) = (0, from.max(2));
        for (looked_at, all) in inner.revisions.iter().skip(skip).enumerate() {
            let count = if self.bounded_scan {
                looked_at
            } else {
                revisions.len()
            };
            if count >= revisions_max || bytes >= bytes_max {
                break;
            }
            let wanted = |event: &&Event| range.contains(&event.key);
            let events: Vec<Event> = all.events.iter().filter(wanted).cloned().collect();
            bytes += events
                .iter()
                .map(|event| event.encoded.len())
                .sum::<usize>();
            next = all.revision + 1;
            if !events.is_empty() {
                let revision = all.revision;
                revisions.push(Arc::new(RevisionEvents { revision, events }));
            }
        }
        Ok(Chunk { revisions, next })
    }

    fn record_at(&self, key: &[u8], revision: i64) -> Result<Option<Bytes>, HistoryError<String>> {
        let inner = self.inner.lock();
        if revision < inner.compacted {
            return Err(HistoryError::Compacted {
                at: inner.compacted,
            });
        }
        Ok(inner.state(key, revision).map(Record::encode))
    }
}

/// A store and its hub.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) hub: Arc<Hub>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            store: Store::default(),
            hub: Arc::new(Hub::new(1, 7)),
        }
    }

    pub(crate) fn txn(&self, changes: &[Change<'_>]) -> i64 {
        let events = self.store.commit(changes).unwrap();
        self.hub.publish(std::slice::from_ref(&events));
        events.revision
    }

    pub(crate) fn put(&self, key: &str, value: &str) -> i64 {
        self.txn(&[(key.as_bytes(), Some(value.as_bytes()))])
    }

    pub(crate) fn delete(&self, key: &str) -> i64 {
        self.txn(&[(key.as_bytes(), None)])
    }

    pub(crate) fn client(&self, limits: Limits) -> Client<'_> {
        let wakes = Arc::new(AtomicUsize::new(0));
        let count = wakes.clone();
        let wake = Box::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        Client {
            world: self,
            stream: Stream::new(self.hub.clone(), wake, limits),
            wakes,
        }
    }
}

/// One stream and the number of times that it was woken.
pub(crate) struct Client<'a> {
    pub(crate) world: &'a World,
    pub(crate) stream: Stream,
    pub(crate) wakes: Arc<AtomicUsize>,
}

impl Client<'_> {
    pub(crate) fn ask(&mut self, request: Request) {
        self.stream.handle(request, &self.world.store);
    }

    /// Creates a watcher and returns the first response, which is expected to be its answer.
    pub(crate) fn create(&mut self, create: Create) -> Response {
        self.ask(Request::Create(create));
        self.next().unwrap()
    }

    /// Creates a watcher that must be refused.
    pub(crate) fn refused(&mut self, create: Create) -> String {
        let response = self.create(create);
        assert_eq!(response.watch_id, -1);
        assert_eq!(response.revision, self.world.store.current());
        match response.body {
            Body::Refused(refusal) => Refusal::to_string(&refusal),
            other => panic!("not refused: {other:?}"),
        }
    }

    /// The next response, if there is one.
    pub(crate) fn next(&mut self) -> Option<Response> {
        loop {
            match self.stream.poll(&self.world.store).unwrap() {
                Step::Send(response) => return Some(response),
                Step::Again => {}
                Step::Idle => return None,
            }
        }
    }

    /// All responses that are due.
    pub(crate) fn drain(&mut self) -> Vec<Response> {
        std::iter::from_fn(|| self.next()).collect()
    }

    pub(crate) fn wakes(&self) -> usize {
        self.wakes.load(Ordering::Relaxed)
    }
}

/// A watcher of one key.
pub(crate) fn key(key: &str) -> Create {
    Create {
        key: Bytes::copy_from_slice(key.as_bytes()),
        ..Create::default()
    }
}

/// A watcher of a range.
pub(crate) fn range(start: &str, end: &str) -> Create {
    Create {
        range_end: Bytes::copy_from_slice(end.as_bytes()),
        ..key(start)
    }
}

/// A watcher of everything.
pub(crate) fn everything() -> Create {
    range("\0", "\0")
}

/// The events of a response in short: `p` or `d`, the key, `=` and the value, `<` and the previous
/// value, each followed by `@` and the mod revision.
pub(crate) fn events(response: &Response) -> Vec<String> {
    match &response.body {
        Body::Events { events, .. } => events.iter().map(show).collect(),
        other => panic!("no events: {other:?}"),
    }
}

fn show(event: &watch::SentEvent) -> String {
    let mut bytes = event.encoded.clone();
    let kind = if bytes.starts_with(b"\x08\x01") {
        'd'
    } else {
        'p'
    };
    let kv = bytes.split_off(if kind == 'd' { 3 } else { 1 });
    let at = kv.iter().position(|byte| *byte < 0x80).unwrap() + 1;
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    let record = Record::decode(&kv.slice(at..)).unwrap();
    let mut shown = format!("{kind}{}", text(&record.key));
    if kind == 'p' {
        shown += &format!("={}", text(&record.value));
    }
    if let Some(previous) = &event.previous {
        let previous = Record::decode(previous).unwrap();
        assert_eq!(previous.key, record.key);
        shown += &format!("<{}@{}", text(&previous.value), previous.mod_revision);
    }
    shown + &format!("@{}", record.mod_revision)
}
