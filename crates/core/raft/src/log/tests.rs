//! The log's marks under merges, snapshots, compaction and late acknowledgements.

use bytes::Bytes;
use proptest::prelude::*;
use types::SnapshotMark;

use super::*;

fn entry(index: u64, term: u64) -> Entry {
    Entry {
        term: Term(term),
        index: Index(index),
        data: Bytes::from("x"),
        ..Entry::default()
    }
}

/// A durable log with entries of these terms from index 1 on.
fn log(terms: &[u64], commit: u64) -> Log {
    let entries = terms
        .iter()
        .zip(1..)
        .map(|(term, index)| entry(index, *term))
        .collect();
    Log::new((Index(0), Term(0)), entries, Index(commit), Index(0))
}

fn terms(log: &Log) -> Vec<u64> {
    (log.first().0..=log.last().0)
        .map(|i| log.term(Index(i)).unwrap().0)
        .collect()
}

/// Two logs that differ after a merge split the cluster.
#[test]
fn merge_skips_what_is_there_and_replaces_what_differs() {
    let check = |had: &[u64], from: u64, new: &[u64], want: &[u64], stable: u64| {
        let mut log = log(had, 1);
        log.merge(
            new.iter()
                .zip(from..)
                .map(|(term, index)| entry(index, *term))
                .collect(),
        );
        assert_eq!(terms(&log), want);
        assert_eq!(log.stable(), Index(stable));
    };
    check(&[1, 1, 2], 4, &[3], &[1, 1, 2, 3], 3);
    check(&[1, 1, 2], 2, &[1, 2], &[1, 1, 2], 3);
    check(&[1, 1, 2], 2, &[1], &[1, 1, 2], 3);
    check(&[1, 1, 2], 2, &[1, 3], &[1, 1, 3], 2);
    check(&[1, 1, 2], 2, &[2, 2, 2], &[1, 2, 2, 2], 1);
}

/// A late acknowledgement of overwritten entries must not vouch for those that replaced them.
#[test]
fn an_acknowledgement_vouches_only_for_what_was_written() {
    let mut log = log(&[1], 1);
    log.merge(vec![entry(2, 1), entry(3, 1)]);
    assert_eq!(log.issue(Ticket(1)).1.len(), 2);
    log.merge(vec![entry(3, 2)]);
    assert!(log.has_unissued());
    assert_eq!(log.issue(Ticket(2)).1, [entry(3, 2)]);
    log.persisted(Ticket(1));
    assert_eq!(log.stable(), Index(2));
    log.persisted(Ticket(2));
    assert_eq!(log.stable(), Index(3));
}

/// A state machine that is given what is not durable here would run ahead of its own log.
#[test]
fn only_durable_committed_entries_are_handed_out_within_the_bound() {
    let mut log = log(&[1, 1], 1);
    log.push(EntryKind::Normal, Term(1), Bytes::from("y"));
    log.commit_to(Index(3));
    assert_eq!(log.hand_out(1 << 20).len(), 2);
    assert!(log.hand_out(1 << 20).is_empty());
    log.issue(Ticket(1));
    log.persisted(Ticket(1));
    // Two entries are being applied: a bound of their size lets nothing more out.
    assert!(log.hand_out(50).is_empty());
    log.applied_to(Index(1));
    assert_eq!(log.hand_out(50).len(), 1);
    log.applied_to(Index(3));
    assert_eq!(log.applying_bytes, 0);
}

