//! The rules of watching, one by one: creation, ids, starts, filters, previous pairs, cancelling.

use bytes::Bytes;
use watch::{Body, Create, Filters, Limits, Request, Response};

use crate::world::{Change, Client, World, events, everything, key, range};

fn canceled(watch_id: i64, revision: i64, compacted: i64) -> Response {
    Response {
        watch_id,
        revision,
        body: Body::Canceled { compacted },
    }
}

fn from(start_revision: i64, create: Create) -> Create {
    Create {
        start_revision,
        ..create
    }
}

fn with_id(watch_id: i64, create: Create) -> Create {
    Create { watch_id, ..create }
}

/// Clients find their watcher by its id: two of the same id would mix their events.
#[test]
fn ids() {
    let world = World::new();
    let mut client = world.client(Limits::default());
    let mut created = |create: Create| {
        let response = client.create(create);
        assert_eq!(response.body, Body::Created);
        response.watch_id
    };
    assert_eq!(created(key("a")), 0);
    assert_eq!(created(with_id(1, key("a"))), 1);
    assert_eq!(created(key("a")), 2, "an id in use is skipped");
    assert_eq!(created(with_id(-5, key("a"))), -5);
    assert_eq!(created(with_id(-1, key("a"))), -1);
    assert_eq!(
        client.refused(with_id(2, key("a"))),
        "mvcc: duplicate watch ID provided on the WatchStream"
    );
    client.ask(Request::Cancel(2));
    assert_eq!(client.drain(), [canceled(2, 1, 0)]);
    assert_eq!(
        client.create(key("a")).watch_id,
        3,
        "a freed id is not given out"
    );
    assert_eq!(
        client.create(with_id(2, key("a"))).watch_id,
        2,
        "but may be asked for"
    );
}

/// A refusal is an answer in the stream; the other watchers go on.
#[test]
fn refusals() {
    let world = World::new();
    world.put("a", "1");
    let mut client = world.client(Limits::default());
    client.create(key("a"));
    for (start, end) in [("b", "a"), ("b", "b")] {
        assert_eq!(
            client.refused(range(start, end)),
            "mvcc: watcher range is empty"
        );
    }
    assert_eq!(
        client.refused(from(-1, key("a"))),
        "etcdserver: mvcc: required revision has been compacted"
    );
    let denied = Create {
        denied: Some(
            "rpc error: code = PermissionDenied desc = etcdserver: permission denied".into(),
        ),
        ..range("b", "a")
    };
    assert_eq!(
        client.refused(denied),
        "rpc error: code = PermissionDenied desc = etcdserver: permission denied"
    );
    world.put("a", "2");
    assert_eq!(events(&client.next().unwrap()), ["pa=2@3"]);
    assert_eq!(client.next(), None);
    assert_eq!(world.hub.stats().watchers, 1);
}

/// Who may no longer read a range gets nothing of it any more: neither what waits, nor what was
/// polled and not yet sent, nor what comes.
#[test]
fn lost_rights() {
    let world = World::new();
    let mut client = world.client(Limits::default());
    client.create(key("a"));
    client.create(range("b", "d"));
    client.create(from(2, everything()));
    world.put("a", "1");
    let polled = client.next().unwrap();
    assert_eq!(events(&polled), ["pa=1@2"]);
    assert!(client.stream.may_send(&polled));
    world.put("b", "2");
    // Only what lies in [b, d) may still be read.
    let may = types::KeyRange::new("b".into(), "d".into()).unwrap();
    let refusal = |range: &types::KeyRange| (*range != may).then(|| "denied".to_owned());
    client.stream.revoke(refusal, &world.store);
    assert!(!client.stream.may_send(&polled), "its watcher has ended");
    let revoked = |watch_id| Response {
        watch_id,
        revision: 3,
        body: Body::Revoked("denied".into()),
    };
    assert_eq!(client.next(), Some(revoked(0)));
    assert_eq!(client.next(), Some(revoked(2)));
    assert_eq!(events(&client.next().unwrap()), ["pb=2@3"]);
    assert_eq!(client.next(), None);
    assert_eq!(world.hub.stats().watchers, 1);
    assert_eq!(client.create(key("a")).watch_id, 3, "the stream lives on");
}

