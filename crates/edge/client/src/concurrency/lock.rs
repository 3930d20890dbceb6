//! A lock that one session at a time holds.

use bytes::Bytes;
use proto::etcdserverpb::{
    DeleteRangeRequest, PutRequest, ResponseHeader, TxnRequest, request_op::Request,
};

use super::queue::{created_at, get, key_of, oldest, op, prefix_of, range_answer, wait_for_front};
use super::session::Session;
use crate::error::ClientError;

/// A named lock, as seen by one session.
#[derive(Debug)]
pub struct Lock<'a> {
    session: &'a Session,
    name: String,
}

/// The lock while it is held. It is given back by [`LockGuard::unlock`] or with the session's
/// lease, not by dropping.
#[derive(Debug)]
pub struct LockGuard<'a> {
    session: &'a Session,
    key: Bytes,
    header: ResponseHeader,
}

impl<'a> Lock<'a> {
    /// Names a lock; nothing is sent.
    #[must_use]
    pub fn new(session: &'a Session, name: &str) -> Self {
        let name = name.to_owned();
        Self { session, name }
    }

    /// Waits for the lock.
    pub async fn acquire(&self) -> Result<LockGuard<'a>, ClientError> {
        let key = key_of(&self.name, self.session.lease());
        let client = self.session.client();
        let own = self.enqueue(&key).await?;
        let header = match own {
            Place::First(header) => header,
            Place::Waiting { since } => {
                wait_for_front(client, &prefix_of(&self.name), since - 1).await?;
                // The own key vanishes with the lease.
                let found = client.range(get(key.clone())).await?;
                if found.kvs.is_empty() {
                    return Err(ClientError::SessionExpired);
                }
                found.header.unwrap_or_default()
            }
        };
        Ok(LockGuard {
            session: self.session,
            key,
            header,
        })
    }

    /// Takes the session's own key out of the queue.
    pub async fn abandon(&self) -> Result<(), ClientError> {
        let key = key_of(&self.name, self.session.lease());
        delete(self.session, key).await
    }

    async fn enqueue(&self, key: &Bytes) -> Result<Place, ClientError> {
        let lease = self.session.lease();
        let put = PutRequest {
            key: key.clone(),
            lease,
            ..PutRequest::default()
        };
        let owner = || op(Request::RequestRange(oldest(&prefix_of(&self.name))));
        let answer = self
            .session
            .client()
            .txn(TxnRequest {
                compare: vec![created_at(key.clone(), 0)],
                success: vec![op(Request::RequestPut(put)), owner()],
                failure: vec![op(Request::RequestRange(get(key.clone()))), owner()],
            })
            .await?;
        let header = answer.header.unwrap_or_default();
        let since = if answer.succeeded {
            header.revision
        } else {
            let own = range_answer(&answer.responses, 0).and_then(|range| range.kvs.first());
            own.map_or(header.revision, |kv| kv.create_revision)
        };
        let owner = range_answer(&answer.responses, 1).and_then(|range| range.kvs.first());
        Ok(match owner {
            Some(owner) if owner.create_revision != since => Place::Waiting { since },
            Some(_) | None => Place::First(header),
        })
    }
}

/// Where in the queue the own key is.
enum Place {
    First(ResponseHeader),
    Waiting { since: i64 },
}

impl LockGuard<'_> {
    /// The key that holds the lock.
    #[must_use]
    pub fn key(&self) -> &Bytes {
        &self.key
    }

    /// The revision at which the lock was known to be held.
    #[must_use]
    pub fn revision(&self) -> i64 {
        self.header.revision
    }

    /// Gives the lock back.
    pub async fn unlock(self) -> Result<(), ClientError> {
        delete(self.session, self.key).await
    }
}

async fn delete(session: &Session, key: Bytes) -> Result<(), ClientError> {
    let request = DeleteRangeRequest {
        key,
        ..DeleteRangeRequest::default()
    };
    session.client().delete_range(request).await?;
    Ok(())
}
