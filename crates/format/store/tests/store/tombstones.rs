//! What is deleted stays deleted: however files are rewritten, whenever the power goes and the
//! marks are lost, the newest record of a key that is found at the next open is its newest one, or
//! there is none because the key was deleted.

use std::collections::BTreeMap;

use disk::{Crash, Faults, MemDir};
use proptest::prelude::*;
use store::{Batch, Entry, Store, StoreFault};
use types::{Index, Revision, Term};

use crate::world::{Model, Visited, files, open, reclaim_all};

const SEGMENT_BYTES: u64 = 3000;

#[derive(Clone, Debug)]
enum Step {
    /// Puts keys with values of a length; deletes those with none.
    Write(Vec<(u16, Option<usize>)>),
    /// Gives up what is not the newest of its key, of the keys in the range.
    Compact(u16, u16),
    Reclaim(u64),
    Defragment,
    /// Opens the store again; whether what was given up is marked at once.
    Reopen(bool),
    /// Loses power after so many operations of reclaiming.
    Cut(u64, u64, bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let value = prop_oneof![2 => (0_usize..400).prop_map(Some), 1 => Just(None)];
    let write = prop::collection::vec((0_u16..40, value), 1..30);
    let step = prop_oneof![
        8 => write.prop_map(Step::Write),
        4 => (0_u16..40, 1_u16..40).prop_map(|(from, count)| Step::Compact(from, count)),
        8 => (1_u64..6000).prop_map(Step::Reclaim),
        1 => Just(Step::Defragment),
        1 => any::<bool>().prop_map(Step::Reopen),
        2 => (1_u64..12, any::<u64>(), any::<bool>())
            .prop_map(|(after, seed, marks)| Step::Cut(after, seed, marks)),
    ];
    prop::collection::vec(step, 1..80)
}

struct World {
    dir: MemDir,
    store: Option<Store>,
    /// The newest revision of each key that is live.
    live: BTreeMap<u16, Revision>,
    /// What the caller's index holds of each key: revision and whether it is a deletion.
    index: BTreeMap<u16, Vec<(Revision, bool)>>,
    main: i64,
}

impl World {
    fn new() -> Self {
        let dir = MemDir::new();
        let (store, _) = open(&dir, SEGMENT_BYTES).expect("a sound disk");
        Self {
            dir,
            store: Some(store),
            live: BTreeMap::new(),
            index: BTreeMap::new(),
            main: 1,
        }
    }

    fn store(&mut self) -> &mut Store {
        self.store.as_mut().expect("open between the steps")
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Write(changes) => self.write(changes),
            Step::Compact(from, count) => self.compact(|key| (*from..from + count).contains(&key)),
            Step::Reclaim(budget) => {
                self.store().reclaim(*budget).expect("a sound disk");
            }
            Step::Defragment => self.store().defragment(),
            Step::Reopen(marks) => self.reopen(None, *marks),
            Step::Cut(after, seed, marks) => {
                self.dir.set_faults(Faults {
                    cut_at: Some(self.dir.counts().operations + after),
                    ..Faults::default()
                });
                self.store().defragment();
                let _: Result<(), StoreFault> = reclaim_all(self.store(), 2000);
                self.reopen(Some(*seed), *marks);
            }
        }
    }

    fn write(&mut self, changes: &[(u16, Option<usize>)]) {
        let mut entries: Vec<Entry> = Vec::new();
        for (key, len) in changes {
            if len.is_none() && !self.live.contains_key(key) {
                continue;
            }
            self.main += 1;
            let revision = Revision::new(self.main, 0);
            let tombstone = len.is_none();
            let len = len.unwrap_or_default();
            entries.push(Model::entry(self.main, 0, *key, len, tombstone));
            self.index
                .entry(*key)
                .or_default()
                .push((revision, tombstone));
            if tombstone {
                self.live.remove(key);
            } else {
                self.live.insert(*key, revision);
            }
        }
        let batch = Batch {
            entries,
            changes: Vec::new(),
            consistent_index: Index(self.main.unsigned_abs()),
            term: Term(1),
        };
        self.store().commit(&batch).expect("a sound disk");
    }

    fn compact(&mut self, is_meant: impl Fn(u16) -> bool) {
        let mut dead = Vec::new();
        self.index.retain(|key, changes| {
            if !is_meant(*key) {
                return true;
            }
            let newest = changes.pop_if(|(_, tombstone)| !*tombstone);
            dead.extend(changes.drain(..).map(|(revision, _)| revision));
            changes.extend(newest);
            !changes.is_empty()
        });
        self.store().mark_dead(&dead).expect("a sound disk");
    }