/// Each form of a range selects its keys, and an empty key means the smallest.
#[test]
fn ranges() {
    let world = World::new();
    let mut client = world.client(Limits::default());
    let watchers = [
        key("b"),
        range("b", "d"),
        range("c", "\0"),
        range("", "\0"),
        everything(),
        key(""),
    ];
    for create in watchers {
        assert_eq!(client.create(create).body, Body::Created);
    }
    let mut reached = |name: &str| {
        world.put(name, "");
        let mut ids: Vec<i64> = client.drain().iter().map(|r| r.watch_id).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(reached("\0"), [3, 4, 5]);
    assert_eq!(reached("a"), [3, 4]);
    assert_eq!(reached("b"), [0, 1, 3, 4]);
    assert_eq!(reached("b1"), [1, 3, 4]);
    assert_eq!(reached("c"), [1, 2, 3, 4]);
    assert_eq!(reached("d"), [2, 3, 4]);
}

/// A watcher sees what comes after its creation, from its start in the past, or from the future.
#[test]
fn starts() {
    let world = World::new();
    world.put("a", "1");
    world.put("a", "2");
    let mut client = world.client(Limits::default());
    let created = |response: Response| (response.watch_id, response.revision, response.body);
    assert_eq!(created(client.create(key("a"))), (0, 3, Body::Created));
    assert_eq!(
        created(client.create(from(5, key("a")))),
        (1, 3, Body::Created)
    );
    assert_eq!(
        created(client.create(from(4, key("a")))),
        (2, 3, Body::Created)
    );
    assert_eq!(client.drain(), []);
    assert_eq!(
        created(client.create(from(2, key("a")))),
        (3, 3, Body::Created)
    );
    let past = client.next().unwrap();
    assert_eq!(
        (past.watch_id, past.revision),
        (3, 3),
        "the header tells when it was read"
    );
    assert_eq!(
        events(&past),
        ["pa=1@2", "pa=2@3"],
        "many revisions in one response"
    );
    for (revision, ids) in [(4, &[0, 2, 3][..]), (5, &[0, 1, 2, 3])] {
        world.put("a", "x");
        let responses = client.drain();
        let mut reached: Vec<i64> = responses.iter().map(|r| r.watch_id).collect();
        reached.sort_unstable();
        assert_eq!(reached, ids);
        for response in responses {
            assert_eq!(
                response.revision, revision,
                "the header of a live event is its revision"
            );
            assert_eq!(events(&response), [format!("pa=x@{revision}")]);
        }
    }
}

/// A start below the compacted revision is accepted and then ended, so that the client learns
/// where it may start; at the compacted revision itself there is nothing missing.
#[test]
fn compacted_start() {
    let world = World::new();
    for value in ["1", "2", "3"] {
        world.put("a", value);
    }
    world.store.compact(3);
    let mut client = world.client(Limits::default());
    let created = client.create(from(2, key("a")));
    assert_eq!((created.body, created.revision), (Body::Created, 4));
    assert_eq!(client.drain(), [canceled(0, 0, 3)]);
    assert_eq!(
        client.refused(with_id(0, range("b", "a"))),
        "mvcc: watcher range is empty"
    );
    assert_eq!(client.create(from(3, key("a"))).watch_id, 1);
    assert_eq!(events(&client.next().unwrap()), ["pa=2@3", "pa=3@4"]);
    // The ended watcher holds its id until the client lets it go.
    client.ask(Request::Cancel(0));
    assert_eq!(client.drain(), [canceled(0, 4, 0)]);
    client.ask(Request::Cancel(0));
    assert_eq!(client.drain(), [], "an unknown id is not answered");
    assert_eq!(world.hub.stats().slow_watchers, 0);
}

/// An id that compaction has ended is taken until it is cancelled.
#[test]
fn compacted_id_stays_taken() {
    let world = World::new();
    world.put("a", "1");
    world.put("a", "2");
    world.store.compact(3);
    let mut client = world.client(Limits::default());
    client.create(with_id(9, from(2, key("a"))));
    assert_eq!(client.drain(), [canceled(9, 0, 3)]);
    assert_eq!(
        client.refused(with_id(9, key("a"))),
        "mvcc: duplicate watch ID provided on the WatchStream"
    );
    client.ask(Request::Cancel(9));
    assert_eq!(client.drain(), [canceled(9, 3, 0)]);
    assert_eq!(client.create(with_id(9, key("a"))).body, Body::Created);
}

/// A filtered kind is never sent, live or from history, and a revision of it alone sends nothing.
#[test]
fn filters() {
    let world = World::new();
    let filtered = |numbers: &[i32], create: Create| {
        let mut filters = Filters::default();
        numbers.iter().for_each(|number| filters.add(*number));
        Create { filters, ..create }
    };
    let check = |start: i64, client: &mut Client<'_>| {
        for (id, numbers) in [(10, &[0][..]), (11, &[1, 7]), (12, &[0, 1]), (13, &[-1])] {
            let create = with_id(id, from(start, filtered(numbers, everything())));
            client.ask(Request::Create(create));
        }
    };
    let sent = |client: &mut Client<'_>| {
        let mut all: Vec<(i64, String)> = client
            .drain()
            .iter()
            .filter(|response| matches!(response.body, Body::Events { .. }))
            .flat_map(|response| events(response).into_iter().map(|e| (response.watch_id, e)))
            .collect();
        all.sort();
        all.iter()
            .map(|(id, event)| format!("{id}:{event}"))
            .collect::<Vec<_>>()
    };
    let mut live = world.client(Limits::default());
    check(0, &mut live);
    world.put("a", "1");
    world.txn(&[(b"a", None), (b"b", Some(b"2"))]);
    world.delete("b");
    let expected = [
        "10:da@3",
        "10:db@4",
        "11:pa=1@2",
        "11:pb=2@3",
        "13:da@3",
        "13:db@4",
        "13:pa=1@2",
        "13:pb=2@3",
    ];
    assert_eq!(sent(&mut live), expected);
    let mut late = world.client(Limits::default());
    check(2, &mut late);
    assert_eq!(sent(&mut late), expected);
}

