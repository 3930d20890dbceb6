//! Clients that each wait for an answer before they ask again.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::http2::Connection;
use crate::process::Usage;
use crate::requests::{Ask, Requests};

/// How long a load runs before it is measured.
const WARM_UP: Duration = Duration::from_secs(1);
/// How long a call may take before the run is given up.
const PATIENCE: Duration = Duration::from_secs(60);
/// Room for what one read brings.
const READ_BYTES: usize = 64 * 1024;

/// How many clients there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) connections: usize,
    /// Clients that share a connection.
    pub(crate) clients: usize,
}

/// What was seen while a load was measured.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) elapsed: Duration,
    /// How long each call took, in nanoseconds, sorted.
    pub(crate) latencies: Vec<u64>,
    /// What the server used.
    pub(crate) server: Usage,
    /// What this program used.
    pub(crate) load: Usage,
}

#[derive(Debug)]
struct Clients {
    address: SocketAddr,
    path: &'static str,
    requests: RefCell<Requests>,
    is_measured: Cell<bool>,
    latencies: RefCell<Vec<u64>>,
}

/// Runs a load until it has been measured for `seconds`.
pub(crate) async fn measure(
    address: SocketAddr,
    pid: u32,
    ask: Ask,
    shape: Shape,
    seconds: u64,
) -> Result<Measured> {
    let clients = Clients::new(address, ask);
    let mut running = clients.start(shape);
    let watch = async {
        tokio::time::sleep(WARM_UP).await;
        let (begin, server, load) = (Instant::now(), Usage::of(pid)?, own_usage()?);
        clients.is_measured.set(true);
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        clients.is_measured.set(false);
        anyhow::Ok((
            begin.elapsed(),
            Usage::of(pid)?.since(server),
            own_usage()?.since(load),
        ))
    };
    let (elapsed, server, load) = tokio::select! {
        measured = watch => measured?,
        Some(ended) = running.join_next() => {
            ended.context("a client has failed")??;
            bail!("a client has ended early");
        }
    };
    let mut latencies = clients.latencies.take();
    latencies.sort_unstable();
    ensure!(!latencies.is_empty(), "no call was answered");
    Ok(Measured {
        elapsed,
        latencies,
        server,
        load,
    })
}

/// Runs a load that has an end.
pub(crate) async fn run_to_end(address: SocketAddr, ask: Ask, shape: Shape) -> Result<()> {
    let mut running = Clients::new(address, ask).start(shape);
    while let Some(ended) = running.join_next().await {
        ended.context("a client has failed")??;
    }
    Ok(())
}

/// Makes one linearizable get.
pub(crate) async fn get_once(address: SocketAddr) -> Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let mut requests = Requests::new(Ask::Get { keys: 1 });
    let mut connection = Connection::new(requests.path(), &address.to_string());
    connection.call(requests.next().context("a get")?);
    let (mut input, mut ended) = (BytesMut::new(), Vec::new());
    while ended.is_empty() {
        turn(&mut stream, &mut connection, &mut input).await?;
        let taken = connection.receive(&input, &mut ended)?;
        input.advance(taken);
    }
    ensure!(ended[0].message_bytes.is_some(), "the get has failed");
    Ok(())
}

fn own_usage() -> Result<Usage> {
    Usage::of(std::process::id())
}

impl Clients {
    fn new(address: SocketAddr, ask: Ask) -> Rc<Self> {
        let requests = Requests::new(ask);
        Rc::new(Self {
            address,
            path: requests.path(),
            requests: RefCell::new(requests),
            is_measured: Cell::new(false),
            latencies: RefCell::default(),
        })
    }

    fn start(self: &Rc<Self>, shape: Shape) -> JoinSet<Result<()>> {
        let mut running = JoinSet::new();
        for _ in 0..shape.connections {
            let clients = Rc::clone(self);
            running.spawn_local(async move { clients.share_connection(shape.clients).await });
        }
        running
    }

    /// Serves the clients of one connection, until there is nothing more to ask for.
    async fn share_connection(&self, count: usize) -> Result<()> {
        let mut stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let mut connection = Connection::new(self.path, &self.address.to_string());
        let mut calls: Vec<(u32, Instant)> = Vec::with_capacity(count);
        let (mut input, mut ended) = (BytesMut::with_capacity(READ_BYTES), Vec::new());
        let mut now = Instant::now();
        self.ask(count, now, &mut connection, &mut calls);
        while !calls.is_empty() {
            turn(&mut stream, &mut connection, &mut input).await?;
            let taken = connection.receive(&input, &mut ended)?;
            input.advance(taken);
            now = Instant::now();
            for call in &ended {
                ensure!(call.message_bytes.is_some(), "{} failed", self.path);
                let at = calls.iter().position(|(stream, _)| *stream == call.stream);
                let (_, asked) = calls.swap_remove(at.context("an answer to no call")?);
                if self.is_measured.get() {
                    let took = (now - asked).as_nanos() as u64;
                    self.latencies.borrow_mut().push(took);
                }
            }
            self.ask(ended.len(), now, &mut connection, &mut calls);
            ended.clear();
        }
        Ok(())
    }

    fn ask(
        &self,
        count: usize,
        now: Instant,
        connection: &mut Connection,
        calls: &mut Vec<(u32, Instant)>,
    ) {
        let mut requests = self.requests.borrow_mut();
        for _ in 0..count {
            let Some(message) = requests.next() else {
                return;
            };
            calls.push((connection.call(message), now));
        }
    }
}

/// Writes what there is to write and reads what comes.
async fn turn(
    stream: &mut TcpStream,
    connection: &mut Connection,
    input: &mut BytesMut,
) -> Result<()> {
    let output = connection.output();
    if !output.is_empty() {
        stream.write_all(output).await?;
        output.clear();
    }
    input.reserve(READ_BYTES);
    let read = tokio::time::timeout(PATIENCE, stream.read_buf(input)).await;
    let read = read.context("the server does not answer")??;
    ensure!(read > 0, "the server has closed the connection");
    Ok(())
}
