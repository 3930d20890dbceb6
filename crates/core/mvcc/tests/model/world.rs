//! The real store and the naive one side by side.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use disk::{Crash, MemDir};
use mvcc::{CompactError, CompactStep, HashKv, Options, Pending, RangeError, Reader, Writer};
use store::Store;
use types::{Event, EventKind, Index, KeyRange, LeaseId, Record, Revision, Term};

use crate::naive::{Naive, Stored};
use crate::steps::{Op, Question, Step, many};

pub(crate) struct World {
    dir: MemDir,
    store: Store,
    pub(crate) writer: Writer,
    pub(crate) reader: Reader,
    pub(crate) naive: Naive,
    /// What is applied as of the last written batch, and of each that was taken since.
    written: Naive,
    taken: VecDeque<(Pending, Naive)>,
    index: u64,
}

fn open(dir: &MemDir) -> (Writer, Reader, Store) {
    let store_options = store::Options {
        segment_bytes: 4096,
        sync: true,
        salt: 7,
    };
    // Small, so that records are evicted and read from the store.
    let options = Options {
        value_cache_bytes: 8192,
    };
    mvcc::open(Arc::new(dir.clone()), store_options, options).unwrap()
}

impl World {
    pub(crate) fn new() -> Self {
        let dir = MemDir::new();
        let (writer, reader, store) = open(&dir);
        Self {
            dir,
            store,
            writer,
            reader,
            naive: Naive::default(),
            written: Naive::default(),
            taken: VecDeque::new(),
            index: 0,
        }
    }

    pub(crate) fn apply(&mut self, step: &Step) {
        match step {
            Step::Txn(ops) => self.txn(ops),
            Step::Fill { from, count } => self.fill(*from, *count),
            Step::Compact(share) => self.compact((share * self.naive.current as f64) as i64),
            Step::Sweep { keys, steps, hash } => self.sweep(*keys, *steps, *hash),
            Step::Take => self.take(),
            Step::Write => self.write(),
            Step::Reclaim { defragment } => self.reclaim(*defragment),
            Step::Reopen => {
                self.take();
                self.write();
                self.reopen(None);
            }
            Step::Crash(seed) => self.reopen(Some(*seed)),
        }
    }

    fn txn(&mut self, ops: &[Op]) {
        let mut txn = self.writer.txn();
        let naive = &mut self.naive;
        let first = naive.log.len();
        let mut revision = Revision::new(naive.current + 1, 0);
        for op in ops {
            match op {
                Op::Put { key, value, lease } => {
                    let before = naive.live.get(key).cloned();
                    assert_eq!(txn.record(key).unwrap(), before.as_ref().map(Stored::bytes));
                    let replaced = txn.put(key, value, *lease);
                    assert_eq!(
                        replaced.map(|meta| (meta.mod_revision, meta.version, meta.lease)),
                        before.map(|b| (b.revision.main, b.record.version, b.record.lease)),
                    );
                    naive.put(revision, key, value, *lease);
                    revision.sub += 1;
                    assert_eq!(txn.get(key).unwrap().lease, *lease);
                }
                Op::Delete(range) => {
                    let live = naive.live.keys();
                    let keys: Vec<Bytes> =
                        live.filter(|key| range.contains(key)).cloned().collect();
                    assert_eq!(txn.delete_range(range), keys);
                    for key in keys {
                        naive.delete(revision, &key);
                        revision.sub += 1;
                    }
                }
            }
            naive.current = revision.main - i64::from(revision.sub == 0);
            assert_eq!(txn.revision(), naive.current);
            let all = mvcc::RangeQuery::of(KeyRange::All);
            assert_eq!(txn.range(&all).unwrap(), naive.range(&all));
        }
        let committed = txn.commit(true);
        assert_eq!(committed.revision, naive.current);
        let changes = &naive.log[first..];
        match committed.events {
            None => assert!(changes.is_empty()),
            Some(events) => {
                assert_eq!(events.revision, naive.current);
                check_events(&events.events, changes);
            }
        }
        self.next_entry();
    }

