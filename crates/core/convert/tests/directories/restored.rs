//! A snapshot becomes a member of a new cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster::{Bootstrap, Membership};
use convert::{Restore, export, restore};
use disk::{Dir, File, MemDir, OpenMode};
use store::Bucket;
use types::{HardState, Index, Term};

use crate::world::{dirs, find, ours, store_options, wal_options};

fn snapshot() -> Arc<dyn File> {
    let disk = MemDir::new();
    ours(&disk);
    let options = mvcc::Options::default();
    let dir = dirs(&disk).member.sub("store");
    let (_, _, store) = mvcc::open(dir, store_options(), options).unwrap();
    let file = MemDir::new().open("db", OpenMode::CreateNew).unwrap();
    export(&store.reader().snapshot(), Arc::clone(&file)).unwrap();
    file
}

fn restored(names: &[&str], own: &str, bump: Option<i64>) -> (MemDir, Bootstrap) {
    let initial: BTreeMap<_, _> = (names.iter().enumerate())
        .map(|(port, name)| ((*name).to_owned(), vec![format!("http://127.0.0.1:{port}")]))
        .collect();
    let cluster = Bootstrap::new(&initial, "other").unwrap();
    let disk = MemDir::new();
    disk.create_dir_all("member").unwrap();
    let order = Restore {
        own: cluster.member(own).unwrap(),
        cluster: &cluster,
        bump,
    };
    let to = dirs(&disk);
    restore(
        snapshot(),
        &to,
        &order,
        store_options(),
        wal_options(),
        &mut |_| {},
    )
    .unwrap();
    (disk, cluster)
}

/// Keys and leases stay, members and ids are those of the new cluster.
#[test]
fn a_new_cluster_with_the_old_keys() {
    let old = MemDir::new();
    ours(&old);
    let old = find(&old);
    for names in [&["x"][..], &["x", "y", "z"]] {
        let (disk, cluster) = restored(names, "x", None);
        let found = find(&disk);
        assert_eq!(found.hash, old.hash);
        assert_eq!(found.leases, old.leases);
        assert_eq!(found.metadata.cluster, cluster.cluster_id);
        assert_eq!(found.metadata.member, cluster.member("x").unwrap().id);
        assert_eq!(found.entries, []);
        let index = Index(names.len() as u64);
        let expected = HardState {
            term: Term(1),
            vote: cluster.members[0].id,
            commit: index,
        };
        assert_eq!(found.state, expected);
        let bucket = |bucket| &found.buckets[bucket as usize];
        let membership = Membership::load(
            cluster.cluster_id,
            cluster::Options::default(),
            bucket(Bucket::Members),
            bucket(Bucket::MembersRemoved),
            bucket(Bucket::Cluster),
        )
        .unwrap();
        assert_eq!(
            membership.members().cloned().collect::<Vec<_>>(),
            cluster.members
        );
        assert_eq!(membership.version().unwrap().to_string(), "3.7.0");
        let at = &bucket(Bucket::Meta)[&b"consistent_index"[..]];
        assert_eq!(at[..], index.0.to_be_bytes());
    }
}

/// Whoever watched the old cluster must see a gap, never other history under the same revisions.
#[test]
fn a_raised_revision_is_compacted() {
    let old = MemDir::new();
    ours(&old);
    let before = find(&old).hash.hash_revision;
    let (disk, _) = restored(&["x"], "x", Some(1000));
    let options = mvcc::Options::default();
    let dir = dirs(&disk).member.sub("store");
    let (_, reader, _) = mvcc::open(dir, store_options(), options).unwrap();
    let revisions = reader.revisions();
    assert_eq!(
        (revisions.current, revisions.compacted),
        (before + 1000, before + 1000)
    );
    assert_eq!(reader.count(&types::KeyRange::All, 0).unwrap(), 7);
}