/// The previous pair is the one before the revision; a created key has none, a compacted one is
/// left out.
#[test]
fn previous_pairs() {
    let world = World::new();
    let mut client = world.client(Limits::default());
    let with_previous = |start| Create {
        prev_kv: true,
        ..from(start, everything())
    };
    client.create(with_previous(0));
    client.create(key("a"));
    world.put("a", "1");
    world.put("a", "2");
    world.txn(&[(b"a", None), (b"b", Some(b"3"))]);
    world.put("a", "4");
    let all = ["pa=1@2", "pa=2<1@2@3", "da<2@3@4", "pb=3@4", "pa=4@5"];
    let (with, without): (Vec<_>, Vec<_>) = client
        .drain()
        .into_iter()
        .partition(|response| response.watch_id == 0);
    assert_eq!(with.iter().flat_map(events).collect::<Vec<_>>(), all);
    let plain: Vec<_> = without.iter().flat_map(events).collect();
    assert_eq!(plain, ["pa=1@2", "pa=2@3", "da@4", "pa=4@5"]);
    assert_eq!(client.create(with_previous(2)).watch_id, 2);
    assert_eq!(events(&client.next().unwrap()), all);
    world.store.compact(3);
    client.create(with_previous(3));
    assert_eq!(
        events(&client.next().unwrap()),
        ["pa=2@3", "da<2@3@4", "pb=3@4", "pa=4@5"],
        "the pair before revision 3 is compacted"
    );
}

/// After the client was told that a watcher has ended, none of its events may follow, nor reach
/// another watcher of the same id.
#[test]
fn cancel() {
    let world = World::new();
    let mut client = world.client(Limits::default());
    client.ask(Request::Cancel(0));
    client.create(with_id(4, key("a")));
    world.put("a", "1");
    client.ask(Request::Cancel(4));
    assert_eq!(
        client.create(with_id(4, key("a"))).body,
        Body::Canceled { compacted: 0 }
    );
    assert_eq!(client.next().unwrap().body, Body::Created);
    assert_eq!(client.drain(), []);
    world.put("a", "2");
    assert_eq!(events(&client.next().unwrap()), ["pa=2@3"]);
    client.ask(Request::Cancel(4));
    assert_eq!(client.drain(), [canceled(4, 3, 0)]);
    assert!(world.hub.is_idle());
    world.put("a", "3");
    assert_eq!(client.drain(), []);
}