    /// Many keys in one transaction: leaves split, walks take several steps.
    fn fill(&mut self, from: u16, count: u16) {
        let mut txn = self.writer.txn();
        self.naive.current += 1;
        for (sub, number) in (from..from + count).enumerate() {
            let revision = Revision::new(self.naive.current, sub as i64);
            let (key, value) = (many(number), Bytes::from_static(b"filled"));
            assert_eq!(
                txn.put(&key, &value, LeaseId::NONE).is_some(),
                self.naive.live.contains_key(&key)
            );
            self.naive.put(revision, &key, &value, LeaseId::NONE);
        }
        assert!(txn.commit(false).events.is_none());
        self.next_entry();
    }

    fn next_entry(&mut self) {
        self.index += 1;
        self.writer.set_applied(Index(self.index), Term(1));
    }

    fn compact(&mut self, revision: i64) {
        let naive = &mut self.naive;
        let want = if revision <= naive.compacted {
            Err(CompactError::Compacted {
                at: naive.compacted,
            })
        } else if revision > naive.current {
            Err(CompactError::Future {
                current: naive.current,
            })
        } else {
            naive.compact(revision);
            Ok(())
        };
        assert_eq!(self.writer.compact(revision), want);
        self.next_entry();
    }

    fn sweep(&mut self, keys: usize, steps: usize, hash: bool) {
        for _ in 0..steps {
            match self.writer.compact_step(keys) {
                CompactStep::Hash(job) if hash => {
                    assert!(matches!(
                        self.writer.compact_step(keys),
                        CompactStep::Waiting
                    ));
                    job.run().unwrap();
                }
                CompactStep::Hash(job) => {
                    // Forgotten by the real one only.
                    drop(job);
                    self.naive.remembered.pop();
                }
                CompactStep::Finished { revision, .. } => {
                    assert_eq!(revision, self.naive.compacted);
                    self.naive.finished = revision;
                }
                CompactStep::Idle => assert!(!self.writer.is_compacting()),
                CompactStep::Swept { .. } => {}
                CompactStep::Waiting => panic!("nobody computes a hash"),
            }
        }
    }

    fn take(&mut self) {
        if let Some(pending) = self.writer.take_batch() {
            self.taken.push_back((pending, self.naive.clone()));
        }
    }

    fn write(&mut self) {
        while let Some((pending, naive)) = self.taken.pop_front() {
            pending.write(&mut self.store).unwrap();
            self.written = naive;
        }
    }

    fn reclaim(&mut self, defragment: bool) {
        if defragment {
            self.store.defragment();
        }
        for _ in 0..200 {
            if !self.store.reclaim(2000).unwrap().more {
                break;
            }
        }
    }

    /// What was not written is lost: a member replays it from the log.
    fn reopen(&mut self, crash: Option<u64>) {
        self.taken.clear();
        if let Some(seed) = crash {
            self.dir = self.dir.crash(Crash::Seeded(seed));
        }
        self.naive = self.written.clone();
        self.naive.remembered.clear();
        self.naive.current = self.naive.current.max(self.naive.compacted);
        // The lock must be free before the store is opened again.
        let spare = MemDir::new();
        (self.writer, self.reader, self.store) = open(&spare);
        (self.writer, self.reader, self.store) = open(&self.dir);
        self.written = self.naive.clone();
        assert_eq!(
            self.writer.is_compacting(),
            self.naive.compacted > self.naive.finished
        );
        self.check_leases();
    }

    fn check_leases(&self) {
        let want: Vec<(Bytes, LeaseId)> = self
            .naive
            .live
            .values()
            .filter(|change| !change.record.lease.is_none())
            .map(|change| (change.record.key.clone(), change.record.lease))
            .collect();
        assert_eq!(self.writer.attached_leases(), want);
    }

