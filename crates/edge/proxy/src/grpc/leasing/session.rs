//! The lease of a proxy, and what others want of the keys that it owns.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use client::{Client, ClientError, prefix_end};
use proto::error::Error;
use proto::etcdserverpb::{
    DeleteRangeRequest, LeaseGrantRequest, RequestOp, TxnRequest, WatchCreateRequest, request_op,
};
use proto::mvccpb::{Event, event::EventType};
use tokio::sync::mpsc;

use super::super::backend::Backend;
use super::guarded::is_created_at;
use super::{Leasing, REST, REVOKE, Release, Session};

/// Seconds after which the keys of a proxy that is gone are free.
const TTL: i64 = 60;
/// How long one step may take.
const STEP_LIMIT: Duration = Duration::from_secs(5);
/// The pause before a failed step is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Owner keys that are to be deleted.
pub(in crate::grpc) struct Releases(pub(super) mpsc::Receiver<Release>);

impl Leasing {
    /// Keeps a lease, for as long as the proxy runs.
    pub(in crate::grpc) async fn keep(self: Arc<Self>, backend: Arc<Backend>, releases: Releases) {
        let Releases(mut releases) = releases;
        loop {
            let client = backend.client();
            if let Err(error) = Box::pin(self.hold(&client, &mut releases)).await {
                tracing::warn!(%error, "cannot own keys");
            }
            self.clear();
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    /// Keeps one lease until it is lost.
    async fn hold(
        &self,
        client: &Client,
        releases: &mut mpsc::Receiver<Release>,
    ) -> Result<(), ClientError> {
        let limited = client.within(STEP_LIMIT);
        let began = Instant::now();
        let granted = limited
            .lease_grant(LeaseGrantRequest { ttl: TTL, id: 0 })
            .await?;
        let after = granted.header.map_or(0, |header| header.revision) + 1;
        let lease = granted.id;
        let mut until = began + seconds(granted.ttl);
        let request = WatchCreateRequest {
            key: self.whole_prefix.clone(),
            range_end: prefix_end(&self.whole_prefix),
            start_revision: after,
            ..WatchCreateRequest::default()
        };
        let watcher = client.watcher(false);
        let mut watch = watcher.watch(request).await;
        self.lock().session = Some(Session { lease, until });
        let follow = async {
            while let Some(answer) = watch.next().await {
                let answer = answer?;
                if answer.canceled {
                    return Ok(());
                }
                for event in answer.events {
                    self.happened(event, lease);
                }
            }
            Ok(())
        };
        let delete = async {
            while let Some(release) = releases.recv().await {
                self.delete(&limited, release).await;
            }
        };
        let renew = async {
            loop {
                tokio::time::sleep(seconds(TTL) / 3).await;
                until = renewed(&limited, lease, until).await?;
                match &mut self.lock().session {
                    Some(held) if held.lease == lease => held.until = until,
                    _ => return Ok(()),
                }
            }
        };
        tokio::select! {
            outcome = follow => outcome,
            outcome = renew => outcome,
            () = delete => Ok(()),
        }
    }

    /// An owner key has changed.
    fn happened(&self, event: Event, lease: i64) {
        let is_gone = event.r#type() == EventType::Delete;
        let Some(pair) = event.kv else { return };
        let Some(key) = pair.key.strip_prefix(&*self.whole_prefix) else {
            return;
        };
        let key = Bytes::copy_from_slice(key);
        let mut state = self.lock();
        if is_gone {
            let older = |created: i64| created > pair.mod_revision;
            let owned = state.owned.get(&key);
            if owned.is_some_and(|owned| !owned.created.is_some_and(older)) {
                state.owned.remove(&key);
            }
            drop(state);
            self.freed.send_modify(|count| *count += 1);
        } else if pair.lease == lease && pair.value == REVOKE {
            state.owned.remove(&key);
            state.resting.insert(key.clone(), Instant::now() + REST);
            self.release(&mut state, key, pair.create_revision);
        }
    }

    async fn delete(&self, client: &Client, release: Release) {
        let mut key = self.whole_prefix.to_vec();
        key.extend_from_slice(&release.key);
        let key = Bytes::from(key);
        let delete = DeleteRangeRequest {
            key: key.clone(),
            ..DeleteRangeRequest::default()
        };
        let request = TxnRequest {
            compare: vec![is_created_at(key, Bytes::new(), release.created)],
            success: vec![RequestOp {
                request: Some(request_op::Request::RequestDeleteRange(delete)),
            }],
            failure: Vec::new(),
        };
        if let Err(error) = client.txn(request).await {
            // Others wait until the lease is over, which must not be renewed then.
            tracing::warn!(%error, "cannot give a key up");
            self.clear();
        }
    }
}

/// The moment until which a renewed lease lives for certain.
async fn renewed(client: &Client, lease: i64, until: Instant) -> Result<Instant, ClientError> {
    loop {
        let sent = Instant::now();
        match client.keep_alive_once(lease).await {
            Ok(answer) => return Ok(sent + seconds(answer.ttl)),
            Err(error) if error.is(Error::LeaseNotFound) || sent >= until => {
                return Err(error);
            }
            Err(_) => tokio::time::sleep(RETRY_PAUSE).await,
        }
    }
}

fn seconds(ttl: i64) -> Duration {
    Duration::from_secs(ttl.unsigned_abs())
}
