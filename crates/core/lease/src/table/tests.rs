//! The table against single cases and against a naive list.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use types::LeaseId;

use super::*;

fn at(millis: u64) -> Instant {
    Instant(Duration::from_millis(millis))
}

fn table() -> LeaseTable {
    LeaseTable::new(Options::for_election_timeout(Duration::from_secs(1)))
}

fn primary() -> LeaseTable {
    let mut table = table();
    table.promote(at(0), Duration::ZERO);
    table
}

fn key(name: &str) -> Bytes {
    Bytes::copy_from_slice(name.as_bytes())
}

/// Members that disagree here would store different TTLs.
#[test]
fn grants_as_etcd() {
    let mut table = table();
    assert_eq!(
        table.grant(LeaseId(0), 10, at(0)),
        Err(GrantError::NotFound)
    );
    let ttl = 9_000_000_001;
    assert_eq!(
        table.grant(LeaseId(1), ttl, at(0)),
        Err(GrantError::TtlTooLarge { ttl })
    );
    assert_eq!(table.grant(LeaseId(1), ttl - 1, at(0)), Ok(ttl - 1));
    assert_eq!(table.grant(LeaseId(-5), -7, at(0)), Ok(2));
    let id = LeaseId(-5);
    assert_eq!(table.grant(id, 10, at(0)), Err(GrantError::Exists { id }));
    assert_eq!(table.record(id).map(|record| record.ttl), Some(2));
    for (millis, min) in [(1000, 2), (1001, 2), (1334, 3), (5000, 8), (100, 1)] {
        let options = Options::for_election_timeout(Duration::from_millis(millis));
        assert_eq!(options.ttl_seconds_min, min, "{millis}");
    }
}

/// The order of the deletes is part of the replicated revision.
#[test]
fn revoke_gives_keys_in_order() {
    let mut table = table();
    table.grant(LeaseId(1), 10, at(0)).unwrap();
    table.grant(LeaseId(2), 10, at(0)).unwrap();
    for name in ["b", "a\0", "a", "c"] {
        table.attach(key(name), LeaseId(1)).unwrap();
    }
    table.attach(key("c"), LeaseId(2)).unwrap();
    assert_eq!(
        table.attach(key("a"), LeaseId(3)),
        Err(LeaseNotFound(LeaseId(3)))
    );
    assert_eq!(table.key_lease(b"a"), LeaseId(1));
    assert_eq!(
        table.revoke(LeaseId(1)),
        Ok(vec![key("a"), key("a\0"), key("b")])
    );
    assert_eq!(table.key_lease(b"a"), LeaseId::NONE);
    assert_eq!(table.detach(b"c"), LeaseId(2));
    assert_eq!(table.detach(b"c"), LeaseId::NONE);
    assert_eq!(table.revoke(LeaseId(2)), Ok(vec![]));
    assert_eq!(table.revoke(LeaseId(2)), Err(LeaseNotFound(LeaseId(2))));
}

/// A lost revoke would otherwise leave a dead lease and its keys for ever.
#[test]
fn expired_leases_are_offered_until_revoked() {
    let mut table = primary();
    table.grant(LeaseId(1), 10, at(0)).unwrap();
    table.grant(LeaseId(2), 10, at(1)).unwrap();
    assert_eq!(table.expired(at(9_999), 10), []);
    assert_eq!(table.expired(at(10_001), 1), [LeaseId(1)]);
    assert_eq!(table.expired(at(10_001), 10), [LeaseId(2)]);
    assert_eq!(
        table.renew(LeaseId(1), at(10_500)),
        Err(RenewError::Expired)
    );
    assert_eq!(table.expired(at(13_000), 10), []);
    table.revoke(LeaseId(2)).unwrap();
    assert_eq!(table.expired(at(13_001), 10), [LeaseId(1)]);
}

