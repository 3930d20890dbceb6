//! Progress, slow clients, those that are behind, and what they may cost the others.

use watch::{Body, Create, Limits, Request, Response, Step};

use crate::world::{Change, World, events, everything, key};

fn progress(watch_id: i64, revision: i64) -> Response {
    Response {
        watch_id,
        revision,
        body: Body::Progress,
    }
}

fn from(start_revision: i64, create: Create) -> Create {
    Create {
        start_revision,
        ..create
    }
}

/// The answer promises that everything up to its revision was sent; so it comes last, once, and
/// only if that is true for every watcher.
#[test]
fn manual_progress() {
    let world = World::new();
    world.put("a", "1");
    let mut client = world.client(Limits::default());
    client.ask(Request::Progress);
    assert_eq!(client.drain(), [], "no watcher, no answer");
    client.create(key("a"));
    client.create(key("b"));
    world.put("a", "2");
    client.ask(Request::Progress);
    world.put("a", "3");
    let responses = client.drain();
    assert_eq!(events(&responses[0]), ["pa=2@3"]);
    assert_eq!(responses[1], progress(-1, 3));
    assert_eq!(events(&responses[2]), ["pa=3@4"]);
    assert_eq!(responses.len(), 3);
}

/// One watcher in the future, behind, or ended by compaction keeps the whole stream silent.
#[test]
fn manual_progress_is_withheld() {
    let world = World::new();
    for _ in 0..4 {
        world.put("a", "1");
    }
    let mut client = world.client(Limits::default());
    client.create(from(7, key("a")));
    client.ask(Request::Progress);
    assert_eq!(client.drain(), [], "one is in the future");
    world.put("b", "");
    client.ask(Request::Progress);
    assert_eq!(client.drain(), []);
    world.put("b", "");
    client.ask(Request::Progress);
    assert_eq!(client.drain(), [progress(-1, 7)]);

    client.create(from(2, key("a")));
    client.ask(Request::Progress);
    let responses = client.drain();
    assert_eq!(
        responses.len(),
        1,
        "one is behind: no answer, also not later"
    );
    client.ask(Request::Progress);
    assert_eq!(client.drain(), [progress(-1, 7)]);

    world.store.compact(4);
    client.create(from(2, key("a")));
    assert_eq!(client.drain()[0].body, Body::Canceled { compacted: 4 });
    client.ask(Request::Progress);
    assert_eq!(client.drain(), [], "one was ended by compaction");
    client.ask(Request::Cancel(2));
    client.drain();
    client.ask(Request::Progress);
    assert_eq!(client.drain(), [progress(-1, 7)]);
}

/// Progress between two parts of a revision would vouch for the second.
#[test]
fn progress_waits_for_the_last_part() {
    let world = World::new();
    let mut client = world.client(Limits {
        fragment_bytes: 10,
        ..Limits::default()
    });
    client.create(Create {
        fragment: true,
        ..everything()
    });
    world.txn(&[(b"a", Some(b"1")), (b"b", Some(b"2"))]);
    assert_eq!(events(&client.next().unwrap()), ["pa=1@2"]);
    client.ask(Request::Progress);
    assert_eq!(events(&client.next().unwrap()), ["pb=2@2"]);
    assert_eq!(client.drain(), [progress(-1, 2)]);
}

/// A mark for a watcher that has fallen behind is dropped, and the next tick is answered again.
#[test]
fn lapse_before_a_mark() {
    let world = World::new();
    let mut client = world.client(Limits {
        mailbox_items: 3,
        ..Limits::default()
    });
    for name in ["a", "b"] {
        client.create(Create {
            progress_notify: true,
            ..key(name)
        });
    }
    // The first fills the mailbox, and lapses; its events are taken, so that marks fit in.
    for _ in 0..4 {
        world.put("a", "");
    }
    for revision in 2..5 {
        assert_eq!(events(&client.next().unwrap()), [format!("pa=@{revision}")]);
    }
    client.stream.tick();
    client.stream.tick();
    assert_eq!(
        world.hub.stats().pending,
        3,
        "the lapse, and a mark for each"
    );
    let responses = client.drain();
    assert_eq!(responses[0], progress(1, 5));
    assert_eq!(events(&responses[1]), ["pa=@5"]);
    assert_eq!(responses.len(), 2, "{responses:?}");
    client.stream.tick();
    client.drain();
    client.stream.tick();
    assert_eq!(client.drain(), [progress(0, 5), progress(1, 5)]);
}

