//! Leases that are kept alive: one renewal every third of their time to live.

use std::time::Duration;

use proto::error::Error as Known;
use proto::etcdserverpb::{LeaseKeepAliveRequest, LeaseKeepAliveResponse};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};

use crate::call::{Client, ResponseStream, Rpc};
use crate::error::ClientError;

/// The pause before a failed renewal is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Renewals that may wait for a receiver that does not look.
const BACKLOG: usize = 16;

const RPC: Rpc = Rpc {
    path: "/etcdserverpb.Lease/LeaseKeepAlive",
    repeatable: true,
};

/// The renewals of one lease; it ends when the lease is gone.
#[derive(Debug)]
pub struct KeepAlive {
    renewals: mpsc::Receiver<LeaseKeepAliveResponse>,
}

impl KeepAlive {
    /// The next renewal, or `None` when the lease has expired or was revoked.
    pub async fn next(&mut self) -> Option<LeaseKeepAliveResponse> {
        self.renewals.recv().await
    }
}

impl Client {
    /// Renews a lease once.
    pub async fn keep_alive_once(&self, id: i64) -> Result<LeaseKeepAliveResponse, ClientError> {
        let mut stream = Renewals::open(self, id).await?;
        let answer = stream.answer().await?;
        if answer.ttl <= 0 {
            return Err(ClientError::Server(Known::LeaseNotFound));
        }
        Ok(answer)
    }

    /// Renews a lease until it is gone or the result is dropped. Must be called inside a tokio
    /// runtime.
    #[must_use]
    pub fn keep_alive(&self, id: i64) -> KeepAlive {
        let (sender, renewals) = mpsc::channel(BACKLOG);
        tokio::spawn(renew(self.clone(), id, sender));
        KeepAlive { renewals }
    }
}

async fn renew(client: Client, id: i64, sender: mpsc::Sender<LeaseKeepAliveResponse>) {
    // The lease's own time is not known before the first answer.
    let patience = client.config().dial_timeout + Duration::from_secs(1);
    let mut alive_until = Instant::now() + patience;
    let mut stream: Option<Renewals> = None;
    loop {
        let attempt = async {
            match stream.as_mut() {
                Some(open) => open.renew(id).await,
                None => {
                    stream
                        .insert(Renewals::open(&client, id).await?)
                        .answer()
                        .await
                }
            }
        };
        let outcome = tokio::select! {
            outcome = timeout_at(alive_until, attempt) => outcome,
            () = sender.closed() => return,
        };
        let pause = match outcome {
            Ok(Ok(answer)) if answer.ttl > 0 => {
                let ttl = Duration::from_secs(answer.ttl.unsigned_abs());
                alive_until = Instant::now() + ttl;
                // A full queue drops the notice, not the renewal.
                let _ = sender.try_send(answer);
                ttl / 3
            }
            Ok(Ok(_)) | Err(_) => return,
            Ok(Err(_)) => {
                stream = None;
                RETRY_PAUSE
            }
        };
        tokio::select! {
            () = sleep(pause) => {}
            () = sender.closed() => return,
        }
    }
}

/// One open keep-alive stream.
struct Renewals {
    requests: mpsc::Sender<LeaseKeepAliveRequest>,
    answers: ResponseStream<LeaseKeepAliveResponse>,
}

impl Renewals {
    /// Opens a stream and asks for the first renewal.
    async fn open(client: &Client, id: i64) -> Result<Self, ClientError> {
        let first = vec![LeaseKeepAliveRequest { id }];
        let (requests, answers) = client.bidi(RPC, true, first).await?;
        Ok(Self { requests, answers })
    }

    async fn renew(&mut self, id: i64) -> Result<LeaseKeepAliveResponse, ClientError> {
        // A stream that takes no request says why in its answer.
        let _ = self.requests.send(LeaseKeepAliveRequest { id }).await;
        self.answer().await
    }

    async fn answer(&mut self) -> Result<LeaseKeepAliveResponse, ClientError> {
        let answer = self.answers.next().await?;
        answer.ok_or(ClientError::Incomplete {
            method: "LeaseKeepAlive",
            what: "a renewal",
        })
    }
}
