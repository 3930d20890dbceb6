//! A lease that lives as long as somebody holds on to it.

use proto::etcdserverpb::LeaseGrantRequest;
use tokio::sync::Mutex;

use crate::call::Client;
use crate::error::ClientError;
use crate::keepalive::KeepAlive;

/// A lease with its keep-alive. Dropping it lets the lease run out.
#[derive(Debug)]
pub struct Session {
    client: Client,
    lease: i64,
    /// Held by whoever waits for the end of the session.
    renewals: Mutex<KeepAlive>,
}

impl Session {
    /// Creates a lease of `ttl` seconds and keeps it alive.
    pub async fn open(client: &Client, ttl: i64) -> Result<Self, ClientError> {
        let granted = client.lease_grant(LeaseGrantRequest { ttl, id: 0 }).await?;
        Ok(Self {
            client: client.clone(),
            lease: granted.id,
            renewals: Mutex::new(client.keep_alive(granted.id)),
        })
    }

    /// The client that the session was opened with.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The session's lease.
    #[must_use]
    pub fn lease(&self) -> i64 {
        self.lease
    }

    /// Returns when the lease is gone.
    pub async fn expired(&self) {
        let mut renewals = self.renewals.lock().await;
        while renewals.next().await.is_some() {}
    }
}