/// A keep-alive that does not move the deadline loses the client's keys.
#[test]
fn renewal_moves_the_deadline() {
    let mut table = primary();
    table.grant(LeaseId(1), 10, at(0)).unwrap();
    let renewed = table.renew(LeaseId(1), at(9_999)).unwrap();
    assert_eq!(renewed.ttl, 10);
    assert!(!renewed.clears_checkpoint);
    assert_eq!(table.expired(at(19_998), 10), []);
    let live = table.time_to_live(LeaseId(1), at(19_000)).unwrap();
    assert_eq!((live.granted, live.remaining), (10, Some(0)));
    assert_eq!(table.expired(at(19_999), 10), [LeaseId(1)]);
    assert_eq!(table.renew(LeaseId(9), at(0)), Err(RenewError::NotFound));
    table.demote();
    assert_eq!(table.renew(LeaseId(1), at(0)), Err(RenewError::NotPrimary));
    assert_eq!(table.expired(at(u64::MAX - 1), 10), []);
    let live = table.time_to_live(LeaseId(1), at(0)).unwrap();
    assert_eq!(live.remaining, None);
}

/// A new leader that expired all leases at once would stall the cluster with revokes.
#[test]
fn promotion_spreads_a_burst() {
    let mut table = table();
    for id in 1..=3000 {
        table.grant(LeaseId(id), 10, at(0)).unwrap();
    }
    table.promote(at(1_000), Duration::from_secs(1));
    assert_eq!(table.expired(at(11_999), 4000).len(), 0);
    for second in 0..4 {
        let now = at(12_000 + second * 1000);
        let expired = table.expired(now, 4000);
        assert_eq!(expired.len(), SPREAD_LEASES_PER_SECOND);
        for id in expired {
            table.revoke(id).unwrap();
        }
    }
    assert!(table.is_empty());
}

/// Without checkpoints a change of leader would give a long lease its whole life again.
#[test]
fn checkpoints_shorten_a_promotion() {
    let mut table = LeaseTable::new(Options {
        ttl_seconds_min: 2,
        checkpoint_every: Some(Duration::from_secs(300)),
    });
    table.promote(at(0), Duration::ZERO);
    table.grant(LeaseId(1), 1000, at(0)).unwrap();
    table.grant(LeaseId(2), 300, at(0)).unwrap();
    assert_eq!(table.checkpoints_due(at(299_999), 10), []);
    assert_eq!(table.checkpoints_due(at(300_000), 10), [(LeaseId(1), 700)]);
    let record = table.checkpoint(LeaseId(1), 700, at(300_000)).unwrap();
    assert_eq!((record.ttl, record.remaining), (1000, 700));
    assert_eq!(table.checkpoint(LeaseId(9), 1, at(300_000)), None);
    assert_eq!(table.checkpoints_due(at(600_000), 10), [(LeaseId(1), 400)]);
    assert_eq!(table.checkpoints_due(at(900_000), 10), [(LeaseId(1), 100)]);
    assert_eq!(table.checkpoints_due(at(990_000), 10), []);
    assert!(
        table
            .renew(LeaseId(1), at(990_000))
            .unwrap()
            .clears_checkpoint
    );
    table.demote();
    table.promote(at(0), Duration::from_secs(1));
    let live = table.time_to_live(LeaseId(1), at(0)).unwrap();
    assert_eq!(live.remaining, Some(701));
}

/// A rest that was rounded down would have a new leader end the lease before its time.
#[test]
fn checkpoints_are_rounded_up() {
    let mut table = LeaseTable::new(Options {
        ttl_seconds_min: 2,
        checkpoint_every: Some(Duration::from_millis(700)),
    });
    table.promote(at(0), Duration::ZERO);
    table.grant(LeaseId(1), 3, at(0)).unwrap();
    // A started second is a whole one, and nothing is gained by storing the whole life.
    assert_eq!(table.checkpoints_due(at(700), 10), []);
    assert_eq!(table.checkpoints_due(at(1400), 10), [(LeaseId(1), 2)]);
    assert_eq!(table.checkpoints_due(at(2100), 10), [(LeaseId(1), 1)]);
}

