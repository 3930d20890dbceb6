//! The bounds of the queue.

use bytes::Bytes;
use types::{Event, EventKind};

use super::*;

fn mailbox(mailbox_items: usize, mailbox_bytes: usize) -> Mailbox {
    let limits = Limits {
        mailbox_items,
        mailbox_bytes,
        ..Limits::default()
    };
    Mailbox::new(Box::new(|| {}), &limits, Arc::default())
}

fn to(watch_id: i64) -> Address {
    Address {
        watch_id,
        ticket: Ticket(watch_id.unsigned_abs()),
    }
}

fn revision(revision: i64) -> Arc<RevisionEvents> {
    let event = Event {
        kind: EventKind::Put,
        key: Bytes::from_static(b"key"),
        created: false,
        encoded: Bytes::from_static(b"event"),
    };
    Arc::new(RevisionEvents {
        revision,
        events: vec![event],
    })
}

/// Many watchers of one stream share a revision's bytes; counting them each would throw them all
/// back to the history at once.
#[test]
fn shared_bytes_count_once() {
    let mailbox = mailbox(100, 250);
    for id in 0..10 {
        assert_ne!(mailbox.offer(to(id), &revision(2), 100), Offer::Full);
    }
    assert_eq!(mailbox.load(), (10, 100));
    assert_eq!(mailbox.offer(to(0), &revision(3), 100), Offer::Queued);
    assert_eq!(mailbox.offer(to(0), &revision(4), 100), Offer::Full);
    assert_eq!(mailbox.offer(to(1), &revision(3), 100), Offer::Queued);
    mailbox.lapse(to(0), 4);
    // Separated from the same revision by the marker, it counts again.
    assert_eq!(mailbox.offer(to(2), &revision(3), 50), Offer::Queued);
    assert_eq!(mailbox.load(), (14, 250));
    let mut loads = Vec::new();
    while mailbox.pop().is_some() {
        loads.push(mailbox.load());
    }
    assert_eq!(
        loads[8..],
        [(5, 250), (4, 150), (3, 150), (2, 50), (1, 50), (0, 0)]
    );
    assert_eq!(mailbox.counters.pending.get(), 0);
}

/// An event larger than the bound would otherwise never be sent live.
#[test]
fn an_empty_queue_takes_anything() {
    let mailbox = mailbox(2, 10);
    assert_eq!(mailbox.offer(to(1), &revision(2), 1000), Offer::First);
    assert_eq!(mailbox.offer(to(1), &revision(3), 1), Offer::Full);
    assert!(mailbox.pop().is_some());
    assert_eq!(mailbox.offer(to(1), &revision(3), 1), Offer::First);
    assert_eq!(mailbox.offer(to(1), &revision(4), 1), Offer::Queued);
    assert_eq!(mailbox.offer(to(1), &revision(5), 1), Offer::Full);
    drop(mailbox);
}

/// Requests for progress from a client that does not read must not fill the memory.
#[test]
fn a_full_queue_takes_no_marks() {
    let mailbox = mailbox(2, 1000);
    let mark = [Item::Progress { revision: 2 }];
    assert!(mailbox.mark(&mark));
    assert!(mailbox.mark(&mark));
    assert!(!mailbox.mark(&mark));
    assert_eq!(mailbox.pop(), Some(mark[0].clone()));
    assert!(mailbox.mark(&mark));
}