/// The store may be seen ahead of what is published; progress must not vouch for what has not
/// reached the mailbox.
#[test]
fn progress_does_not_run_ahead() {
    let world = World::new();
    let mut client = world.client(Limits::default());
    client.create(key("a"));
    let unpublished = world.store.commit(&[(b"a", Some(b"1"))]).unwrap();
    client.ask(Request::Progress);
    assert_eq!(client.drain(), [progress(-1, 1)]);
    // A watcher created in between starts after what its answer says.
    assert_eq!(client.create(key("a")).revision, 2);
    client.ask(Request::Progress);
    assert_eq!(client.drain(), [progress(-1, 1)]);
    client.ask(Request::Cancel(0));
    client.drain();
    client.ask(Request::Progress);
    assert_eq!(
        client.drain(),
        [progress(-1, 2)],
        "the rest of the stream needs nothing below 3"
    );
    world.hub.publish(&[unpublished]);
    assert_eq!(client.drain(), []);
}

/// Only quiet watchers that asked for it are told at a tick, each under its own id.
#[test]
fn progress_notify() {
    let world = World::new();
    let mut client = world.client(Limits::default());
    let notified = |create| Create {
        progress_notify: true,
        ..create
    };
    client.create(notified(key("a")));
    client.create(notified(key("b")));
    client.create(key("c"));
    client.create(notified(from(9, key("d"))));
    client.stream.tick();
    assert_eq!(client.drain(), [progress(0, 1), progress(1, 1)]);
    world.put("b", "");
    client.drain();
    client.stream.tick();
    assert_eq!(client.drain(), [progress(0, 2)], "b had an event");
    client.stream.tick();
    assert_eq!(client.drain(), [progress(0, 2), progress(1, 2)]);
    // Ticks of a client that does not read do not pile up.
    for _ in 0..100 {
        client.stream.tick();
    }
    assert_eq!(world.hub.stats().pending, 2);
    assert_eq!(client.drain().len(), 2);
    client.ask(Request::Cancel(0));
    client.drain();
    client.stream.tick();
    client.ask(Request::Cancel(1));
    let last = client.drain();
    assert_eq!(last.len(), 1, "no progress after the end: {last:?}");
}

/// A client that does not read costs a bounded mailbox, and gets everything when it reads again.
#[test]
fn slow_client() {
    let world = World::new();
    let limits = Limits {
        mailbox_items: 8,
        chunk_revisions: 5,
        ..Limits::default()
    };
    let mut client = world.client(limits);
    client.create(everything());
    client.create(key("b"));
    let expected: Vec<String> = (0..100)
        .map(|i| format!("pa={i}@{}", world.put("a", &i.to_string())))
        .collect();
    let stats = world.hub.stats();
    assert_eq!(
        (stats.slow_watchers, stats.pending),
        (1, 9),
        "eight entries and one marker"
    );
    assert!(!world.hub.is_idle(), "the watcher of b is not concerned");
    let responses = client.drain();
    let received: Vec<String> = responses.iter().flat_map(events).collect();
    assert_eq!(received, expected);
    assert!(
        responses[8..]
            .iter()
            .all(|response| response.revision == 101)
    );
    assert_eq!(world.hub.stats().slow_watchers, 0);
    world.put("a", "again");
    assert_eq!(events(&client.next().unwrap()), ["pa=again@102"]);
}

