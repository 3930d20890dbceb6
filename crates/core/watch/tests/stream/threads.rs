//! Publishing and reading at the same time: the passage from history to live under real races.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use types::Record;
use watch::{Body, Create, Limits, Request, Step, Stream};

use crate::world::{World, everything};

const REVISIONS: i64 = 20_000;

/// Reads one watcher of everything to the last revision, starting over in the past now and then;
/// returns how often it did.
fn read_all(world: &World, done: &AtomicBool, start_revision: i64, limits: Limits) -> i64 {
    let reader = thread::current();
    let wake = Box::new(move || reader.unpark());
    let mut stream = Stream::new(world.hub.clone(), wake, limits);
    let create = |start_revision, watch_id| {
        Request::Create(Create {
            start_revision,
            watch_id,
            ..everything()
        })
    };
    stream.handle(create(start_revision, 1), &world.store);
    let (mut next, mut id, mut restarts) = (start_revision, 1, 0);
    while next <= REVISIONS + 1 {
        match stream.poll(&world.store).unwrap() {
            Step::Idle if done.load(Ordering::Acquire) && world.hub.stats().pending == 0 => {
                // What was published last may have come between the two looks.
                assert!(next > REVISIONS || stream.poll(&world.store).unwrap() != Step::Idle);
            }
            Step::Idle => thread::park(),
            Step::Again => thread::yield_now(),
            Step::Send(response) => {
                if let Body::Events { events, .. } = response.body {
                    assert_eq!(response.watch_id, id);
                    for event in events {
                        assert_eq!(mod_revision(&event.encoded), next, "no gap, no duplicate");
                        next += 1;
                    }
                    if next % 1000 == 0 {
                        stream.handle(Request::Cancel(id), &world.store);
                        (id, restarts) = (id + 1, restarts + 1);
                        next -= 500;
                        stream.handle(create(next, id), &world.store);
                    }
                }
            }
        }
    }
    restarts
}

fn mod_revision(event: &bytes::Bytes) -> i64 {
    Record::decode(&event.slice(2..)).unwrap().mod_revision
}

/// A registration that misses what is published at the same moment would lose an event, rarely and
/// only under load.
#[test]
fn no_gap_between_history_and_live() {
    let world = World::new();
    let done = AtomicBool::new(false);
    let small = Limits {
        mailbox_items: 4,
        chunk_revisions: 16,
        ..Limits::default()
    };
    thread::scope(|scope| {
        let (world, done) = (&world, &done);
        for (start, limits) in [(2, small), (2, Limits::default()), (1000, small)] {
            scope.spawn(move || read_all(world, done, start, limits));
        }
        scope.spawn(move || {
            for i in 0..REVISIONS {
                let events = world.store.commit(&[(b"a", Some(b"1"))]).unwrap();
                if i % 100 == 99 && world.hub.is_idle() {
                    world.hub.pass(events.revision);
                } else {
                    world.hub.publish(&[events]);
                }
            }
            done.store(true, Ordering::Release);
        });
    });
    assert_eq!(world.hub.stats().streams, 0);
}
