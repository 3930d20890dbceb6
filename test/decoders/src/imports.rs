//! What a takeover reads: databases of etcd, and its `.snap` files.

use std::convert::Infallible;
use std::sync::Arc;

use boltfile::Writer;
use bytes::Bytes;
use disk::{Dir as _, File, MemDir, OpenMode};
use types::{ConfState, Index, LeaseId, MemberId, Record, RecordKey, Revision, SnapshotMark, Term};
use wal::SnapFile;

use crate::files;

const PAGE_BYTES: u32 = 1024;

/// Makes a store of a database, and opens it. What was taken is given back and taken once more as it is.
pub(crate) fn database(bytes: &[u8]) {
    let disk = MemDir::new();
    let file = files::write(&disk, "db", bytes);
    let Some((revision, exported)) = taken(&disk, "first", file) else {
        return;
    };
    let again = taken(&disk, "second", exported).map(|(revision, _)| revision);
    assert_eq!(again, Some(revision), "what was exported is not imported");
}

/// The current revision of the store made of a database, and a database made of that.
fn taken(disk: &MemDir, name: &str, file: Arc<dyn File>) -> Option<(i64, Arc<dyn File>)> {
    disk.create_dir_all(name).expect("a directory");
    let options = store::Options::default();
    convert::import(file, disk.sub(name), options.clone(), &mut |_| {}).ok()?;
    let (_writer, reader, store) =
        mvcc::open(disk.sub(name), options, mvcc::Options::default()).ok()?;
    let target = format!("{name}.db");
    let target = disk.open(&target, OpenMode::CreateNew).expect("a file");
    convert::export(&store.reader().snapshot(), Arc::clone(&target)).expect("a database");
    Some((reader.revisions().current, target))
}

/// Decodes a `.snap` file; what it says is the same when it is written again.
pub(crate) fn snap(bytes: &[u8]) {
    if let Ok(file) = SnapFile::decode(bytes) {
        let again = SnapFile::decode(&file.encode());
        assert_eq!(again.ok().map(|again| again.mark), Some(file.mark));
    }
}

/// A database with a history of two keys.
pub(crate) fn sample() -> Vec<u8> {
    let disk = MemDir::new();
    let file = disk.open("db", OpenMode::CreateNew).expect("a file");
    let mut writer = Writer::new(file, PAGE_BYTES);
    let key = |main, tombstone| {
        let revision = Revision::new(main, 0);
        RecordKey {
            revision,
            tombstone,
        }
        .with_bytes(Bytes::copy_from_slice)
    };
    let record = |main, create_revision, version| {
        Record {
            key: Bytes::from_static(b"key"),
            create_revision,
            mod_revision: main,
            version,
            value: Bytes::from_static(b"value"),
            lease: LeaseId(7),
        }
        .encode()
    };
    let mut bucket = |name: &[u8], pairs: Vec<(Bytes, Bytes)>| {
        let pairs = pairs.into_iter().map(Ok::<_, Infallible>);
        writer.bucket(name, pairs).expect("a bucket");
    };
    bucket(
        b"key",
        vec![
            (key(2, false), record(2, 2, 1)),
            (key(3, false), record(3, 2, 2)),
            (key(4, true), Record::encode_tombstone(b"key")),
            (key(5, false), record(5, 5, 1)),
        ],
    );
    let number = |number: u64| Bytes::copy_from_slice(&number.to_be_bytes());
    bucket(
        b"meta",
        vec![
            (Bytes::from_static(b"consistent_index"), number(9)),
            (
                Bytes::from_static(b"finishedCompactRev"),
                key(2, false).slice(..17),
            ),
            (
                Bytes::from_static(b"scheduledCompactRev"),
                key(3, false).slice(..17),
            ),
            (Bytes::from_static(b"term"), number(2)),
        ],
    );
    writer.finish().expect("a file");
    files::read(&disk, "db")
}

/// A `.snap` file.
pub(crate) fn snap_sample() -> Vec<u8> {
    let mark = SnapshotMark {
        index: Index(5),
        term: Term(2),
        conf: Some(ConfState {
            voters: vec![MemberId(7), MemberId(8)],
            ..ConfState::default()
        }),
    };
    let data = Bytes::from_static(b"{\"Root\":{}}");
    SnapFile { mark, data }.encode()
}