/// What a slow client still needed may be compacted meanwhile: it is told so instead of getting a
/// history with a hole.
#[test]
fn compaction_overtakes() {
    let world = World::new();
    let limits = Limits {
        mailbox_items: 2,
        ..Limits::default()
    };
    let mut client = world.client(limits);
    client.create(key("a"));
    for _ in 0..10 {
        world.put("a", "");
    }
    world.store.compact(4);
    let mut resumable = world.client(limits);
    resumable.create(from(4, key("a")));
    assert_eq!(events(&resumable.next().unwrap()).len(), 8);
    world.store.compact(5);
    let responses = client.drain();
    assert_eq!(events(&responses[0]), ["pa=@2"]);
    assert_eq!(events(&responses[1]), ["pa=@3"]);
    assert_eq!(
        responses[2..],
        [Response {
            watch_id: 0,
            revision: 0,
            body: Body::Canceled { compacted: 5 }
        }]
    );
}

/// Revisions whose events nobody was there to take, or that came with a snapshot, are read from
/// the history.
#[test]
fn passed_revisions() {
    let world = World::new();
    assert!(world.hub.is_idle());
    world.store.commit(&[(b"a", Some(b"1"))]).unwrap();
    world.hub.pass(2);
    let mut client = world.client(Limits::default());
    client.create(key("a"));
    client.create(from(5, key("a")));
    world.put("a", "2");
    // A watcher registers between the look at `is_idle` and the report.
    world.store.commit(&[(b"a", Some(b"3"))]).unwrap();
    world.hub.pass(4);
    assert!(world.hub.is_idle());
    assert_eq!(world.hub.stats().slow_watchers, 2);
    let received: Vec<String> = client.drain().iter().flat_map(events).collect();
    assert_eq!(received, ["pa=2@3", "pa=3@4"]);
    assert_eq!(world.hub.stats().slow_watchers, 0);
    world.put("a", "4");
    let received: Vec<String> = client.drain().iter().flat_map(events).collect();
    assert_eq!(received, ["pa=4@5", "pa=4@5"]);
}

/// A watcher that was quiet for long has seen what was compacted: it must not be ended only
/// because it goes through the history.
#[test]
fn quiet_watchers_survive_compaction() {
    let world = World::new();
    let mut client = world.client(Limits::default());
    client.create(key("a"));
    for _ in 0..10 {
        world.put("b", "");
    }
    world.store.compact(11);
    world.store.commit(&[(b"a", Some(b"1"))]).unwrap();
    world.hub.pass(12);
    let received: Vec<String> = client.drain().iter().flat_map(events).collect();
    assert_eq!(received, ["pa=1@12"]);
}

/// A client that cancels and starts again under one id gets no more turns than the others.
#[test]
fn turns_do_not_pile_up() {
    let world = World::new();
    for _ in 0..100 {
        world.put("a", "");
    }
    let mut client = world.client(Limits {
        chunk_revisions: 10,
        ..Limits::default()
    });
    for _ in 0..5 {
        let create = Create {
            watch_id: 1,
            ..from(2, key("a"))
        };
        client.ask(Request::Create(create));
        client.ask(Request::Cancel(1));
    }
    client.ask(Request::Create(Create {
        watch_id: 1,
        ..from(2, key("a"))
    }));
    client.ask(Request::Create(Create {
        watch_id: 2,
        ..from(2, key("a"))
    }));
    let responses = client.drain();
    let turns = responses
        .iter()
        .filter(|r| matches!(r.body, Body::Events { .. }));
    let order: Vec<i64> = turns.map(|response| response.watch_id).collect();
    assert_eq!(order, [1, 2].repeat(10));
}

