//! The store's segments.

use std::sync::Arc;

use bytes::Bytes;
use disk::{Dir as _, MemDir};
use store::{Batch, Bucket, Change, Entry, Options, Store};
use types::{Index, LeaseId, Record, Revision, Term};

use crate::files;

/// Opens a store whose only segment has these bytes. One that opens can be read, and written to.
pub(crate) fn open(bytes: &[u8]) {
    reopen(bytes);
}

/// Whether it opened.
fn reopen(bytes: &[u8]) -> bool {
    let (disk, name) = sample();
    files::write(&*disk, &name, bytes);
    let mut found = Vec::new();
    let opened = Store::open(disk.clone(), Options::default(), &mut |entry| {
        found.push(entry.revision);
    });
    let Ok(mut store) = opened else {
        return false;
    };
    let reader = store.reader();
    let _ = reader.scan(Revision::default(), i64::MAX, 1_000, 1 << 20);
    for revision in &found {
        let _ = reader.get(*revision);
    }
    let last = reader.last_revision();
    let Some(next) = last.main.checked_add(1) else {
        return false;
    };
    if store.commit(&batch(next)).is_err() {
        return false;
    }
    drop((store, reader));
    let mut again = 0;
    Store::open(disk, Options::default(), &mut |_| again += 1).expect("what was written to opens");
    assert_eq!(again, found.len() + 1);
    true
}

/// A store that was used a little, and the name of its segment.
fn sample() -> (Arc<MemDir>, String) {
    let disk = Arc::new(MemDir::new());
    let opened = Store::open(disk.clone(), Options::default(), &mut |_| {});
    let mut store = opened.expect("an empty store");
    for main in 2..6 {
        store.commit(&batch(main)).expect("a commit");
    }
    drop(store);
    let names = disk.list("").expect("a list").into_iter();
    let longest = names.max_by_key(|name| files::read(&*disk, name).len());
    (disk, longest.expect("a segment"))
}

/// The segment of a store that was used a little.
pub(crate) fn sample_segment() -> Vec<u8> {
    let (disk, name) = sample();
    files::read(&*disk, &name)
}

/// One key and one small bucket.
fn batch(main: i64) -> Batch {
    let record = Record {
        key: Bytes::from_static(b"key"),
        create_revision: 2,
        mod_revision: main,
        version: main.saturating_sub(1),
        value: Bytes::from(vec![b'v'; 50]),
        lease: LeaseId::NONE,
    };
    Batch {
        entries: vec![Entry {
            revision: Revision::new(main, 0),
            tombstone: false,
            record: record.encode(),
        }],
        changes: vec![Change {
            bucket: Bucket::Lease,
            key: Bytes::from_static(b"12345678"),
            value: Some(Bytes::from_static(b"lease")),
        }],
        consistent_index: Index(main.cast_unsigned()),
        term: Term(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_opens() {
        assert!(reopen(&sample_segment()));
    }
}
