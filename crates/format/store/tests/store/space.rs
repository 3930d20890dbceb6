//! The files stay near the size of what lives in them, whatever is done.

use bytes::Bytes;
use disk::MemDir;
use proptest::prelude::*;
use store::{Bucket, Store};

use crate::world::{Model, delete, files, open, put, reclaim_all};

const SEGMENT_BYTES: u64 = 64 << 10;
/// What files may have beyond 1.5 times the live data when segments are this small.
const ALLOWANCE: u64 = 16 << 10;

/// What the live data takes at least, counted without the store's help: the record, its key once
/// more in the directory, and the numbers that find it.
fn live_bytes(model: &Model) -> u64 {
    let live = model.live().into_iter().map(|entry| {
        let key = types::Record::decode(&entry.record).expect("a record").key;
        (entry.record.len() + key.len() + 10) as u64
    });
    let pairs = model
        .buckets
        .iter()
        .map(|((_, key), value): (&(_, Bytes), &Bytes)| (key.len() + value.len()) as u64);
    live.sum::<u64>() + pairs.sum::<u64>()
}

fn check_sizes(store: &Store, dir: &MemDir, model: &Model) {
    let on_disk: u64 = files(dir).iter().map(|(_, len)| len).sum();
    let sizes = store.sizes();
    assert_eq!(sizes.total, on_disk);
    assert_eq!(store.reader().sizes(), sizes);
    let live = live_bytes(model);
    assert!(sizes.in_use >= live.min(sizes.total), "{sizes:?}, {live}");
    assert!(sizes.in_use <= live + live / 2 + 1024, "{sizes:?}, {live}");
}

#[derive(Clone, Debug)]
struct Round {
    records: usize,
    len: usize,
    keys: u16,
    leases: u16,
    /// How many of 16 records are given up.
    dead: usize,
    batches: usize,
}

fn rounds() -> impl Strategy<Value = Vec<Round>> {
    let round = (
        0_usize..60,
        0_usize..900,
        1_u16..500,
        0_u16..50,
        0_usize..16,
        1_usize..30,
    );
    let round = round.prop_map(|(records, len, keys, leases, dead, batches)| Round {
        records,
        len,
        keys,
        leases,
        dead,
        batches,
    });
    prop::collection::vec(round, 1..12)
}

fn play(store: &mut Store, model: &mut Model, round: &Round) {
    for batch in 0..round.batches {
        let shapes: Vec<_> = (0..round.records)
            .map(|n| ((n * 7 + batch) as u16 % round.keys, round.len, n % 9 == 0))
            .collect();
        let leases = (0..round.leases).flat_map(|n| {
            let lease = put(Bucket::Lease, n, 20);
            [lease, delete(Bucket::Lease, n.wrapping_sub(1))]
        });
        let batch = model.batch(&shapes, leases.collect());
        store.commit(&batch).expect("a sound disk");
        model.apply(&batch);
    }
    let revisions = model.records.keys().copied();
    let dead: Vec<_> = revisions
        .filter(|revision| (revision.main % 16) < round.dead as i64)
        .collect();
    store.mark_dead(&dead).expect("a sound disk");
    // What is dead is of no more interest to the model.
    for revision in dead {
        model.records.remove(&revision);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// A member whose disk fills up with garbage stops taking writes.
    #[test]
    fn files_are_at_most_half_garbage(rounds in rounds(), defragment in any::<bool>()) {
        let dir = MemDir::new();
        let (mut store, _) = open(&dir, SEGMENT_BYTES).expect("a sound disk");
        let mut model = Model::default();
        for round in &rounds {
            play(&mut store, &mut model, round);
            store.reclaim(20_000).expect("a sound disk");
        }
        if defragment {
            store.defragment();
        }
        reclaim_all(&mut store, 50_000).expect("a sound disk");
        check_sizes(&store, &dir, &model);
        let sizes = store.sizes();
        let limit = sizes.in_use + sizes.in_use / 2 + ALLOWANCE;
        prop_assert!(sizes.total <= limit, "{sizes:?} {:?}", files(&dir));
        if defragment {
            let limit = sizes.in_use + sizes.in_use / 10 + ALLOWANCE;
            prop_assert!(sizes.total <= limit, "{sizes:?} {:?}", files(&dir));
        }
        let count = files(&dir).len() as u64;
        prop_assert!(count <= 10 + 4 * sizes.in_use / SEGMENT_BYTES, "{count}");
    }
}

/// Leases come and go and the consistent index moves on without a single record: that must not
/// fill the disk either.
#[test]
fn bucket_changes_do_not_pile_up() {
    let dir = MemDir::new();
    let (mut store, _) = open(&dir, SEGMENT_BYTES).expect("a sound disk");
    let mut model = Model::default();
    let mut largest = 0;
    for round in 0..6000_u16 {
        let changes = match round % 3 {
            0 => vec![put(Bucket::Lease, round % 100, 40)],
            1 => vec![delete(Bucket::Lease, round % 50)],
            _ => vec![],
        };
        let shapes = [(round % 7, 30, false)];
        let shapes = if round % 100 == 0 { &shapes[..] } else { &[] };
        let batch = model.batch(shapes, changes);
        store.commit(&batch).expect("a sound disk");
        model.apply(&batch);
        let reclaimed = store.reclaim(4096).expect("a sound disk");
        assert!(reclaimed.bytes_freed <= SEGMENT_BYTES * 2);
        largest = largest.max(store.sizes().total);
        assert!(files(&dir).len() <= 14);
    }
    assert!(largest < 100_000, "{largest}");
    model.check(&store.reader());
}

/// `Defragment` of an empty or tidy store must end.
#[test]
fn defragmenting_nothing_ends() {
    let dir = MemDir::new();
    let (mut store, _) = open(&dir, SEGMENT_BYTES).expect("a sound disk");
    store.defragment();
    reclaim_all(&mut store, 1).expect("a sound disk");
    let mut model = Model::default();
    let batch = model.batch(&[(1, 100_000, false), (2, 100_000, false)], vec![]);
    store.commit(&batch).expect("a sound disk");
    model.apply(&batch);
    store.defragment();
    reclaim_all(&mut store, 1).expect("a sound disk");
    model.check(&store.reader());
}
