//! Leases that are kept alive: all renewals of a caller go over one stream to a member.
//!
//! Renewals of the same lease that come while one is under way are answered with it. Nothing is
//! renewed that nobody asks for: when callers go, their leases run out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use client::ResponseStream;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use prost::Message as _;
use proto::error::Code;
use proto::etcdserverpb::{LeaseKeepAliveRequest, LeaseKeepAliveResponse};
use rpc::{Inbound, Outbound, Status};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

use super::backend::Backend;
use super::failure::{is_passing, status};
use super::who::{PATIENCE, Who};

const PATH: &str = "/etcdserverpb.Lease/LeaseKeepAlive";
/// Renewals of one caller that may wait to be sent.
const ASKS_MAX: usize = 1024;
/// Renewals of one stream that may be under way.
const STREAM_MAX: usize = 64;
/// The pause before a broken stream is opened again.
const REOPEN_PAUSE: Duration = Duration::from_millis(100);
/// How long a stream is kept for a caller that does not come back.
const IDLE_MAX: Duration = Duration::from_secs(60);

type Renewed = Result<LeaseKeepAliveResponse, Status>;

/// The streams of all callers.
pub(super) struct Renewals {
    asks: Mutex<BTreeMap<Who, mpsc::Sender<Ask>>>,
    backend: Arc<Backend>,
    runtime: Handle,
    shared: AtomicU64,
}

struct Ask {
    id: i64,
    answer: oneshot::Sender<Renewed>,
}

impl Renewals {
    /// Streams that run on `runtime`.
    pub(super) fn new(backend: Arc<Backend>, runtime: Handle) -> Self {
        Self {
            asks: Mutex::default(),
            backend,
            runtime,
            shared: AtomicU64::new(0),
        }
    }

    /// Renewals that did not have to be asked for.
    pub(super) fn shared(&self) -> u64 {
        self.shared.load(Ordering::Relaxed)
    }

    /// Serves one stream of a caller.
    pub(super) async fn serve(
        self: Arc<Self>,
        who: Who,
        mut inbound: Inbound,
        outbound: Outbound,
    ) -> Result<(), Status> {
        let mut under_way = FuturesUnordered::new();
        let mut is_open = true;
        while is_open || !under_way.is_empty() {
            outbound.ready().await.map_err(|_| Status::cancelled())?;
            tokio::select! {
                message = inbound.next(), if is_open && under_way.len() < STREAM_MAX => match message {
                    Some(message) => {
                        let request = LeaseKeepAliveRequest::decode(message?);
                        let id = request.map_err(|_| Status::undecodable())?.id;
                        under_way.push(self.renew(&who, id));
                    }
                    None => is_open = false,
                },
                Some(renewed) = under_way.next(), if !under_way.is_empty() => {
                    let message = renewed?.encode_to_vec().into();
                    outbound.push(message).map_err(|_| Status::cancelled())?;
                }
            }
        }
        Ok(())
    }

    async fn renew(self: &Arc<Self>, who: &Who, id: i64) -> Renewed {
        let (answer, renewed) = oneshot::channel();
        let mut ask = Ask { id, answer };
        // A stream may end just when it is asked; a new one is not so tired.
        for _ in 0..2 {
            match self.asks_of(who).send(ask).await {
                Ok(()) => break,
                Err(mpsc::error::SendError(refused)) => ask = refused,
            }
        }
        let lost = |_| Status::new(Code::Unavailable, "transport: the stream has ended");
        renewed.await.map_err(lost)?
    }

