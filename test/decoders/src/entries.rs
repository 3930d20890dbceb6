//! Entries of the log: requests of clients and changes of the configuration, in any order and shape.

use std::sync::Arc;
use std::time::Duration;

use apply::{Alarms, Apply, Outcome, SharedLeases};
use bytes::Bytes;
use cluster::Membership;
use disk::MemDir;
use lease::{Instant, LeaseTable};
use types::{ClusterId, Entry, EntryKind, Index, Term};

/// A quorum of one is enough to disagree with.
const REPLICAS: usize = 2;

/// Applies entries on two replicas, one of which writes its batches out after every entry: they must
/// agree. Each entry is a kind, a length of two bytes and so many bytes of data.
pub(crate) fn apply(bytes: &[u8]) {
    let mut replicas: [Replica; REPLICAS] = std::array::from_fn(|_| Replica::new());
    let mut rest = bytes;
    let mut index = 0;
    while let [kind, low, high, tail @ ..] = rest {
        let len = usize::from(u16::from_le_bytes([*low, *high]));
        let (data, tail) = tail.split_at(len.min(tail.len()));
        rest = tail;
        index += 1;
        let entry = Entry {
            kind: match kind % 8 {
                0 => EntryKind::ConfChange,
                1 => EntryKind::ConfChangeV2,
                _ => EntryKind::Normal,
            },
            term: Term(1),
            index: Index(index),
            data: Bytes::copy_from_slice(data),
        };
        let [one, other] = &mut replicas;
        let (a, b) = (one.entry(&entry), other.entry(&entry));
        assert_eq!(a, b, "replicas disagree on entry {index}");
        if a.is_none() {
            // A fault stops the member.
            return;
        }
        other.commit();
    }
    let [one, other] = &replicas;
    let hash = |replica: &Replica| replica.apply.reader().hash_kv(0).ok();
    assert_eq!(hash(one), hash(other));
}

struct Replica {
    apply: Apply,
    store: store::Store,
}

impl Replica {
    fn new() -> Self {
        let disk = Arc::new(MemDir::new());
        let opened = mvcc::open(disk, store::Options::default(), mvcc::Options::default());
        let (writer, _, store) = opened.expect("an empty store");
        let leases = lease::Options::for_election_timeout(Duration::from_secs(1));
        let apply = Apply::new(
            writer,
            SharedLeases::new(LeaseTable::new(leases)),
            Alarms::load(&store.reader().bucket(store::Bucket::Alarm)),
            Membership::new(ClusterId(1), cluster::Options::default()),
            Index(0),
            apply::Options { quota_bytes: None },
        );
        Self { apply, store }
    }

    /// What an entry does, as text; none when the member cannot go on.
    fn entry(&mut self, entry: &Entry) -> Option<String> {
        let outcome = self.apply.entry(entry, Instant(Duration::ZERO), true);
        let Outcome {
            applied,
            events,
            conf_change,
            ..
        } = outcome.ok()?;
        Some(format!("{applied:?} {events:?} {conf_change:?}"))
    }

    fn commit(&mut self) {
        if let Some(pending) = self.apply.writer().take_batch() {
            pending.write(&mut self.store).expect("a commit");
        }
    }
}
