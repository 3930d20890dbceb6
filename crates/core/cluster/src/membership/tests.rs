//! Verdicts, stored bytes and loading.

use proptest::prelude::*;

use super::*;

type Buckets = BTreeMap<Table, BTreeMap<Bytes, Bytes>>;

fn member(id: u64, url: &str, is_learner: bool) -> Member {
    Member {
        id: MemberId(id),
        peer_urls: vec![url.to_owned()],
        is_learner,
        ..Member::default()
    }
}

fn add(id: u64, url: &str, is_learner: bool) -> Change {
    Change::Add(member(id, url, is_learner))
}

fn update(id: u64, url: &str) -> Change {
    Change::Update {
        id: MemberId(id),
        peer_urls: vec![url.to_owned()],
    }
}

fn store(buckets: &mut Buckets, changes: Vec<BucketChange>) {
    for change in changes {
        let bucket = buckets.entry(change.table).or_default();
        match change.value {
            Some(value) => bucket.insert(change.key, value),
            None => bucket.remove(&change.key),
        };
    }
}

fn load(buckets: &Buckets) -> Result<Membership, LoadError> {
    let bucket = |table| buckets.get(&table).cloned().unwrap_or_default();
    Membership::load(
        ClusterId(7),
        Options::default(),
        &bucket(Table::Members),
        &bucket(Table::MembersRemoved),
        &bucket(Table::Cluster),
    )
}

/// Another verdict than the other members' splits the cluster's configuration.
#[test]
fn verdicts() {
    let mut cluster = Membership::new(ClusterId(7), Options::default());
    let owner = MemberId(1);
    let taken = ChangeError::PeerUrlExists {
        url: "a".to_owned(),
        owner,
    };
    for (change, verdict) in [
        (Change::Promote(owner), Err(ChangeError::NotFound(owner))),
        (Change::Remove(owner), Err(ChangeError::NotFound(owner))),
        (update(1, "a"), Err(ChangeError::NotFound(owner))),
        (add(1, "a", false), Ok(())),
        (add(1, "b", false), Err(ChangeError::Exists(owner))),
        (add(2, "a", true), Err(taken.clone())),
        (add(2, "b", true), Ok(())),
        (
            add(3, "c", true),
            Err(ChangeError::TooManyLearners { max: 1 }),
        ),
        (update(2, "a"), Err(taken)),
        (update(2, "b"), Ok(())),
        (update(2, "c"), Ok(())),
        (Change::Promote(owner), Err(ChangeError::NotLearner(owner))),
        (Change::Remove(owner), Err(ChangeError::LastVoter(owner))),
        (Change::Promote(MemberId(2)), Ok(())),
        (add(3, "b", true), Ok(())),
        (Change::Remove(owner), Ok(())),
        (Change::Remove(owner), Err(ChangeError::Removed(owner))),
        (add(1, "z", false), Err(ChangeError::Removed(owner))),
    ] {
        assert_eq!(cluster.validate(&change), verdict, "{change:?}");
        assert_eq!(cluster.apply(&change).map(|_| ()), verdict, "{change:?}");
    }
    assert_eq!(cluster.conf_state().voters, [MemberId(2)]);
    assert_eq!(cluster.conf_state().learners, [MemberId(3)]);
    assert_eq!(cluster.removed().collect::<Vec<_>>(), [owner]);
}