    fn reopen(&mut self, crash: Option<u64>, marks: bool) {
        self.store = None;
        self.dir = self.dir.crash(crash.map_or(Crash::KeepAll, Crash::Seeded));
        let (store, visited) = open(&self.dir, SEGMENT_BYTES).expect("a sound disk");
        self.store = Some(store);
        self.index.clear();
        for entry in &visited {
            let change = (entry.revision, entry.tombstone);
            self.index.entry(number(entry)).or_default().push(change);
        }
        let newest = self.index.iter().filter_map(|(key, changes)| {
            let (revision, tombstone) = changes.last()?;
            (!tombstone).then_some((*key, *revision))
        });
        assert_eq!(newest.collect::<BTreeMap<_, _>>(), self.live);
        if marks {
            self.compact(|_| true);
        }
    }
}

fn number(entry: &Visited) -> u16 {
    let text = std::str::from_utf8(&entry.key).ok();
    let number = text.and_then(|text| text.strip_prefix("key/")?.parse().ok());
    number.expect("a key of the model")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn deleted_keys_stay_deleted(steps in steps()) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
        }
        world.reopen(Some(7), true);
        world.store().defragment();
        reclaim_all(world.store(), 5000).expect("a sound disk");
        world.reopen(None, true);
    }
}

/// A deletion is given up while its file is being copied, after its put was copied as live: it must
/// not be left out of the copy.
#[test]
fn marked_while_being_copied() {
    for marked_after in 0..12 {
        let mut world = World::new();
        world.write(&[(3, Some(300))]);
        for _ in 0..3 {
            world.write(&[(100, Some(300))]);
        }
        world.write(&[(3, None)]);
        for _ in 0..20 {
            world.write(&[(100, Some(300))]);
        }
        world.compact(|key| key == 100);
        world.store().defragment();
        for step in 0..40 {
            if step == marked_after {
                world.compact(|_| true);
            }
            world.store().reclaim(1).expect("a sound disk");
            if step >= marked_after {
                let copy = world.dir.crash(Crash::KeepAll);
                let (_, visited) = open(&copy, SEGMENT_BYTES).expect("a sound disk");
                let newest = visited.iter().rfind(|entry| number(entry) == 3);
                assert!(newest.is_none_or(|entry| entry.tombstone), "{newest:?}");
            }
        }
    }
}

/// Keys that come and go leave nothing behind, although a file of old keys is never quite clean.
#[test]
fn tombstones_do_not_pile_up() {
    const SEGMENT_BYTES: u64 = 64 << 10;
    let dir = MemDir::new();
    let (mut store, _) = open(&dir, SEGMENT_BYTES).expect("a sound disk");
    let mut main = 1;
    let mut commit = |store: &mut Store, shapes: &[(u16, usize, bool)]| {
        let revisions = main + 1..;
        let entries: Vec<_> = revisions
            .zip(shapes)
            .map(|(main, (key, len, tombstone))| Model::entry(main, 0, *key, *len, *tombstone))
            .collect();
        main += i64::try_from(shapes.len()).expect("few");
        let revisions: Vec<_> = entries.iter().map(|entry| entry.revision).collect();
        let batch = Batch {
            entries,
            changes: Vec::new(),
            consistent_index: Index(main.unsigned_abs()),
            term: Term(1),
        };
        store.commit(&batch).expect("a sound disk");
        revisions
    };
    let old: Vec<_> = (0..1000).map(|key| (key, 300, false)).collect();
    let mut old = commit(&mut store, &old);
    let mut largest = 0;
    for round in 0..400_u16 {
        let keys = 2000 + round * 100..2000 + round * 100 + 100;
        let puts: Vec<_> = keys.clone().map(|key| (key, 5, false)).collect();
        let mut dead = commit(&mut store, &puts);
        let deletes: Vec<_> = keys.map(|key| (key, 0, true)).collect();
        dead.extend(commit(&mut store, &deletes));
        // One of the old keys is replaced, so that its file has garbage again.
        let key = round % 1000;
        let replaced = commit(&mut store, &[(key, 300, false)]);
        let replaced = std::mem::replace(&mut old[usize::from(key)], replaced[0]);
        dead.push(replaced);
        store.mark_dead(&dead).expect("a sound disk");
        reclaim_all(&mut store, 1 << 20).expect("a sound disk");
        let sizes = store.sizes();
        assert!(sizes.total <= sizes.in_use + sizes.in_use / 2 + (16 << 10));
        largest = largest.max(sizes.total);
    }
    assert!(largest < 600_000, "{largest}");
    store.defragment();
    reclaim_all(&mut store, 1 << 20).expect("a sound disk");
    let live = store.sizes().in_use;
    assert!(store.sizes().total < live + live / 10, "{:?}", files(&dir));
    drop(store);
    let (_, visited) = open(&dir, SEGMENT_BYTES).expect("a sound disk");
    assert!(visited.len() < 1100, "{}", visited.len());
}
