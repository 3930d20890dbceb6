//! Whatever is committed, given up, reclaimed and reopened, in any order: the store holds what a
//! map would hold, and a snapshot what it held when it was taken.

use bytes::Bytes;
use disk::MemDir;
use proptest::prelude::*;
use store::{Bucket, Change, Snapshot, Store};
use types::Revision;

use crate::world::{Model, buckets, open};

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<(u16, usize, bool)>, Vec<(usize, u8, Option<u8>)>),
    /// Marks those dead whose position modulo the number is zero.
    MarkDead(usize),
    Reclaim(u64),
    Defragment,
    Reopen,
    Snapshot,
    Release,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let len = prop_oneof![20 => 0_usize..300, 1 => 3000_usize..9000];
    let records = prop::collection::vec((0_u16..50, len, prop::bool::weighted(0.1)), 0..60);
    let change = (0_usize..9, any::<u8>(), prop::option::of(any::<u8>()));
    let commit = (records, prop::collection::vec(change, 0..6));
    let step = prop_oneof![
        10 => commit.prop_map(|(records, changes)| Step::Commit(records, changes)),
        3 => (1_usize..5).prop_map(Step::MarkDead),
        6 => (1_u64..60_000).prop_map(Step::Reclaim),
        1 => Just(Step::Defragment),
        2 => Just(Step::Reopen),
        1 => Just(Step::Snapshot),
        1 => Just(Step::Release),
    ];
    prop::collection::vec(step, 1..80)
}

struct World {
    dir: MemDir,
    segment_bytes: u64,
    store: Option<Store>,
    model: Model,
    snapshots: Vec<(Snapshot, Model)>,
}

impl World {
    fn store(&mut self) -> &mut Store {
        self.store.as_mut().expect("open between the steps")
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Commit(records, changes) => {
                let changes = changes.into_iter().map(|(bucket, key, value)| Change {
                    bucket: Bucket::ALL[bucket],
                    key: Bytes::from(vec![key]),
                    value: value.map(|value| Bytes::from(vec![value; usize::from(value)])),
                });
                let batch = self.model.batch(&records, changes.collect());
                self.store().commit(&batch).expect("a sound disk");
                self.model.apply(&batch);
            }
            Step::MarkDead(every) => {
                let dead: Vec<_> = self.model.records.keys().copied().step_by(every).collect();
                self.store().mark_dead(&dead).expect("a sound disk");
                self.model.dead.extend(dead);
            }
            Step::Reclaim(budget) => {
                self.store().reclaim(budget).expect("a sound disk");
            }
            Step::Defragment => self.store().defragment(),
            Step::Reopen => self.reopen(),
            Step::Snapshot => {
                let snapshot = self.store().reader().snapshot();
                self.snapshots.push((snapshot, self.model.clone()));
            }
            Step::Release => {
                self.check_snapshots();
                self.snapshots.clear();
            }
        }
    }

    fn reopen(&mut self) {
        self.store = None;
        let (mut store, visited) = open(&self.dir, self.segment_bytes).expect("a sound disk");
        self.model.check_visited(&visited);
        let dead: Vec<_> = self.model.dead.iter().copied().collect();
        store.mark_dead(&dead).expect("a sound disk");
        self.store = Some(store);
    }

    fn check_snapshots(&self) {
        for (snapshot, model) in &self.snapshots {
            let all = snapshot.scan(Revision::default(), usize::MAX, usize::MAX);
            assert_eq!(all.expect("a sound disk"), model.live());
            assert_eq!(snapshot.last_revision(), model.newest);
            assert_eq!(snapshot.consistent_index(), model.position);
            assert_eq!(
                buckets(|bucket| snapshot.bucket(bucket).clone()),
                model.buckets
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn store_behaves_like_a_map(steps in steps(), segment_bytes in 3000_u64..60_000) {
        let dir = MemDir::new();
        let (store, _) = open(&dir, segment_bytes).expect("a sound disk");
        let mut world = World {
            dir,
            segment_bytes,
            store: Some(store),
            model: Model::default(),
            snapshots: Vec::new(),
        };
        for (number, step) in steps.into_iter().enumerate() {
            world.take(step);
            if number % 8 == 0 {
                world.model.clone().check(&world.store().reader());
            }
        }
        world.check_snapshots();
        world.model.clone().check(&world.store().reader());
        world.reopen();
        world.model.clone().check(&world.store().reader());
    }
}