    fn asks_of(self: &Arc<Self>, who: &Who) -> mpsc::Sender<Ask> {
        let mut all = self.lock();
        if let Some(asks) = all.get(who).filter(|asks| !asks.is_closed()) {
            return asks.clone();
        }
        let (sender, asks) = mpsc::channel(ASKS_MAX);
        all.insert(who.clone(), sender.clone());
        let stream = Stream {
            renewals: Arc::clone(self),
            who: who.clone(),
            waiting: BTreeMap::new(),
            open: None,
            lost: None,
        };
        self.runtime.spawn(stream.run(asks));
        sender
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Who, mpsc::Sender<Ask>>> {
        self.asks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The stream of one caller.
struct Stream {
    renewals: Arc<Renewals>,
    who: Who,
    /// Who waits for which lease.
    waiting: BTreeMap<i64, Vec<oneshot::Sender<Renewed>>>,
    open: Option<Open>,
    /// Since when there is no stream.
    lost: Option<Instant>,
}

struct Open {
    requests: mpsc::Sender<LeaseKeepAliveRequest>,
    answers: ResponseStream<LeaseKeepAliveResponse>,
}

impl Stream {
    async fn run(mut self, mut asks: mpsc::Receiver<Ask>) {
        loop {
            let has_work = !self.waiting.is_empty();
            if has_work && self.open.is_none() {
                self.reopen().await;
                continue;
            }
            tokio::select! {
                ask = timeout(IDLE_MAX, asks.recv()) => match ask {
                    Ok(Some(ask)) => self.take(ask).await,
                    Err(_) if has_work => {}
                    // Asks that came meanwhile are refused, and made anew.
                    Ok(None) | Err(_) => {
                        asks.close();
                        while let Some(ask) = asks.recv().await {
                            self.take(ask).await;
                        }
                        if self.waiting.is_empty() {
                            return;
                        }
                    }
                },
                answer = next(&mut self.open), if has_work => match answer {
                    Ok(answer) => self.tell(answer),
                    Err(failure) => self.rest(failure).await,
                }
            }
        }
    }

    async fn take(&mut self, ask: Ask) {
        let waiting = self.waiting.entry(ask.id).or_default();
        // Those who have gone meanwhile want nothing any more.
        waiting.retain(|answer| !answer.is_closed());
        let is_under_way = !waiting.is_empty();
        waiting.push(ask.answer);
        if is_under_way {
            self.renewals.shared.fetch_add(1, Ordering::Relaxed);
        } else if let Some(open) = &self.open {
            // A stream that takes nothing says why in its next answer.
            let _ = open
                .requests
                .send(LeaseKeepAliveRequest { id: ask.id })
                .await;
        }
    }

    fn tell(&mut self, answer: LeaseKeepAliveResponse) {
        self.lost = None;
        for waiting in self.waiting.remove(&answer.id).unwrap_or_default() {
            // Who is gone does not want to know.
            let _ = waiting.send(Ok(answer));
        }
    }

    async fn reopen(&mut self) {
        let first = self
            .waiting
            .keys()
            .map(|id| LeaseKeepAliveRequest { id: *id });
        let first = first.collect();
        let opened = match self.renewals.backend.client_of(&self.who) {
            Ok(client) => client.relay_both(PATH, first).await,
            Err(error) => Err(error),
        };
        match opened {
            Ok((requests, answers)) => self.open = Some(Open { requests, answers }),
            Err(error) => self.rest(status(error)).await,
        }
    }

    /// Waits a little after a failure that passes; tells everybody of one that does not.
    async fn rest(&mut self, failure: Status) {
        self.open = None;
        let lost = *self.lost.get_or_insert_with(Instant::now);
        if is_passing(&failure) && lost.elapsed() < PATIENCE {
            sleep(REOPEN_PAUSE).await;
            return;
        }
        self.lost = None;
        for waiting in std::mem::take(&mut self.waiting).into_values().flatten() {
            let _ = waiting.send(Err(failure.clone()));
        }
    }
}

/// The next answer of an open stream. Safe to drop while waiting.
async fn next(open: &mut Option<Open>) -> Renewed {
    let Some(open) = open else {
        return std::future::pending().await;
    };
    let answer = open.answers.next().await.map_err(status)?;
    answer.ok_or_else(|| Status::new(Code::Unavailable, "transport: the stream has ended"))
}
