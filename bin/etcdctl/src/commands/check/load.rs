//! A load of puts: so many clients, so many keys, at most so fast.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use client::{Client, ClientError};
use proto::etcdserverpb::PutRequest;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::exit::Exit;
use crate::invocation::Session;

/// What is written, and how.
#[derive(Clone, Debug)]
pub(super) struct Load {
    pub(super) prefix: String,
    pub(super) clients: usize,
    pub(super) key_bytes: usize,
    pub(super) value_bytes: usize,
    /// How many puts in all.
    pub(super) puts: u64,
    /// Puts a second; `None` for as many as possible.
    pub(super) rate: Option<u64>,
    /// When to stop, even if puts are left.
    pub(super) until: Option<Duration>,
}

/// How one put went.
pub(super) type Outcome = Result<Duration, ClientError>;

/// Outcomes that may wait to be counted.
const BACKLOG: usize = 1024;

struct Shared {
    load: Load,
    start: Instant,
    /// Puts that somebody has taken on.
    taken: AtomicU64,
}

impl Load {
    /// Runs the load; the outcomes come through the returned channel, which closes at the end.
    pub(super) async fn run(self, session: &Session) -> Result<mpsc::Receiver<Outcome>, Exit> {
        let mut clients = Vec::with_capacity(self.clients);
        for _ in 0..self.clients {
            clients.push(session.client().await?);
        }
        let (sender, outcomes) = mpsc::channel(BACKLOG);
        let shared = Arc::new(Shared {
            load: self,
            start: Instant::now(),
            taken: AtomicU64::new(0),
        });
        let mut workers = JoinSet::new();
        for client in clients {
            workers.spawn(work(client, Arc::clone(&shared), sender.clone()));
        }
        workers.detach_all();
        Ok(outcomes)
    }
}

async fn work(client: Client, shared: Arc<Shared>, outcomes: mpsc::Sender<Outcome>) {
    let load = &shared.load;
    let value = Bytes::from(vec![0; load.value_bytes]);
    let end = load.until.map(|until| shared.start + until);
    loop {
        let number = shared.taken.fetch_add(1, Ordering::Relaxed);
        if number >= load.puts {
            return;
        }
        if let Some(rate) = load.rate {
            // Every put has its own moment, so that a slow one delays no other.
            sleep_until(shared.start + Duration::from_nanos(number * 1_000_000_000 / rate)).await;
        }
        if end.is_some_and(|end| Instant::now() >= end) {
            return;
        }
        let request = PutRequest {
            key: key(&load.prefix, number, load.key_bytes),
            value: value.clone(),
            ..PutRequest::default()
        };
        let start = Instant::now();
        let outcome = client.put(request).await.map(|_| start.elapsed());
        if outcomes.send(outcome).await.is_err() {
            return;
        }
    }
}

/// A key of its own for every put, spread over the range.
fn key(prefix: &str, number: u64, bytes: usize) -> Bytes {
    // An odd factor makes the product a permutation of all numbers.
    let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut key = prefix.as_bytes().to_vec();
    key.extend_from_slice(&spread.to_be_bytes());
    key.resize(prefix.len() + bytes, 0);
    key.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Puts to one key would measure something else.
    #[test]
    fn keys_differ_and_have_their_length() {
        let keys: BTreeSet<Bytes> = (0..1000).map(|number| key("p/", number, 256)).collect();
        assert_eq!(keys.len(), 1000);
        assert!(
            keys.iter()
                .all(|key| key.len() == 258 && key.starts_with(b"p/"))
        );
    }
}
