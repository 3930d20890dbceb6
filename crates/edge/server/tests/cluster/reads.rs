//! Linearizable reads from every member.

use proto::error::Error;

use crate::cluster::Cluster;

/// A read begun after a write was acknowledged sees it, wherever both were asked for.
#[test]
fn reads_see_what_was_acknowledged_anywhere() {
    let cluster = Cluster::start(3);
    for round in 0..60 {
        let value = round.to_string();
        cluster.put(round % 3, "k", &value);
        let found = cluster.get((round + 1) % 3, "k");
        assert_eq!(found.as_deref(), Some(value.as_bytes()));
    }
}

/// Without a majority a read fails instead of answering from the past.
#[test]
fn a_minority_answers_no_read() {
    let mut cluster = Cluster::start(3);
    cluster.put(0, "k", "v");
    let left = cluster.follower();
    for at in (0..3).filter(|at| *at != left) {
        cluster.nodes[at].stop();
    }
    assert_eq!(cluster.try_get(left, "k"), Err(Error::Timeout));
    let refused = cluster.try_put(left, "k", "w").unwrap_err();
    let expected = [
        Error::ContextDeadline,
        Error::Timeout,
        Error::TimeoutDueToConnectionLost,
    ];
    assert!(expected.contains(&refused), "{refused:?}");
}
