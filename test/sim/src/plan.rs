//! What a seed decides before anything happens: the cluster, its settings and its troubles.

use std::time::Duration;

use crate::queue::{MS, SECOND, Time};
use crate::random::Random;

/// The kinds of trouble of a run, each of which a seed may leave out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Troubles {
    /// Power losses, kills, and power losses in the middle of a disk operation.
    pub(crate) crashes: bool,
    /// Members that stand still.
    pub(crate) pauses: bool,
    /// Cut links.
    pub(crate) partitions: bool,
    /// Lost, doubled and delayed messages.
    pub(crate) loss: bool,
    /// Clocks that run wrong and jump.
    pub(crate) clocks: bool,
    /// Slow and full disks, failing syncs.
    pub(crate) disks: bool,
    /// A bit of an old part of a log that changes: its member must refuse to start.
    pub(crate) flips: bool,
    /// Members that come and go.
    pub(crate) membership: bool,
    /// Leaders that hand over.
    pub(crate) transfers: bool,
}

/// What only some seeds have, and draw apart: the others stay the runs that they were.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extras {
    /// Users, roles and rights, and clients who ask as users.
    pub(crate) auth: bool,
    /// Members of different versions, upgrades and downgrades.
    pub(crate) versions: bool,
    /// Members whose port refuses connections are known to be gone.
    pub(crate) news: bool,
}

impl Extras {
    fn of(seed: u64) -> Self {
        if !(2..5).contains(&(seed % 7)) {
            return Self::default();
        }
        let mut random = Random::new(!seed);
        let mut one = || random.percent(60);
        Self {
            auth: one(),
            versions: one(),
            news: one(),
        }
    }

    /// Whether there is any of it.
    pub(crate) fn any(self) -> bool {
        self.auth || self.versions || self.news
    }
}

/// Everything about a run that is decided at its start.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) members: usize,
    pub(crate) clients: usize,
    pub(crate) watchers: usize,
    pub(crate) keys: u64,
    /// How long there are troubles.
    pub(crate) troubled_for: Time,
    /// The mean pause between two troubles.
    pub(crate) trouble_every: Time,
    /// The mean pause between two requests of a client.
    pub(crate) think: Time,
    /// How long a client waits for an answer.
    pub(crate) patience: Time,
    pub(crate) troubles: Troubles,
    pub(crate) extras: Extras,
    pub(crate) tick: Time,
    pub(crate) election_ticks: u32,
    pub(crate) pre_vote: bool,
    pub(crate) max_message_bytes: u64,
    pub(crate) max_inflight: usize,
    pub(crate) mark_every: u64,
    pub(crate) catch_up: u64,
    pub(crate) lag_bytes: u64,
    pub(crate) keep_segments: usize,
    pub(crate) wal: wal::Options,
    pub(crate) prepares: bool,
    pub(crate) store: store::Options,
    pub(crate) cache_bytes: usize,
    pub(crate) commit_every: Time,
    pub(crate) commit_ops: usize,
    /// The longest that a thread takes to notice what waits for it.
    pub(crate) thread_delay: Time,
    pub(crate) sync_time: (Time, Time),
    pub(crate) link_delay: (Time, Time),
    pub(crate) watch: watch::Limits,
    pub(crate) leases: lease::Options,
    pub(crate) ttl_seconds: (i64, i64),
}

impl Plan {
    /// The plan of a seed.
    pub(crate) fn new(seed: u64, random: &mut Random) -> Self {
        let members = *random.pick(&[1, 3, 3, 3, 3, 3, 5, 5, 5, 7]);
        let tick = 20 * MS;
        let checkpoint = random.percent(50);
        Self {
            members,
            clients: random.index(4) + 2,
            watchers: random.index(4),
            keys: random.between(1, 12),
            troubled_for: random.between(3, 10) * SECOND,
            trouble_every: random.between(50, 700) * MS,
            think: random.between(3, 60) * MS,
            patience: random.between(500, 2000) * MS,
            troubles: troubles(random),
            extras: Extras::of(seed),
            tick,
            election_ticks: 10,
            pre_vote: random.percent(85),
            max_message_bytes: *random.pick(&[1, 200, 4096, 1 << 20]),
            max_inflight: *random.pick(&[1, 4, 64, 512]),
            mark_every: *random.pick(&[5, 20, 100, 1000]),
            catch_up: *random.pick(&[0, 5, 50, 500]),
            lag_bytes: *random.pick(&[0, 1000, 1 << 20]),
            keep_segments: *random.pick(&[0, 1, 2, 5]),
            wal: wal::Options {
                segment_bytes: *random.pick(&[2048, 8192, 65536]),
                preallocate: random.percent(50),
                sync: true,
            },
            prepares: random.percent(50),
            store: store::Options {
                segment_bytes: *random.pick(&[1024, 8192, 65536]),
                sync: true,
                salt: random.next(),
            },
            cache_bytes: *random.pick(&[0, 512, 1 << 20]),
            commit_every: random.between(5, 300) * MS,
            commit_ops: *random.pick(&[1, 10, 1000]),
            thread_delay: *random.pick(&[20, 200, 2 * MS]),
            sync_time: *random.pick(&[(50, 200), (200, 3 * MS), (MS, 15 * MS)]),
            link_delay: *random.pick(&[(50, 300), (200, 4 * MS), (MS, 30 * MS)]),
            watch: watch_limits(random),
            leases: lease::Options {
                ttl_seconds_min: 1,
                checkpoint_every: checkpoint.then(|| Duration::from_millis(700)),
            },
            ttl_seconds: (1, 4),
        }
    }

    /// How long a member waits for a leader at least.
    pub(crate) fn election_timeout(&self) -> Time {
        self.tick * Time::from(self.election_ticks)
    }
}

/// Some seeds have every trouble, some none, most a selection.
fn troubles(random: &mut Random) -> Troubles {
    let share = *random.pick(&[0, 35, 60, 60, 100]);
    let mut one = || random.percent(share);
    Troubles {
        crashes: one(),
        pauses: one(),
        partitions: one(),
        loss: one(),
        clocks: one(),
        disks: one(),
        flips: one(),
        membership: one(),
        transfers: one(),
    }
}

fn watch_limits(random: &mut Random) -> watch::Limits {
    watch::Limits {
        mailbox_items: *random.pick(&[1, 3, 1024]),
        mailbox_bytes: *random.pick(&[100, 1 << 20]),
        chunk_revisions: *random.pick(&[1, 3, 256]),
        chunk_bytes: *random.pick(&[50, 256 << 10]),
        fragment_bytes: 1 << 20,
    }
}
