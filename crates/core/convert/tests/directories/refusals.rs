//! Directories that must be left alone, each with its reason.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use disk::{Dir, File, LockKind, MemDir, OpenMode};

use crate::world::{etcds, take, text};

type Database = BTreeMap<Bytes, BTreeMap<Bytes, Bytes>>;

/// Rewrites the database at `path`.
fn edit(disk: &MemDir, path: &str, edit: impl FnOnce(&mut Database)) {
    let reader = boltfile::Reader::open(disk.open(path, OpenMode::Read).unwrap()).unwrap();
    let mut database = Database::new();
    for (name, bucket) in reader.buckets().unwrap() {
        database.insert(name, bucket.items().collect::<Result<_, _>>().unwrap());
    }
    edit(&mut database);
    let file = disk.open(path, OpenMode::Truncate).unwrap();
    let mut writer = boltfile::Writer::new(file, 4096);
    for (name, pairs) in database {
        let pairs = pairs.into_iter().map(Ok::<_, std::convert::Infallible>);
        writer.bucket(&name, pairs).unwrap();
    }
    writer.finish().unwrap();
}

fn set(database: &mut Database, bucket: &str, key: &str, value: Option<&[u8]>) {
    let bucket = database.get_mut(bucket.as_bytes()).unwrap();
    match value {
        Some(value) => bucket.insert(Bytes::from(key.to_owned()), Bytes::copy_from_slice(value)),
        None => bucket.remove(key.as_bytes()),
    };
}

fn refused(disk: &MemDir) -> String {
    let error = text(&take(disk).unwrap_err());
    // Once more: nothing has changed.
    assert_eq!(text(&take(disk).unwrap_err()), error);
    assert!(!disk.exists("member/store").unwrap());
    error
}

const HEAD: &str = "cannot take over the data directory of etcd: ";

/// A version that is not understood may mean anything.
#[test]
fn versions() {
    for (bucket, key, value, expected) in [
        (
            "meta",
            "storageVersion",
            "3.8.0",
            "member/snap/db has storage version 3.8.0, which is newer than 3.7",
        ),
        (
            "meta",
            "storageVersion",
            "4.0.0",
            "member/snap/db has storage version 4.0.0, which is newer than 3.7",
        ),
        (
            "meta",
            "storageVersion",
            "x",
            "member/snap/db has storage version \"x\", which is none",
        ),
        (
            "cluster",
            "clusterVersion",
            "3.8.0",
            "member/snap/db has cluster version 3.8.0, which is newer than 3.7",
        ),
        (
            "cluster",
            "downgrade",
            r#"{"target-version":"3.6.0","enabled":true}"#,
            "the cluster is being downgraded to 3.6.0: finish or cancel the downgrade with etcd first",
        ),
    ] {
        let disk = etcds();
        edit(&disk, "member/snap/db", |database| {
            set(database, bucket, key, Some(value.as_bytes()));
        });
        assert_eq!(refused(&disk), format!("{HEAD}{expected}"));
    }
    let disk = etcds();
    edit(&disk, "member/snap/db", |database| {
        set(database, "meta", "storageVersion", None);
    });
    // With a term it is one of etcd 3.5.
    assert!(take(&disk).unwrap().is_some());
    let disk = etcds();
    edit(&disk, "member/snap/db", |database| {
        set(database, "meta", "storageVersion", None);
        set(database, "meta", "term", None);
    });
    assert_eq!(
        refused(&disk),
        format!(
            "{HEAD}member/snap/db was written by an etcd before 3.5: start it with etcd 3.5 once"
        )
    );
}

/// Log and database must go together, or acknowledged writes are lost in silence.
#[test]
fn log_and_database() {
    let disk = etcds();
    edit(&disk, "member/snap/db", |database| {
        set(
            database,
            "meta",
            "consistent_index",
            Some(&99_u64.to_be_bytes()),
        );
    });
    assert_eq!(
        refused(&disk),
        format!(
            "{HEAD}member/snap/db includes entry 99, but the log ends at entry 33: log segments are missing"
        )
    );
    let disk = etcds();
    let old = |database: &mut Database| {
        set(
            database,
            "meta",
            "consistent_index",
            Some(&29_u64.to_be_bytes()),
        );
    };
    edit(&disk, "member/snap/db", old);
    let received = "member/snap/000000000000001e.snap.db";
    assert_eq!(
        refused(&disk),
        format!(
            "{HEAD}member/snap/db ends at entry 29, but the log begins after entry 30 and {received} does not exist"
        )
    );
    let disk = etcds();
    for name in disk.list("member/wal").unwrap() {
        disk.remove(&format!("member/wal/{name}")).unwrap();
    }
    assert_eq!(
        refused(&disk),
        format!(
            "{HEAD}member/snap/db has no write-ahead log in member/wal: the directory is not complete"
        )
    );
}

