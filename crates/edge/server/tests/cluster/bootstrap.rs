//! A member that loses power while it founds its cluster founds it at the next start.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use disk::{Crash, Dir as _, Faults, MemDir};
use prometheus::Registry;
use server::engine::{self, Config, Meters, StartError};
use types::EntryKind;
use wal::Wal;

use crate::node::{config, url};

/// More than a start takes; a run in which nothing is cut ends the test.
const OPERATIONS_MAX: u64 = 1000;

fn on(disk: &MemDir) -> Config {
    let members = BTreeMap::from([("m0".to_owned(), vec![url("m0")])]);
    let dir = disk.sub("member");
    Config {
        member_dir: Arc::clone(&dir),
        wal_parent: dir,
        ..config("m0", members, None)
    }
}

fn start(disk: &MemDir) -> Result<(), StartError> {
    let meters = Arc::new(Meters::new(&Registry::new(), Duration::from_secs(1)).unwrap());
    engine::open(&on(disk), meters).map(drop)
}

/// A log without the entries that name its members has nobody who could ever lead: a member that
/// was killed between the two waited for a leader for ever.
#[test]
fn power_is_lost_at_every_operation_of_a_first_start() {
    for cut_at in 1..OPERATIONS_MAX {
        for crash in [Crash::LoseAll, Crash::KeepAll, Crash::Seeded(cut_at)] {
            let disk = MemDir::new();
            disk.create_dir_all("member").unwrap();
            disk.sync_dir("").unwrap();
            let before = disk.counts().operations;
            disk.set_faults(Faults {
                cut_at: Some(before + cut_at),
                ..Faults::default()
            });
            let is_over = start(&disk).is_ok();
            let survivor = disk.crash(crash);
            start(&survivor).unwrap();
            let dir = survivor.sub("member/wal");
            let (_, recovered) = Wal::open(dir, on(&survivor).wal).unwrap();
            let kinds: Vec<_> = recovered.entries.iter().map(|entry| entry.kind).collect();
            assert_eq!(kinds, [EntryKind::ConfChange], "cut at {cut_at}, {crash:?}");
            assert_eq!(recovered.state.commit, recovered.entries[0].index);
            if is_over {
                return;
            }
        }
    }
    panic!("a start takes more than {OPERATIONS_MAX} operations");
}
