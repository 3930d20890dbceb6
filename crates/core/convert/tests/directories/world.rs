//! A member of ours with a history, and what can be compared of it.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use cluster::Bootstrap;
use convert::{MemberDirs, TakenOver, TakeoverError, hand_back, takeover};
use disk::{Dir, MemDir};
use lease::LeaseRecord;
use mvcc::HashKv;
use store::{Bucket, Options};
use types::{Entry, EntryKind, HardState, Index, LeaseId, MemberId, Term};
use wal::{Metadata, Start, Wal};

pub(crate) fn store_options() -> Options {
    Options {
        segment_bytes: 4096,
        ..Options::default()
    }
}

pub(crate) fn wal_options() -> wal::Options {
    wal::Options {
        segment_bytes: 64 << 10,
        preallocate: false,
        sync: true,
    }
}

pub(crate) fn dirs(disk: &MemDir) -> MemberDirs {
    let member = disk.sub("member");
    MemberDirs {
        wal_parent: Arc::clone(&member),
        wal_name: "wal".to_owned(),
        member,
    }
}

pub(crate) fn cluster() -> Bootstrap {
    let urls = |port| vec![format!("http://127.0.0.1:{port}")];
    let initial = BTreeMap::from([("a".to_owned(), urls(1)), ("b".to_owned(), urls(2))]);
    Bootstrap::new(&initial, "token").unwrap()
}

/// Index of the last entry that is applied.
pub(crate) const APPLIED: Index = Index(30);
/// Index of the last entry of the log.
pub(crate) const LAST: Index = Index(33);

/// A member that has applied 30 of 33 entries and was told that 29 are committed.
pub(crate) fn ours(disk: &MemDir) {
    let dirs = dirs(disk);
    dirs.member.create_dir_all("store").unwrap();
    dirs.member.sync_dir("").unwrap();
    let cluster = cluster();
    let metadata = Metadata {
        member: cluster.members[0].id,
        cluster: cluster.cluster_id,
    };
    let mut log = Wal::create(&*dirs.wal_parent, "wal", wal_options(), &metadata).unwrap();
    let mut entries = cluster.entries();
    entries.extend((3..=LAST.0).map(|index| Entry {
        kind: EntryKind::Normal,
        term: Term(4),
        index: Index(index),
        data: Bytes::from(format!("entry {index}")),
    }));
    let state = HardState {
        term: Term(5),
        vote: MemberId(7),
        commit: Index(APPLIED.0 - 1),
    };
    log.append(&entries, Some(&state)).unwrap();
    log.flush(true).unwrap();
    let options = mvcc::Options::default();
    let (mut writer, _reader, mut store) =
        mvcc::open(dirs.member.sub("store"), store_options(), options).unwrap();
    for member in &cluster.members {
        let key = Bytes::from(member.id.to_string());
        writer.put_bucket(Bucket::Members, key, Some(member.encode().into()));
    }
    let lease = LeaseRecord {
        id: LeaseId(9),
        ttl: 60,
        remaining: 0,
    };
    let key = Bytes::copy_from_slice(&LeaseRecord::key(lease.id));
    writer.put_bucket(Bucket::Lease, key, Some(lease.encode()));
    let version = Some(Bytes::from("3.7.0"));
    writer.put_bucket(Bucket::Cluster, Bytes::from("clusterVersion"), version);
    for index in 3..=APPLIED.0 {
        let mut txn = writer.txn();
        let key = format!("key/{}", index % 7);
        txn.put(
            key.as_bytes(),
            &vec![index as u8; 300],
            LeaseId((index % 2 * 9) as i64),
        );
        let _ = txn.commit(false);
        writer.set_applied(Index(index), Term(4));
    }
    writer.take_batch().unwrap().write(&mut store).unwrap();
}

/// A data directory as an etcd leaves it.
pub(crate) fn etcds() -> MemDir {
    let source = MemDir::new();
    ours(&source);
    let target = MemDir::new();
    target.create_dir_all("member").unwrap();
    target.sync_dir("").unwrap();
    let mut told = Vec::new();
    let handed = hand_back(
        &dirs(&source),
        &dirs(&target),
        store_options(),
        wal_options(),
        &mut |revision, of| told.push((revision, of)),
    );
    let handed = handed.unwrap();
    // Whoever waits sees it grow up to the last one.
    assert!(told.is_sorted() && told.last().is_some_and(|(revision, of)| revision == of));
    assert_eq!((handed.consistent_index, handed.entries), (APPLIED, 3));
    // Everything survives a power loss.
    target.crash(disk::Crash::LoseAll)
}

pub(crate) fn take(disk: &MemDir) -> Result<Option<TakenOver>, TakeoverError> {
    takeover(&dirs(disk), store_options(), &mut |_| {})
}

/// What a member of ours finds at its start.
#[derive(Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) hash: HashKv,
    pub(crate) leases: Vec<(Bytes, LeaseId)>,
    pub(crate) buckets: Vec<BTreeMap<Bytes, Bytes>>,
    pub(crate) metadata: Metadata,
    pub(crate) state: HardState,
    pub(crate) entries: Vec<Entry>,
}

pub(crate) fn find(disk: &MemDir) -> Found {
    let dirs = dirs(disk);
    let options = mvcc::Options::default();
    let (_writer, reader, store) =
        mvcc::open(dirs.member.sub("store"), store_options(), options).unwrap();
    let (consistent, _) = store.consistent_index();
    let log = wal::read(&*dirs.wal(), Start::Newest).unwrap();
    assert!(log.snapshot.index <= consistent);
    let files = store.reader();
    let mut buckets: Vec<_> = Bucket::ALL
        .iter()
        .map(|bucket| files.bucket(*bucket))
        .collect();
    // An exported database says which version it has.
    buckets[0].remove(&b"storageVersion"[..]);
    Found {
        hash: reader.hash_kv(0).unwrap(),
        leases: reader.attached_leases(),
        buckets,
        metadata: log.metadata,
        state: log.state,
        entries: log
            .entries
            .into_iter()
            .filter(|entry| entry.index > consistent)
            .collect(),
    }
}

/// An error with its sources.
pub(crate) fn text(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