/// The state machine must see a snapshot before what follows it.
#[test]
fn a_snapshot_replaces_the_log() {
    let mut log = log(&[1, 1, 1], 1);
    log.merge(vec![entry(4, 1)]);
    log.issue(Ticket(1));
    let mark = SnapshotMark {
        index: Index(3),
        term: Term(2),
        conf: None,
    };
    log.restore(Snapshot {
        mark,
        data: Bytes::new(),
    });
    assert!(log.is_restoring() && log.has_unissued());
    assert_eq!(log.term(Index(3)), Some(Term(2)));
    assert_eq!(log.term(Index(2)), None);
    log.merge(vec![entry(4, 2)]);
    log.persisted(Ticket(1));
    assert_eq!(log.stable(), Index(3));
    let (snapshot, entries) = log.issue(Ticket(2));
    assert!(snapshot.is_some());
    assert_eq!(entries, [entry(4, 2)]);
    log.persisted(Ticket(2));
    log.commit_to(Index(4));
    assert!(log.hand_out(1 << 20).is_empty());
    log.applied_to(Index(3));
    assert_eq!(log.hand_out(1 << 20), [entry(4, 2)]);
}

/// Entries that a follower may still need, or that are not applied, must survive.
#[test]
fn compaction_keeps_the_term_before_the_first_entry() {
    let mut log = log(&[1, 1, 2, 3], 3);
    assert_eq!(log.hand_out(1 << 20).len(), 3);
    log.applied_to(Index(3));
    log.compact(Index(9));
    assert_eq!((log.first(), log.last()), (Index(4), Index(4)));
    assert_eq!(log.term(Index(3)), Some(Term(2)));
    assert_eq!(log.term(Index(2)), None);
    log.compact(Index(1));
    assert_eq!(log.first(), Index(4));
}

/// A campaign before an applied change would count by the wrong configuration.
#[test]
fn unapplied_conf_changes_are_seen() {
    let mut log = log(&[1], 1);
    log.push(EntryKind::ConfChange, Term(1), Bytes::new());
    assert!(!log.has_unapplied_conf_change());
    log.commit_to(Index(2));
    assert!(log.has_unapplied_conf_change());
    log.issue(Ticket(1));
    log.persisted(Ticket(1));
    log.hand_out(1 << 20);
    assert!(log.has_unapplied_conf_change());
    log.applied_to(Index(2));
    assert!(!log.has_unapplied_conf_change());
}

proptest! {
    /// A wrong hint sends the leader back entry by entry, or past the agreement.
    #[test]
    fn agreement_is_the_last_entry_not_newer(
        steps in prop::collection::vec(0u64..3, 0..12), offset in 0usize..12,
        index in 0u64..14, term in 0u64..12,
    ) {
        let all: Vec<u64> = steps.iter().scan(1, |t, s| { *t += s; Some(*t) }).collect();
        let offset = offset.min(all.len());
        let term_at = |i: u64| if i == 0 { 0 } else { all[i as usize - 1] };
        let entries = (offset as u64 + 1..=all.len() as u64).map(|i| entry(i, term_at(i)));
        let offset_term = Term(term_at(offset as u64));
        let log = Log::new(
            (Index(offset as u64), offset_term), entries.collect(), Index(offset as u64),
            Index(offset as u64),
        );
        let mut want = index.min(log.last().0);
        while want >= offset as u64 && want > 0 && term_at(want) > term {
            want -= 1;
        }
        let known = want >= offset as u64;
        let want_term = if known { term_at(want) } else { 0 };
        prop_assert_eq!(
            log.agreement(Index(index.min(log.last().0)), Term(term)),
            (Index(want), Term(want_term))
        );
    }

    /// A batch over the bound is refused by real members; an empty one stalls the follower.
    #[test]
    fn slices_fill_the_bound(sizes in prop::collection::vec(0usize..60, 1..12), max in 0u64..300) {
        let mut log = log(&[], 0);
        for size in &sizes {
            log.push(EntryKind::Normal, Term(1), Bytes::from(vec![0; *size]));
        }
        let slice = log.slice(Index(1), max);
        let total: u64 = slice.iter().map(weight).sum();
        prop_assert!(slice.len() == 1 || total <= max);
        if let Some(next) = sizes.get(slice.len()) {
            prop_assert!(total + *next as u64 + ENTRY_OVERHEAD_BYTES > max);
        }
    }
}