/// A leader may begin before it has applied that a lease was renewed, or a renewal may come while a
/// checkpoint is on its way: neither may end the lease early.
#[test]
fn renewals_outlive_checkpoints() {
    let options = Options {
        ttl_seconds_min: 2,
        checkpoint_every: Some(Duration::from_secs(4)),
    };
    let mut next = LeaseTable::new(options);
    next.restore(LeaseId(1), 10, 3);
    next.promote(at(0), Duration::ZERO);
    next.checkpoint(LeaseId(1), 0, at(1000)).unwrap();
    let live = next.time_to_live(LeaseId(1), at(1000)).unwrap();
    assert_eq!(live.remaining, Some(10));

    let mut table = LeaseTable::new(options);
    table.promote(at(0), Duration::ZERO);
    table.grant(LeaseId(1), 10, at(0)).unwrap();
    assert!(!table.renew(LeaseId(1), at(0)).unwrap().clears_checkpoint);
    assert_eq!(table.checkpoints_due(at(4000), 10), [(LeaseId(1), 6)]);
    assert!(table.renew(LeaseId(1), at(4001)).unwrap().clears_checkpoint);
    table.checkpoint(LeaseId(1), 6, at(4002)).unwrap();
    table.checkpoint(LeaseId(1), 0, at(4003)).unwrap();
    assert!(!table.renew(LeaseId(1), at(4004)).unwrap().clears_checkpoint);
}

/// Renewals must not pile up queue entries: a busy client would eat the memory.
#[test]
fn queues_stay_as_small_as_the_table() {
    let mut table = primary();
    for id in 1..=10 {
        table.grant(LeaseId(id), 10, at(0)).unwrap();
    }
    for millis in 0..10_000 {
        let id = LeaseId(i64::try_from(millis % 10).unwrap() + 1);
        table.renew(id, at(millis)).unwrap();
        table.expired(at(millis), 10);
    }
    assert_eq!(table.deadlines.len(), 10);
    for id in 1..=10 {
        table.revoke(LeaseId(id)).unwrap();
    }
    assert_eq!(table.deadlines.len(), 0);
}

#[derive(Clone, Debug)]
enum Step {
    Grant(i64, i64),
    Revoke(i64),
    Renew(i64),
    Attach(u8, i64),
    Detach(u8),
    Promote(u64),
    Demote,
    Wait(u64),
    Expired(usize),
    List,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let id = 0..6_i64;
    let step = prop_oneof![
        4 => (id.clone(), -1..8_i64).prop_map(|(id, ttl)| Step::Grant(id, ttl)),
        1 => id.clone().prop_map(Step::Revoke),
        3 => id.clone().prop_map(Step::Renew),
        4 => (0..8_u8, id).prop_map(|(key, id)| Step::Attach(key, id)),
        2 => (0..8_u8).prop_map(Step::Detach),
        1 => (0..3000_u64).prop_map(Step::Promote),
        1 => Just(Step::Demote),
        5 => (0..4000_u64).prop_map(Step::Wait),
        4 => (0..4_usize).prop_map(Step::Expired),
        1 => Just(Step::List),
    ];
    prop::collection::vec(step, 1..80)
}

/// The same rules over a plain list that is scanned.
#[derive(Default)]
struct Naive {
    primary: bool,
    /// Id, TTL, deadline, when to offer.
    leases: Vec<(i64, i64, Option<u64>, u64)>,
    keys: Vec<(Vec<u8>, i64)>,
}

impl Naive {
    fn find(&mut self, id: i64) -> Option<&mut (i64, i64, Option<u64>, u64)> {
        self.leases.iter_mut().find(|lease| lease.0 == id)
    }

    fn grant(&mut self, id: i64, ttl: i64, now: u64) -> bool {
        if id == 0 || self.find(id).is_some() {
            return false;
        }
        let ttl = ttl.max(2);
        let deadline = now + ttl.unsigned_abs() * 1000;
        let armed = self.primary.then_some(deadline);
        self.leases.push((id, ttl, armed, deadline));
        true
    }

