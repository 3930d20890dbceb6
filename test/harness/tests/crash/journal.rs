//! What one writer knows: kept outside of the member, and held against it after every crash.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use client::{Client, prefix_end};
use proto::error::Code;
use proto::etcdserverpb::{LeaseStatus, RangeRequest};
use proto::mvccpb::KeyValue;
use tokio::sync::watch::Receiver;

use crate::operation::{Operation, Pair, State};

/// Keys of a writer.
const KEYS: u64 = 6;
/// Leases of a writer.
const LEASES: i64 = 3;
/// Past states that are looked at after a crash.
const PAST: usize = 3;

/// A writer and what it was told.
pub(crate) struct Journal {
    pub(crate) writer: usize,
    /// As of the last answer.
    pub(crate) state: State,
    /// Revisions of changes that were answered since the last check.
    pub(crate) acknowledged: Vec<i64>,
    /// The request that was not answered.
    open: Option<Operation>,
    /// The newest states and their revisions.
    past: VecDeque<(i64, State)>,
    /// Values are numbers that never repeat.
    number: u64,
    random: u64,
}

/// What became of the request that was not answered.
pub(crate) struct Resolved {
    /// It was applied, and spent a revision.
    pub(crate) changed: bool,
    /// The revision, if a key still has it.
    pub(crate) revision: Option<i64>,
}

impl Journal {
    pub(crate) fn new(writer: usize) -> Self {
        Self {
            writer,
            state: State::default(),
            acknowledged: Vec::new(),
            open: None,
            past: VecDeque::new(),
            number: 0,
            random: 0x9e37_79b9_7f4a_7c15 ^ writer as u64,
        }
    }

    fn prefix(&self) -> String {
        format!("writer/{}/", self.writer)
    }

    fn first_lease(&self) -> i64 {
        1_000_000 + self.writer as i64 * 1000
    }

    /// Writes until the member is killed.
    pub(crate) async fn write(mut self, client: Client, mut killed: Receiver<bool>) -> Self {
        loop {
            let operation = self.choose();
            let answer = tokio::select! {
                biased;
                answer = operation.send(&client) => answer,
                // The client would go on trying to reach the member.
                _ = killed.wait_for(|killed| *killed) => {
                    self.open = Some(operation);
                    return self;
                }
            };
            match answer {
                Ok(revision) => self.acknowledge(&operation, revision),
                Err(error) => {
                    // The connection may break before word of the kill is here.
                    let lost = [
                        Code::Unavailable,
                        Code::Cancelled,
                        Code::Internal,
                        Code::Unknown,
                    ];
                    let gone = lost.contains(&error.code());
                    assert!(gone, "writer {}: {operation:?}: {error}", self.writer);
                    self.open = Some(operation);
                    return self;
                }
            }
        }
    }

    fn acknowledge(&mut self, operation: &Operation, revision: i64) {
        let changes = operation.changes_keys_of(&self.state);
        self.state = operation.applied_to(&self.state);
        if changes {
            self.acknowledged.push(revision);
            self.past.push_back((revision, self.state.clone()));
            if self.past.len() > PAST {
                self.past.pop_front();
            }
        }
    }

    /// The next request.
    fn choose(&mut self) -> Operation {
        self.number += 1;
        let value = format!("{}-{}", self.writer, self.number);
        let key = self.key();
        let lease = self.first_lease() + self.below(LEASES as u64) as i64;
        let is_granted = self.state.leases.contains(&lease);
        match self.below(10) {
            0 => Operation::Delete { key },
            1 if is_granted => Operation::Revoke { id: lease },
            1 | 2 if !is_granted => Operation::Grant { id: lease },
            3 if is_granted => Operation::Put {
                key,
                pair: Pair { value, lease },
            },
            4 | 5 => {
                let (one, other) = (self.key(), self.key());
                let mut puts = vec![key, one];
                puts.dedup();
                let deletions = Some(other).filter(|other| !puts.contains(other));
                Operation::Transaction {
                    puts,
                    value,
                    deletions: deletions.into_iter().collect(),
                }
            }
            _ => Operation::Put {
                key,
                pair: Pair { value, lease: 0 },
            },
        }
    }

    fn key(&mut self) -> String {
        format!("{}{}", self.prefix(), self.below(KEYS))
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % limit
    }

    /// Holds the journal against the store, and learns whether the open request was applied.
    pub(crate) async fn check(
        &mut self,
        client: &Client,
        leases: &[LeaseStatus],
        compacted: i64,
    ) -> Resolved {
        let kvs = self.read(client, 0).await;
        let own = self.first_lease()..self.first_lease() + LEASES;
        let ids = leases
            .iter()
            .map(|lease| lease.id)
            .filter(|id| own.contains(id));
        let found = State {
            pairs: pairs(&kvs),
            leases: ids.collect(),
        };
        let mut resolved = Resolved {
            changed: false,
            revision: None,
        };
        match self.open.take() {
            Some(open) if found == open.applied_to(&self.state) => {
                resolved.changed = open.changes_keys_of(&self.state);
                let written =
                    |kv: &&KeyValue| open.puts().iter().any(|key| kv.key == key.as_bytes());
                resolved.revision = kvs.iter().find(written).map(|kv| kv.mod_revision);
                self.state = found;
            }
            open => assert_eq!(found, self.state, "writer {}; open: {open:?}", self.writer),
        }
        for (revision, state) in &self.past {
            if *revision > compacted {
                let then = pairs(&self.read(client, *revision).await);
                assert_eq!(then, state.pairs, "writer {} at {revision}", self.writer);
            }
        }
        resolved
    }

    async fn read(&self, client: &Client, revision: i64) -> Vec<KeyValue> {
        let prefix = self.prefix();
        let range = RangeRequest {
            range_end: prefix_end(prefix.as_bytes()),
            key: Bytes::from(prefix),
            revision,
            ..RangeRequest::default()
        };
        client.range(range).await.expect("a read").kvs
    }
}

fn pairs(kvs: &[KeyValue]) -> BTreeMap<String, Pair> {
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    let pair = |kv: &KeyValue| Pair {
        value: text(&kv.value),
        lease: kv.lease,
    };
    kvs.iter().map(|kv| (text(&kv.key), pair(kv))).collect()
}