/// These bytes are what a real member reads after a hand-back, and what the hash covers.
#[test]
fn stored_bytes() {
    let mut cluster = Membership::new(ClusterId(7), Options::default());
    let mut buckets = Buckets::new();
    store(&mut buckets, cluster.apply(&add(0xa, "u", true)).unwrap());
    store(&mut buckets, cluster.apply(&add(0xb, "v", false)).unwrap());
    let id = MemberId(0xa);
    let urls = ["c".to_owned()];
    store(
        &mut buckets,
        cluster.set_attributes(id, "n<1>", &urls).unwrap(),
    );
    store(&mut buckets, cluster.apply(&Change::Promote(id)).unwrap());
    store(
        &mut buckets,
        cluster.apply(&Change::Remove(MemberId(0xb))).unwrap(),
    );
    store(&mut buckets, cluster.set_version(Version::minor(3, 7)));
    store(&mut buckets, cluster.set_downgrade(None));
    assert_eq!(cluster.set_attributes(MemberId(0xb), "x", &[]), Ok(vec![]));
    let unknown = MemberId(0xc);
    assert_eq!(
        cluster.set_attributes(unknown, "x", &[]),
        Err(UnknownMember(unknown))
    );
    let text: Vec<String> = buckets
        .iter()
        .flat_map(|(table, pairs)| {
            pairs.iter().map(move |(key, value)| {
                let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
                format!("{} {} {}", table.name(), text(key), text(value))
            })
        })
        .collect();
    assert_eq!(
        text,
        [
            r#"members a {"id":10,"peerURLs":["u"],"name":"n\u003c1\u003e","clientURLs":["c"]}"#,
            "members_removed b removed",
            "cluster clusterVersion 3.7.0",
            r#"cluster downgrade {"target-version":"","enabled":false}"#,
        ]
    );
    assert_eq!(load(&buckets), Ok(cluster));
}

/// A damaged bucket must stop the start with its name, not give a cluster of other members.
#[test]
fn damage_is_named() {
    let bucket = |table, key: &'static str, value: &'static str| {
        Buckets::from([(table, BTreeMap::from([(key.into(), value.into())]))])
    };
    let bad = |table, key, value| load(&bucket(table, key, value)).unwrap_err();
    assert_eq!(
        bad(Table::Members, "0a", "{}"),
        LoadError::Key {
            table: Table::Members,
            key: "0a".into()
        }
    );
    assert!(matches!(
        bad(Table::Members, "a", r#"{"id":"#),
        LoadError::Member {
            id: MemberId(10),
            ..
        }
    ));
    assert!(matches!(
        bad(Table::Members, "a", r#"{"id":11}"#),
        LoadError::Mismatch { .. }
    ));
    assert!(matches!(
        bad(Table::MembersRemoved, "x", "removed"),
        LoadError::Key { .. }
    ));
    assert!(matches!(
        bad(Table::Cluster, "clusterVersion", "3.7"),
        LoadError::Version { .. }
    ));
    assert!(matches!(
        bad(Table::Cluster, "downgrade", "{"),
        LoadError::Downgrade { .. }
    ));
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let url = prop::sample::select(vec!["a", "b", "c", "d"]);
    let change = prop_oneof![
        3 => (1..6_u64, url.clone(), any::<bool>()).prop_map(|(id, url, learner)| add(id, url, learner)),
        1 => (1..6_u64).prop_map(|id| Change::Promote(MemberId(id))),
        1 => (1..6_u64).prop_map(|id| Change::Remove(MemberId(id))),
        1 => (1..6_u64, url).prop_map(|(id, url)| update(id, url)),
    ];
    prop::collection::vec(change, 0..40)
}

proptest! {
    /// A restart in between must not change who belongs to the cluster.
    #[test]
    fn the_buckets_hold_everything(changes in changes()) {
        let mut cluster = Membership::new(ClusterId(7), Options::default());
        let mut buckets = Buckets::new();
        for change in &changes {
            let before = cluster.clone();
            match cluster.apply(change) {
                Ok(stored) => store(&mut buckets, stored),
                Err(_) => prop_assert_eq!(&before, &cluster),
            }
            let loaded = load(&buckets);
            prop_assert_eq!(loaded.as_ref(), Ok(&cluster));
            prop_assert!(cluster.learners().count() <= 1);
            let mut urls: Vec<_> = cluster.members().flat_map(|member| &member.peer_urls).collect();
            let count = urls.len();
            urls.sort();
            urls.dedup();
            prop_assert_eq!(urls.len(), count);
        }
    }
}