/// A received snapshot that etcd had no time to install is the database.
#[test]
fn a_received_snapshot_is_installed() {
    let disk = etcds();
    let received = "member/snap/000000000000001e.snap.db";
    copy(&disk, "member/snap/db", received);
    edit(&disk, "member/snap/db", |database| {
        set(
            database,
            "meta",
            "consistent_index",
            Some(&3_u64.to_be_bytes()),
        );
        database.get_mut(&b"key"[..]).unwrap().clear();
    });
    let taken = take(&disk).unwrap().unwrap();
    assert_eq!(taken.original, received);
    assert_eq!(taken.imported.consistent_index, crate::world::APPLIED);
    assert!(taken.imported.records > 0);
}

fn copy(disk: &MemDir, from: &str, to: &str) {
    let from = disk.open(from, OpenMode::Read).unwrap();
    let mut bytes = vec![0; usize::try_from(from.len().unwrap()).unwrap()];
    from.read_exact_at(&mut bytes, 0).unwrap();
    let to = disk.open(to, OpenMode::CreateNew).unwrap();
    to.write_all_at(&bytes, 0).unwrap();
}

/// Two databases: which one is the newer only the operator knows.
#[test]
fn two_databases() {
    let disk = etcds();
    copy(&disk, "member/snap/db", "member/snap/db.etcd");
    assert_eq!(
        refused(&disk),
        format!(
            "{HEAD}both member/snap/db and member/snap/db.etcd exist: remove the one that is not to be used"
        )
    );
    let disk = etcds();
    copy(&disk, "member/snap/db", "member/copy");
    take(&disk).unwrap();
    disk.rename("member/copy", "member/snap/db").unwrap();
    let error = text(&take(&disk).unwrap_err());
    assert!(
        error.contains("both member/store and member/snap/db exist"),
        "{error}"
    );
}

/// An etcd that runs must not find its directory changed.
#[test]
fn a_running_etcd() {
    let disk = etcds();
    let held: Arc<dyn File> = disk.open("member/snap/db", OpenMode::Write).unwrap();
    held.try_lock(LockKind::Flock).unwrap();
    assert_eq!(
        refused(&disk),
        format!("{HEAD}member/snap/db is locked by another process")
    );
    drop(held);
    assert!(take(&disk).unwrap().is_some());
}

/// Damage is named with its place, and nothing is changed.
#[test]
fn damage() {
    let disk = etcds();
    let len = disk
        .open("member/snap/db", OpenMode::Read)
        .unwrap()
        .len()
        .unwrap();
    let file = disk.open("member/snap/db", OpenMode::Write).unwrap();
    file.set_len(len / 2).unwrap();
    assert!(refused(&disk).contains("bytes, its pages need"));
    let disk = etcds();
    let file = disk.open("member/snap/db", OpenMode::Write).unwrap();
    // The first page behind the metas.
    file.write_all_at(&[0xff; 64], 2 * 4096).unwrap();
    let error = refused(&disk);
    assert!(error.contains("page 2: page has id"), "{error}");
    let disk = etcds();
    let wal = disk.list("member/wal").unwrap().remove(0);
    disk.flip_bit(&format!("member/wal/{wal}"), 40, 3).unwrap();
    let error = refused(&disk);
    assert!(error.contains("cannot read the write-ahead log"), "{error}");
    let disk = etcds();
    edit(&disk, "member/snap/db", |database| {
        set(database, "members", "nobody", Some(b"{}"));
    });
    let error = refused(&disk);
    assert!(error.contains("bucket members: key"), "{error}");
    assert!(disk.exists("member/snap/db").unwrap());
}
