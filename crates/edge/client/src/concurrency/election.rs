//! Elections: a queue of candidates whose oldest key is the leader.

use bytes::Bytes;
use proto::etcdserverpb::{
    DeleteRangeRequest, PutRequest, RangeResponse, TxnRequest, WatchCreateRequest,
    request_op::Request,
};
use proto::mvccpb::event::EventType;
use tokio::sync::mpsc;

use super::queue::{
    created_at, get, key_of, oldest, op, prefix_end, prefix_of, range_answer, wait_for_front,
};
use super::session::Session;
use crate::call::Client;
use crate::error::ClientError;

/// Leaders that may wait for a slow observer.
const BACKLOG: usize = 16;

/// A named election.
#[derive(Debug)]
pub struct Election {
    name: String,
}

/// A candidate that has won.
#[derive(Debug)]
pub struct Candidate<'a> {
    session: &'a Session,
    key: Bytes,
    revision: i64,
}

impl Election {
    /// Names an election; nothing is sent.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let name = name.to_owned();
        Self { name }
    }

    /// Stands as a candidate and waits until elected.
    pub async fn campaign<'a>(
        &self,
        session: &'a Session,
        value: &Bytes,
    ) -> Result<Candidate<'a>, ClientError> {
        let key = key_of(&self.name, session.lease());
        let put = PutRequest {
            key: key.clone(),
            value: value.clone(),
            lease: session.lease(),
            ..PutRequest::default()
        };
        let answer = session
            .client()
            .txn(TxnRequest {
                compare: vec![created_at(key.clone(), 0)],
                success: vec![op(Request::RequestPut(put))],
                failure: vec![op(Request::RequestRange(get(key.clone())))],
            })
            .await?;
        let mut candidate = Candidate {
            session,
            key,
            revision: answer.header.unwrap_or_default().revision,
        };
        if !answer.succeeded {
            let own = range_answer(&answer.responses, 0).and_then(|range| range.kvs.first());
            if let Some(own) = own {
                candidate.revision = own.create_revision;
                if own.value != *value {
                    candidate.proclaim(value).await?;
                }
            }
        }
        let prefix = prefix_of(&self.name);
        wait_for_front(session.client(), &prefix, candidate.revision - 1).await?;
        Ok(candidate)
    }

    /// Follows the leadership: the leader of now, then every new leader and every new value.
    /// The channel closes when the watch is lost. Must be called inside a tokio runtime.
    #[must_use]
    pub fn observe(&self, client: &Client) -> mpsc::Receiver<RangeResponse> {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        let (client, prefix) = (client.clone(), prefix_of(&self.name));
        tokio::spawn(async move {
            // The observer learns of the failure from the closed channel.
            let _ = follow(&client, &prefix, &sender).await;
        });
        receiver
    }

    /// Withdraws the session's candidacy.
    pub async fn abandon(&self, session: &Session) -> Result<(), ClientError> {
        let request = DeleteRangeRequest {
            key: key_of(&self.name, session.lease()),
            ..DeleteRangeRequest::default()
        };
        session.client().delete_range(request).await?;
        Ok(())
    }
}

impl Candidate<'_> {
    /// The key that holds the leadership.
    #[must_use]
    pub fn key(&self) -> &Bytes {
        &self.key
    }

    /// Changes the value without a new election.
    pub async fn proclaim(&self, value: &Bytes) -> Result<(), ClientError> {
        let put = PutRequest {
            key: self.key.clone(),
            value: value.clone(),
            lease: self.session.lease(),
            ..PutRequest::default()
        };
        let answer = self.guarded(Request::RequestPut(put)).await?;
        if answer {
            Ok(())
        } else {
            Err(ClientError::NotLeader)
        }
    }

    /// Gives the leadership up; one that was lost already is no error.
    pub async fn resign(self) -> Result<(), ClientError> {
        let delete = DeleteRangeRequest {
            key: self.key.clone(),
            ..DeleteRangeRequest::default()
        };
        self.guarded(Request::RequestDeleteRange(delete)).await?;
        Ok(())
    }

    /// Runs `request` if the key is still the one that was elected.
    async fn guarded(&self, request: Request) -> Result<bool, ClientError> {
        let txn = TxnRequest {
            compare: vec![created_at(self.key.clone(), self.revision)],
            success: vec![op(request)],
            failure: vec![],
        };
        Ok(self.session.client().txn(txn).await?.succeeded)
    }
}

async fn follow(
    client: &Client,
    prefix: &str,
    sender: &mpsc::Sender<RangeResponse>,
) -> Result<(), ClientError> {
    loop {
        let found = client.range(oldest(prefix)).await?;
        let revision = found.header.map_or(0, |header| header.revision);
        let Some(leader) = found.kvs.first() else {
            wait_for_put(client, prefix, revision + 1).await?;
            continue;
        };
        let key = leader.key.clone();
        if sender.send(found).await.is_err() {
            return Ok(());
        }
        follow_leader(client, key, revision + 1, sender).await?;
        if sender.is_closed() {
            return Ok(());
        }
    }
}

/// Waits until there is a candidate.
async fn wait_for_put(client: &Client, prefix: &str, revision: i64) -> Result<(), ClientError> {
    let watcher = client.watcher(false);
    let request = WatchCreateRequest {
        key: prefix.as_bytes().to_vec().into(),
        range_end: prefix_end(prefix.as_bytes()),
        start_revision: revision,
        ..WatchCreateRequest::default()
    };
    let mut watch = watcher.watch(request).await;
    while let Some(answer) = watch.next().await {
        let answer = answer?;
        let put = |event: &proto::mvccpb::Event| event.r#type() == EventType::Put;
        if answer.canceled || answer.events.iter().any(put) {
            return Ok(());
        }
    }
    Err(ClientError::Canceled)
}

/// Reports new values of one leader until its key is deleted.
async fn follow_leader(
    client: &Client,
    key: Bytes,
    revision: i64,
    sender: &mpsc::Sender<RangeResponse>,
) -> Result<(), ClientError> {
    let watcher = client.watcher(false);
    let request = WatchCreateRequest {
        key,
        start_revision: revision,
        ..WatchCreateRequest::default()
    };
    let mut watch = watcher.watch(request).await;
    loop {
        let answer = tokio::select! {
            answer = watch.next() => answer.ok_or(ClientError::Canceled)??,
            () = sender.closed() => return Ok(()),
        };
        for event in answer.events {
            if event.r#type() == EventType::Delete {
                return Ok(());
            }
            let changed = RangeResponse {
                header: answer.header,
                kvs: event.kv.into_iter().collect(),
                ..RangeResponse::default()
            };
            if sender.send(changed).await.is_err() {
                return Ok(());
            }
        }
        if answer.canceled {
            return Ok(());
        }
    }
}
