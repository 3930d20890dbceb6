//! What writers do, and what it does to their part of the store.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use client::{Client, ClientError};
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{
    DeleteRangeRequest, LeaseGrantRequest, LeaseRevokeRequest, PutRequest, RequestOp, TxnRequest,
};

/// Longer than any test.
const LEASE_SECONDS: i64 = 100_000;

/// A value and the lease it is attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) value: String,
    pub(crate) lease: i64,
}

/// What a writer's part of the store holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) pairs: BTreeMap<String, Pair>,
    pub(crate) leases: BTreeSet<i64>,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Put {
        key: String,
        pair: Pair,
    },
    /// Puts of the same value, and deletions.
    Transaction {
        puts: Vec<String>,
        value: String,
        deletions: Vec<String>,
    },
    Delete {
        key: String,
    },
    Grant {
        id: i64,
    },
    Revoke {
        id: i64,
    },
}

impl Operation {
    /// What the store holds afterwards.
    pub(crate) fn applied_to(&self, state: &State) -> State {
        let mut state = state.clone();
        match self {
            Self::Put { key, pair } => {
                state.pairs.insert(key.clone(), pair.clone());
            }
            Self::Transaction {
                puts,
                value,
                deletions,
            } => {
                let pair = Pair {
                    value: value.clone(),
                    lease: 0,
                };
                state
                    .pairs
                    .extend(puts.iter().map(|key| (key.clone(), pair.clone())));
                state.pairs.retain(|key, _| !deletions.contains(key));
            }
            Self::Delete { key } => {
                state.pairs.remove(key);
            }
            Self::Grant { id } => {
                state.leases.insert(*id);
            }
            Self::Revoke { id } => {
                state.leases.remove(id);
                state.pairs.retain(|_, pair| pair.lease != *id);
            }
        }
        state
    }

    /// Whether it spends a revision.
    pub(crate) fn changes_keys_of(&self, state: &State) -> bool {
        match self {
            Self::Put { .. } | Self::Transaction { .. } => true,
            Self::Delete { key } => state.pairs.contains_key(key),
            Self::Grant { .. } => false,
            Self::Revoke { id } => state.pairs.values().any(|pair| pair.lease == *id),
        }
    }

    /// The keys whose pairs it writes.
    pub(crate) fn puts(&self) -> &[String] {
        match self {
            Self::Put { key, .. } => std::slice::from_ref(key),
            Self::Transaction { puts, .. } => puts,
            _ => &[],
        }
    }

    /// Sends it; the revision of the answer.
    pub(crate) async fn send(&self, client: &Client) -> Result<i64, ClientError> {
        let header = match self.clone() {
            Self::Put { key, pair } => client.put(put(key, pair)).await?.header,
            Self::Transaction {
                puts,
                value,
                deletions,
            } => {
                let put_all = puts.into_iter().map(|key| {
                    let pair = Pair {
                        value: value.clone(),
                        lease: 0,
                    };
                    Request::RequestPut(put(key, pair))
                });
                let delete_all = deletions
                    .into_iter()
                    .map(|key| Request::RequestDeleteRange(delete(key)));
                let success = put_all.chain(delete_all).map(|request| RequestOp {
                    request: Some(request),
                });
                let txn = TxnRequest {
                    success: success.collect(),
                    ..TxnRequest::default()
                };
                client.txn(txn).await?.header
            }
            Self::Delete { key } => client.delete_range(delete(key)).await?.header,
            Self::Grant { id } => {
                let grant = LeaseGrantRequest {
                    id,
                    ttl: LEASE_SECONDS,
                };
                client.lease_grant(grant).await?.header
            }
            Self::Revoke { id } => client.lease_revoke(LeaseRevokeRequest { id }).await?.header,
        };
        Ok(header.unwrap_or_default().revision)
    }
}

fn put(key: String, pair: Pair) -> PutRequest {
    PutRequest {
        key: Bytes::from(key),
        value: Bytes::from(pair.value),
        lease: pair.lease,
        ..PutRequest::default()
    }
}

fn delete(key: String) -> DeleteRangeRequest {
    DeleteRangeRequest {
        key: Bytes::from(key),
        ..DeleteRangeRequest::default()
    }
}
