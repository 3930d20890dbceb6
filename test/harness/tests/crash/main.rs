//! kill -9 under concurrent writers: nothing acknowledged is lost, nothing is invented, and no revision is
//! given out twice.
//!
//! Every writer keeps a journal outside of the member: what its keys and leases are as of the last answer,
//! and the request whose answer never came. After each restart the store must be as the journals say,
//! each open request applied as a whole or not at all, and must have spent exactly one revision on each
//! change.
#![expect(clippy::unwrap_used, reason = "a test")]

mod journal;
mod operation;

use std::collections::BTreeMap;
use std::time::Duration;

use client::{Client, Config};
use harness::{Member, Stop};
use proto::etcdserverpb::{
    CompactionRequest, DefragmentRequest, HashKvRequest, LeaseLeasesRequest,
};

use crate::journal::Journal;

const ROUNDS: u64 = 60;
const WRITERS: usize = 8;
/// History that compactions leave for the journals to look at.
const KEPT_REVISIONS: i64 = 60;

#[tokio::test(flavor = "current_thread")]
async fn acknowledged_writes_survive_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let mut member = Member::start(dir.path(), &["--snapshot-count=500"]).unwrap();
    let mut test = Test {
        journals: (0..WRITERS).map(Journal::new).collect(),
        changes: BTreeMap::new(),
        compacted: 0,
        hash: None,
    };
    for round in 0..ROUNDS {
        let client = connect(&member).await;
        test.check(&client).await;
        let (kill, killed) = tokio::sync::watch::channel(false);
        let writers: Vec<_> = std::mem::take(&mut test.journals)
            .into_iter()
            .map(|journal| tokio::spawn(journal.write(client.clone(), killed.clone())))
            .collect();
        tokio::time::sleep(Duration::from_millis(20 + round * 37 % 120)).await;
        test.disturb(round, &client).await;
        member.stop(Stop::Kill).unwrap();
        kill.send(true).unwrap();
        for writer in writers {
            test.journals.push(writer.await.unwrap());
        }
        member.restart().unwrap();
    }
    test.check(&connect(&member).await).await;
    let changes = test.changes.len();
    assert!(changes > 1000, "only {changes} changes were made");
    println!("{ROUNDS} rounds of kill -9, {changes} changes: none lost, none invented");
}

async fn connect(member: &Member) -> Client {
    let config = Config {
        endpoints: vec![member.endpoint()],
        ..Config::default()
    };
    let client = Client::connect(config).await.unwrap();
    client.within(Duration::from_secs(20))
}

struct Test {
    journals: Vec<Journal>,
    /// Who made the change of each revision.
    changes: BTreeMap<i64, usize>,
    /// The highest revision that a compaction was asked for, answered or not.
    compacted: i64,
    /// A hash before the member died: revision, compacted revision, and the hash.
    hash: Option<(i64, i64, u32)>,
}

impl Test {
    async fn check(&mut self, client: &Client) {
        let leases = client.lease_leases(LeaseLeasesRequest {}).await.unwrap();
        let current = leases.header.unwrap().revision;
        let mut unknown_leases = leases.leases.len();
        // Answers first: an open request must not have got the revision of one of them.
        for journal in &mut self.journals {
            for revision in std::mem::take(&mut journal.acknowledged) {
                let other = self.changes.insert(revision, journal.writer);
                assert_eq!(other, None, "revision {revision} was given out twice");
            }
        }
        let mut unknown_revisions = 0;
        for journal in &mut self.journals {
            let resolved = journal.check(client, &leases.leases, self.compacted).await;
            unknown_leases -= journal.state.leases.len();
            match resolved.revision {
                Some(revision) => {
                    let other = self.changes.insert(revision, journal.writer);
                    assert_eq!(other, None, "revision {revision} was given out twice");
                }
                None => unknown_revisions += i64::from(resolved.changed),
            }
        }
        assert_eq!(unknown_leases, 0, "leases that nobody has granted");
        // A deletion that was applied but not answered leaves no revision behind: it has one of the gaps.
        let gaps: Vec<i64> = (2..=current)
            .filter(|revision| !self.changes.contains_key(revision))
            .collect();
        assert_eq!(
            gaps.len(),
            usize::try_from(unknown_revisions).unwrap(),
            "gaps {gaps:?}"
        );
        self.changes
            .extend(gaps.into_iter().map(|revision| (revision, usize::MAX)));
        assert_eq!(
            self.changes
                .last_key_value()
                .map_or(1, |(revision, _)| *revision),
            current
        );
        self.check_hash(client).await;
    }

    async fn check_hash(&mut self, client: &Client) {
        if let Some((revision, compacted, hash)) = self.hash.take() {
            let again = client.hash_kv(HashKvRequest { revision }).await.unwrap();
            if again.compact_revision == compacted {
                assert_eq!(
                    again.hash, hash,
                    "the state at {revision} changed over a restart"
                );
            }
        }
    }

    /// Something else that is under way when the member dies.
    async fn disturb(&mut self, round: u64, client: &Client) {
        let hash = client.hash_kv(HashKvRequest { revision: 0 }).await.unwrap();
        let current = hash.hash_revision;
        match round % 4 {
            0 => {
                self.compacted = self.compacted.max(current - KEPT_REVISIONS);
                let request = CompactionRequest {
                    revision: self.compacted,
                    physical: false,
                };
                // It may be compacted already when few writes came through.
                let _ = client.compact(request).await;
            }
            1 => {
                client.defragment(DefragmentRequest {}).await.unwrap();
            }
            _ => self.hash = Some((current, hash.compact_revision, hash.hash)),
        }
    }
}
