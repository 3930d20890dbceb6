//! Clients that each wait for an answer before they ask again.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use crate::process::Usage;
use crate::requests::{Ask, Requests};
use crate::target::{Target, Wire};

/// How long a load runs before it is measured.
const WARM_UP: Duration = Duration::from_secs(1);
/// How often an answer is looked for where there was none.
const LOOK: Duration = Duration::from_millis(10);

/// How many clients there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) connections: usize,
    /// Clients that share a connection.
    pub(crate) clients: usize,
    /// Time from one request of a client to its next; none asks again at once.
    pub(crate) pace: Option<Duration>,
}

impl Shape {
    /// Clients that ask as fast as they are answered.
    pub(crate) const fn eager(connections: usize, clients: usize) -> Self {
        Self {
            connections,
            clients,
            pace: None,
        }
    }

    /// Clients, each with a connection, that ask once in `pace`.
    pub(crate) const fn paced(connections: usize, pace: Duration) -> Self {
        Self {
            connections,
            clients: 1,
            pace: Some(pace),
        }
    }
}

/// What is asked of whom; connections go to the targets in turn.
#[derive(Clone)]
pub(crate) struct Load<'a> {
    pub(crate) targets: &'a [Target],
    pub(crate) ask: Ask,
    pub(crate) shape: Shape,
}

/// What was seen while a load was measured.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) elapsed: Duration,
    /// How long each call took, in nanoseconds, sorted.
    pub(crate) latencies: Vec<u64>,
    /// What the servers used.
    pub(crate) server: Usage,
    /// What this program used.
    pub(crate) load: Usage,
}

struct Clients {
    path: &'static str,
    pace: Option<Duration>,
    requests: RefCell<Requests>,
    is_measured: Cell<bool>,
    latencies: RefCell<Vec<u64>>,
}

/// The calls of one connection that have no answer yet, and since when.
type Calls = Vec<(u32, Instant)>;

/// A load that runs until it is dropped or has nothing more to ask for.
pub(crate) struct Running {
    clients: Rc<Clients>,
    tasks: JoinSet<Result<()>>,
}

/// Runs a load, and measures it from the end of its warm-up until `window` ends.
pub(crate) async fn measure<T>(
    load: Load<'_>,
    pids: &[u32],
    window: impl Future<Output = Result<T>>,
) -> Result<(Measured, T)> {
    let mut running = load.start();
    let clients = Rc::clone(&running.clients);
    let watch = async {
        tokio::time::sleep(WARM_UP).await;
        let (begin, server, load) = (Instant::now(), Usage::of_all(pids)?, own_usage()?);
        clients.is_measured.set(true);
        let result = window.await?;
        // A server that is busy otherwise may take longer for one answer.
        while clients.latencies.borrow().is_empty() {
            tokio::time::sleep(LOOK).await;
        }
        clients.is_measured.set(false);
        let measured = Measured {
            elapsed: begin.elapsed(),
            latencies: Vec::new(),
            server: Usage::of_all(pids)?.since(server),
            load: own_usage()?.since(load),
        };
        anyhow::Ok((measured, result))
    };
    let (mut measured, result) = tokio::select! {
        watched = watch => watched?,
        Err(error) = running.ended() => return Err(error),
    };
    measured.latencies = clients.latencies.take();
    measured.latencies.sort_unstable();
    Ok((measured, result))
}

/// A window of so many seconds.
pub(crate) async fn for_seconds(seconds: u64) -> Result<()> {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    Ok(())
}

fn own_usage() -> Result<Usage> {
    Usage::of(std::process::id())
}

impl Load<'_> {
    /// Starts the clients.
    pub(crate) fn start(&self) -> Running {
        let requests = Requests::new(self.ask);
        let clients = Rc::new(Clients {
            path: requests.path(),
            pace: self.shape.pace,
            requests: RefCell::new(requests),
            is_measured: Cell::new(false),
            latencies: RefCell::default(),
        });
        let mut tasks = JoinSet::new();
        for target in self.targets.iter().cycle().take(self.shape.connections) {
            let (clients, target, count) =
                (Rc::clone(&clients), target.clone(), self.shape.clients);
            tasks.spawn_local(async move { clients.share_connection(&target, count).await });
        }
        Running { clients, tasks }
    }

    /// Runs a load that has an end.
    pub(crate) async fn run_to_end(&self) -> Result<()> {
        let mut running = self.start();
        while let Some(ended) = running.tasks.join_next().await {
            ended.context("a client has failed")??;
        }
        Ok(())
    }
}

impl Running {
    /// Ends all clients, none of which should have ended before.
    pub(crate) fn stop(mut self) -> Result<()> {
        match self.tasks.try_join_next() {
            None => Ok(()),
            Some(ended) => {
                ended.context("a client has failed")??;
                bail!("a client has ended early")
            }
        }
    }

    /// Waits for the end of a client that should have none.
    async fn ended(&mut self) -> Result<()> {
        let ended = self.tasks.join_next().await;
        ended
            .context("there is no client")?
            .context("a client has failed")??;
        bail!("a client has ended early")
    }
}

impl Clients {
    /// Serves the clients of one connection, until there is nothing more to ask for.
    async fn share_connection(&self, target: &Target, count: usize) -> Result<()> {
        let mut wire = target.connect(self.path).await?;
        let mut calls: Calls = Vec::with_capacity(count);
        let mut ended = Vec::new();
        let mut now = Instant::now();
        self.ask(count, now, &mut wire, &mut calls);
        while !calls.is_empty() {
            wire.turn(&mut ended).await?;
            let answered = Instant::now();
            let mut asked = now;
            for call in &ended {
                ensure!(call.message_bytes.is_some(), "{} failed", self.path);
                let at = calls.iter().position(|(stream, _)| *stream == call.stream);
                (_, asked) = calls.swap_remove(at.context("an answer to no call")?);
                if self.is_measured.get() {
                    let took = (answered - asked).as_nanos() as u64;
                    self.latencies.borrow_mut().push(took);
                }
            }
            now = match self.pace {
                Some(pace) if !ended.is_empty() => wait(asked + pace).await,
                _ => answered,
            };
            self.ask(ended.len(), now, &mut wire, &mut calls);
            ended.clear();
        }
        Ok(())
    }

    fn ask(&self, count: usize, now: Instant, wire: &mut Wire, calls: &mut Calls) {
        let mut requests = self.requests.borrow_mut();
        for _ in 0..count {
            let Some(message) = requests.next() else {
                return;
            };
            calls.push((wire.call(message), now));
        }
    }
}

/// Waits until a request is due, and says since when it counts as asked: one that is late because the
/// call before it took long is late through the server's fault.
async fn wait(due: Instant) -> Instant {
    if Instant::now() >= due {
        return due;
    }
    sleep_until(due.into()).await;
    Instant::now()
}