/// A wake costs the apply thread a system call: one is enough until the client has read all.
#[test]
fn wakes_are_few() {
    let world = World::new();
    let mut client = world.client(Limits::default());
    client.create(everything());
    client.create(key("a"));
    for _ in 0..10 {
        world.put("a", "");
    }
    assert_eq!(client.wakes(), 1);
    client.drain();
    world.put("a", "");
    assert_eq!(client.wakes(), 2);
    world.put("b", "");
    assert_eq!(client.wakes(), 2);
    client.drain();
    let mut report = world.hub.report();
    report.publish(&world.store.commit(&[(b"a", Some(b"1"))]).unwrap());
    assert_eq!(world.hub.stats().pending, 2);
    assert_eq!(client.wakes(), 2, "not before the report is complete");
    drop(report);
    assert_eq!(client.wakes(), 3);
}

/// Watchers far behind share the history reads, and live events pass them.
#[test]
fn those_behind_delay_nobody() {
    let world = World::new();
    for _ in 0..1000 {
        world.put("a", "");
    }
    let limits = Limits {
        chunk_revisions: 10,
        ..Limits::default()
    };
    let mut client = world.client(limits);
    client.create(key("b"));
    for _ in 0..3 {
        client.ask(Request::Create(from(2, key("a"))));
    }
    for _ in 0..3 {
        assert_eq!(client.next().unwrap().body, Body::Created);
    }
    let order: Vec<i64> = (0..9).map(|_| client.next().unwrap().watch_id).collect();
    assert_eq!(order, [1, 2, 3, 1, 2, 3, 1, 2, 3]);
    world.put("b", "");
    assert_eq!(
        client.next().unwrap().watch_id,
        0,
        "a live event goes first"
    );
    // Nor do live events keep the others back for ever.
    let mut past = 0;
    for _ in 0..1000 {
        world.put("b", "");
        past += i32::from(client.next().unwrap().watch_id != 0);
    }
    assert!((10..100).contains(&past), "{past}");
}

/// A revision with very many events is prepared in steps, so that the thread's other connections
/// are served between them.
#[test]
fn large_revisions_take_turns() {
    let world = World::new();
    let keys: Vec<[u8; 4]> = (0..2000_u32).map(|i| (i + 1).to_be_bytes()).collect();
    let put: Vec<Change<'_>> = keys.iter().map(|key| (&key[..], Some(&b"1"[..]))).collect();
    let delete: Vec<Change<'_>> = keys.iter().map(|key| (&key[..], None)).collect();
    world.txn(&put);
    let mut client = world.client(Limits::default());
    client.create(Create {
        prev_kv: true,
        ..everything()
    });
    world.txn(&delete);
    let mut turns = 0;
    let response = loop {
        match client.stream.poll(&world.store) {
            Ok(Step::Again) => turns += 1,
            Ok(Step::Send(response)) => break response,
            other => panic!("{other:?}"),
        }
    };
    assert!((10..100).contains(&turns), "{turns}");
    match response.body {
        Body::Events { events, fragment } => assert_eq!((events.len(), fragment), (2000, false)),
        other => panic!("{other:?}"),
    }
}

/// Small deletions may stand for large previous pairs: the response is cut between revisions
/// before they fill the memory.
#[test]
fn previous_pairs_count_for_the_size() {
    let world = World::new();
    let value = "x".repeat(10_000);
    for i in 0..50 {
        world.put(&format!("k{i}"), &value);
    }
    for i in 0..50 {
        world.delete(&format!("k{i}"));
    }
    let limits = Limits {
        chunk_bytes: 50_000,
        ..Limits::default()
    };
    let mut client = world.client(limits);
    client.create(Create {
        prev_kv: true,
        ..from(52, everything())
    });
    let responses = client.drain();
    assert_eq!(responses.iter().map(|r| events(r).len()).sum::<usize>(), 50);
    for response in responses {
        assert!(response.encoded_len(&watch::Identity::default()) <= 50_000);
    }
}

/// A client that asks and never reads must not fill the memory with answers.
#[test]
fn answers_are_bounded() {
    let world = World::new();
    let mut client = world.client(Limits::default());
    let mut asked = 0;
    while client.stream.accepts_requests() {
        client.ask(Request::Create(key("a")));
        asked += 1;
    }
    assert_eq!(asked, 1024);
    client.next();
    assert!(client.stream.accepts_requests());
}