    /// Every question has the answer that the rules prescribe.
    pub(crate) fn check(&self, question: &Question) {
        let naive = &self.naive;
        let query = question.at(naive.current);
        let revisions = self.reader.revisions();
        assert_eq!(
            (revisions.current, revisions.compacted),
            (naive.current, naive.compacted)
        );
        let got = self.reader.range(&query);
        if !self.check_refusal(query.revision, got.as_ref().err()) {
            assert_eq!(got.unwrap(), naive.range(&query), "{query:?}");
            self.check_chunks(&query);
        }
        self.check_hash(query.revision);
        self.check_history(&query);
    }

    /// Whether a read at `revision` must be, and was, refused.
    fn check_refusal(&self, revision: i64, error: Option<&RangeError>) -> bool {
        if revision > self.naive.current {
            assert!(matches!(error, Some(RangeError::Future { .. })));
            return true;
        }
        if revision > 0 && revision < self.naive.compacted {
            assert!(matches!(error, Some(RangeError::Compacted { .. })));
            return true;
        }
        false
    }

    fn check_chunks(&self, query: &mvcc::RangeQuery) {
        let plain = mvcc::RangeQuery {
            revision: query.revision,
            keys_only: query.keys_only,
            ..mvcc::RangeQuery::of(query.range.clone())
        };
        let mut kvs = Vec::new();
        let (mut revision, mut after) = (query.revision, None::<Bytes>);
        loop {
            let chunk = self
                .reader
                .range_chunk(&query.range, revision, after.as_deref(), 3, query.keys_only)
                .unwrap();
            assert!(chunk.kvs.len() <= 3);
            kvs.extend(chunk.kvs);
            revision = chunk.revision;
            after = chunk.next_after;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(kvs, self.naive.range(&plain).kvs);
        if let KeyRange::Point(key) = &query.range {
            let record = self.reader.record_at(key, revision).unwrap();
            let visible = self.naive.visible(revision);
            assert_eq!(record, visible.get(key).map(Stored::bytes));
        }
    }

    fn check_hash(&self, revision: i64) {
        let got = self.reader.hash_kv(revision);
        let remembered = self.naive.remembered.iter();
        let remembered: Option<&HashKv> = remembered.rev().find(|hash| {
            // A hash that is not computed yet is not there yet.
            revision > 0
                && hash.hash_revision == revision
                && (hash.hash_revision < self.naive.compacted || !self.writer.is_compacting())
        });
        if let Some(remembered) = remembered {
            if let Ok(got) = got {
                assert_eq!(got, *remembered);
            }
            return;
        }
        if !self.check_refusal(revision, got.as_ref().err()) {
            let at = match revision {
                0 => self.naive.current,
                revision => revision,
            };
            let got = got.unwrap();
            let pending = self.naive.remembered.last() == Some(&got);
            assert!(pending || got == self.naive.hash_kv(at), "{got:?} at {at}");
        }
    }

    fn check_history(&self, query: &mvcc::RangeQuery) {
        let mut from = query.revision.max(1);
        let got = self.reader.history(&query.range, from, 3, 500);
        if from < self.naive.compacted {
            assert!(matches!(got, Err(RangeError::Compacted { .. })));
            return;
        }
        let want = self.naive.history(&query.range, from);
        let mut want = want.iter();
        let end = (self.naive.current + 1).max(from);
        while from < end {
            let part = self.reader.history(&query.range, from, 3, 500).unwrap();
            assert!(part.next > from && part.events.len() <= 3);
            for events in part.events {
                let (main, changes) = want.next().unwrap();
                assert_eq!(events.revision, *main);
                assert!((from..part.next).contains(main));
                check_events(&events.events, changes);
            }
            from = part.next;
        }
        assert_eq!(want.next(), None);
    }
}

fn check_events(events: &[Event], changes: &[Stored]) {
    assert_eq!(events.len(), changes.len());
    for (event, change) in events.iter().zip(changes) {
        let Record {
            key,
            create_revision,
            mod_revision,
            ..
        } = &change.record;
        assert_eq!(event.kind == EventKind::Delete, change.tombstone);
        assert_eq!(&event.key, key);
        assert_eq!(
            event.created,
            !change.tombstone && create_revision == mod_revision
        );
        assert_eq!(event.encoded, change.event_bytes());
    }
}