    fn revoke(&mut self, id: i64) -> Option<Vec<Vec<u8>>> {
        self.find(id)?;
        self.leases.retain(|lease| lease.0 != id);
        let mut keys: Vec<_> = self.keys.iter().filter(|key| key.1 == id).collect();
        keys.sort();
        let keys = keys.into_iter().map(|key| key.0.clone()).collect();
        self.keys.retain(|key| key.1 != id);
        Some(keys)
    }

    fn renew(&mut self, id: i64, now: u64) -> bool {
        let Some(lease) = self.find(id) else {
            return false;
        };
        let Some(deadline) = lease.2.filter(|deadline| *deadline > now) else {
            return false;
        };
        let renewed = (now + lease.1.unsigned_abs() * 1000).max(deadline);
        (lease.2, lease.3) = (Some(renewed), renewed);
        true
    }

    /// All that may be offered, as a set, whatever the limit.
    fn due(&self, now: u64) -> Vec<i64> {
        self.leases
            .iter()
            .filter(|lease| lease.2.is_some_and(|at| at <= now) && lease.3 <= now)
            .map(|lease| lease.0)
            .collect()
    }
}

fn check_step(table: &mut LeaseTable, naive: &mut Naive, now: &mut u64, step: &Step) {
    match *step {
        Step::Grant(id, ttl) => {
            let granted = table.grant(LeaseId(id), ttl, at(*now));
            assert_eq!(granted.is_ok(), naive.grant(id, ttl, *now));
        }
        Step::Revoke(id) => {
            let keys = table.revoke(LeaseId(id)).ok();
            let keys = keys.map(|keys| keys.iter().map(|key| key.to_vec()).collect());
            assert_eq!(keys, naive.revoke(id));
        }
        Step::Renew(id) => {
            let renewed = table.renew(LeaseId(id), at(*now));
            assert_eq!(renewed.is_ok(), naive.renew(id, *now));
        }
        Step::Attach(key, id) => {
            let attached = table.attach(Bytes::copy_from_slice(&[key]), LeaseId(id));
            assert_eq!(attached.is_ok(), naive.find(id).is_some());
            if attached.is_ok() {
                naive.keys.retain(|pair| pair.0 != [key]);
                naive.keys.push((vec![key], id));
            }
        }
        Step::Detach(key) => {
            let before = naive.keys.iter().find(|pair| pair.0 == [key]);
            assert_eq!(table.key_lease(&[key]).0, before.map_or(0, |pair| pair.1));
            assert_eq!(table.detach(&[key]).0, before.map_or(0, |pair| pair.1));
            naive.keys.retain(|pair| pair.0 != [key]);
        }
        Step::Promote(extend) => {
            table.promote(at(*now), Duration::from_millis(extend));
            naive.primary = true;
            for lease in &mut naive.leases {
                let deadline = *now + lease.1.unsigned_abs() * 1000 + extend;
                (lease.2, lease.3) = (Some(deadline), deadline);
            }
        }
        Step::Demote => {
            table.demote();
            naive.primary = false;
            naive.leases.iter_mut().for_each(|lease| lease.2 = None);
        }
        Step::Wait(millis) => *now += millis,
        Step::Expired(limit) => {
            let due = naive.due(*now);
            let offered = table.expired(at(*now), limit);
            assert_eq!(offered.len(), due.len().min(limit));
            for id in offered {
                assert!(due.contains(&id.0));
                let lease = naive.find(id.0).unwrap();
                lease.3 = *now + 3000;
            }
        }
        Step::List => {
            naive.leases.sort_by_key(|lease| (lease.2, lease.0));
            let ids: Vec<i64> = table.list().iter().map(|id| id.0).collect();
            let expect: Vec<i64> = naive.leases.iter().map(|lease| lease.0).collect();
            assert_eq!(ids, expect);
        }
    }
    assert_eq!(table.len(), naive.leases.len());
    assert_eq!(table.attached_keys(), naive.keys.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// The queues and trees must never change what a plain list would say.
    #[test]
    fn agrees_with_a_naive_list(steps in steps()) {
        let mut table = table();
        let mut naive = Naive::default();
        let mut now = 0;
        for step in &steps {
            check_step(&mut table, &mut naive, &mut now, step);
        }
    }
}