/// A watcher that is cancelled while its history is read must not go on, even when its id is
/// taken again at once.
#[test]
fn cancel_while_behind() {
    let world = World::new();
    for _ in 0..10 {
        world.put("a", "1");
    }
    let limits = Limits {
        chunk_revisions: 3,
        ..Limits::default()
    };
    let mut client = world.client(limits);
    client.create(with_id(4, from(2, key("a"))));
    assert_eq!(events(&client.next().unwrap()).len(), 3);
    client.ask(Request::Cancel(4));
    client.ask(Request::Create(with_id(4, from(11, key("a")))));
    assert_eq!(client.next().unwrap(), canceled(4, 11, 0));
    assert_eq!(client.next().unwrap().body, Body::Created);
    assert_eq!(events(&client.next().unwrap()), ["pa=1@11"]);
    assert_eq!(client.drain(), []);
    drop(client);
    let stats = world.hub.stats();
    assert_eq!(
        (
            stats.streams,
            stats.watchers,
            stats.slow_watchers,
            stats.pending
        ),
        (0, 0, 0, 0)
    );
    assert!(world.hub.is_idle());
}

/// All events of a revision come together and in the order of the transaction.
#[test]
fn revisions_are_whole() {
    let world = World::new();
    let mut client = world.client(Limits::default());
    client.create(everything());
    client.create(range("b", "d"));
    world.txn(&[(b"c", Some(b"1")), (b"a", Some(b"2")), (b"b", Some(b"3"))]);
    let all = ["pc=1@2", "pa=2@2", "pb=3@2"];
    let some = ["pc=1@2", "pb=3@2"];
    for response in client.drain() {
        let expected = if response.watch_id == 0 {
            &all[..]
        } else {
            &some[..]
        };
        assert_eq!(events(&response), expected);
    }
    assert_eq!(world.hub.stats().events, 5);
}

/// Only a watcher that allows it gets a revision in parts; each part but the last says so.
#[test]
fn fragments() {
    let world = World::new();
    let value = [b'x'; 1000];
    let limits = Limits {
        fragment_bytes: 3300,
        ..Limits::default()
    };
    let mut client = world.client(limits);
    let fragmented = Create {
        fragment: true,
        ..everything()
    };
    client.create(everything());
    client.create(fragmented.clone());
    let keys: Vec<Bytes> = (0..8_u8)
        .map(|i| Bytes::copy_from_slice(&[i + 1]))
        .collect();
    let changes: Vec<Change<'_>> = keys
        .iter()
        .map(|key| (key.as_ref(), Some(&value[..])))
        .collect();
    world.txn(&changes);
    let parts = |client: &mut Client<'_>, id: i64| {
        let responses = client.drain();
        let of_watcher = responses
            .into_iter()
            .filter(|response| response.watch_id == id);
        of_watcher
            .map(|response| match response.body {
                Body::Events { events, fragment } => (response.revision, events.len(), fragment),
                other => panic!("{other:?}"),
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(
        parts(&mut client, 1),
        [(2, 3, true), (2, 3, true), (2, 2, false)]
    );
    world.txn(&changes);
    assert_eq!(parts(&mut client, 0), [(3, 8, false)]);
    let mut late = world.client(limits);
    late.create(with_id(1, from(2, fragmented)));
    assert_eq!(
        parts(&mut late, 1),
        [
            (3, 3, true),
            (3, 3, true),
            (3, 3, true),
            (3, 3, true),
            (3, 3, true),
            (3, 1, false)
        ]
    );
    // One event cannot be split, however large.
    let mut tiny = world.client(Limits {
        fragment_bytes: 10,
        ..limits
    });
    tiny.create(Create {
        fragment: true,
        ..key("a")
    });
    world.put("a", "1");
    assert_eq!(parts(&mut tiny, 0), [(4, 1, false)]);
}
