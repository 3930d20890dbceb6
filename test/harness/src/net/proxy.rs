//! Proxies in the test's process, in front of each member's port for peers.
//!
//! A link that is cut holds its bytes back: TCP would go on to send them again, so that they come once
//! the link works. A connection's two directions are two queues, each emptied in time.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::dialer;
use super::rules::Rules;
use super::{Home, Network, Weather};

/// Bytes read at once.
const CHUNK: usize = 16 << 10;
/// Chunks on their way in one direction of a connection.
const ON_THE_WAY: usize = 256;

/// The proxies of a cluster; gone when dropped.
pub(super) struct Proxies {
    runtime: Runtime,
    rules: watch::Sender<Rules>,
    size: usize,
}

impl Proxies {
    pub(super) fn new() -> Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        Ok(Self {
            runtime,
            rules: watch::Sender::default(),
            size: 0,
        })
    }
}

impl Network for Proxies {
    fn settle(&mut self, place: usize, peer_port: u16) -> Result<Home> {
        let host = Ipv4Addr::LOCALHOST;
        let listener = self.runtime.block_on(TcpListener::bind((host, 0)))?;
        let advertised_peer = Some(listener.local_addr()?.port());
        let rules = self.rules.subscribe();
        self.runtime
            .spawn(accept(listener, place, peer_port, rules));
        self.size = self.size.max(place + 1);
        Ok(Home {
            host,
            launcher: Vec::new(),
            advertised_peer,
        })
    }

    fn set_reach(&self, from: usize, to: usize, reaches: bool) -> Result<()> {
        self.rules
            .send_modify(|rules| rules.set_reach(from, to, reaches));
        Ok(())
    }

    fn set_weather(&self, place: usize, weather: Weather) -> Result<()> {
        self.rules
            .send_modify(|rules| rules.set_weather(place, weather));
        Ok(())
    }

    fn set_width(&self, place: usize, bytes_per_second: u64) -> Result<()> {
        self.rules
            .send_modify(|rules| rules.set_width(place, bytes_per_second));
        Ok(())
    }

    fn size(&self) -> usize {
        self.size
    }
}

async fn accept(listener: TcpListener, to: usize, port: u16, rules: watch::Receiver<Rules>) {
    while let Ok((stream, from)) = listener.accept().await {
        let rules = rules.clone();
        tokio::spawn(async move {
            // Whoever is gone again wants nothing.
            if let Some(from) = dialer::place_of(from.port()) {
                let _ = join(stream, from, to, port, rules).await;
            }
        });
    }
}

/// Joins a connection of the member at `from` to the member at `to`.
async fn join(
    dialled: TcpStream,
    from: usize,
    to: usize,
    port: u16,
    rules: watch::Receiver<Rules>,
) -> io::Result<()> {
    open(&rules, from, to).await;
    let reached = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    for stream in [&dialled, &reached] {
        stream.set_nodelay(true)?;
    }
    let (dialled, reached) = (dialled.into_split(), reached.into_split());
    // When one side is gone, so is the connection.
    tokio::select! {
        () = carry(dialled.0, reached.1, (from, to), rules.clone()) => {}
        () = carry(reached.0, dialled.1, (to, from), rules) => {}
    }
    Ok(())
}

/// Waits until bytes pass.
async fn open(rules: &watch::Receiver<Rules>, from: usize, to: usize) {
    let mut rules = rules.clone();
    // The network ends with the test.
    let _ = rules.wait_for(|rules| rules.is_open(from, to)).await;
}

/// Carries one direction of a connection to its end.
async fn carry(
    source: OwnedReadHalf,
    target: OwnedWriteHalf,
    link: (usize, usize),
    rules: watch::Receiver<Rules>,
) {
    let (sender, receiver) = mpsc::channel(ON_THE_WAY);
    let _ = tokio::join!(
        take(source, sender, link.0, rules.clone()),
        give(target, receiver, link, rules)
    );
}

type Chunk = (Instant, Vec<u8>);

async fn take(
    mut source: OwnedReadHalf,
    sender: mpsc::Sender<Chunk>,
    from: usize,
    rules: watch::Receiver<Rules>,
) -> io::Result<()> {
    let mut dice = Dice(u64::from(source.peer_addr()?.port()));
    loop {
        let mut bytes = vec![0; CHUNK];
        let length = source.read(&mut bytes).await?;
        bytes.truncate(length);
        let delay = rules.borrow().delay(from, dice.throw());
        if length == 0 || sender.send((Instant::now() + delay, bytes)).await.is_err() {
            return Ok(());
        }
    }
}

async fn give(
    mut target: OwnedWriteHalf,
    mut receiver: mpsc::Receiver<Chunk>,
    (from, to): (usize, usize),
    rules: watch::Receiver<Rules>,
) -> io::Result<()> {
    while let Some((due, bytes)) = receiver.recv().await {
        sleep_until(due).await;
        open(&rules, from, to).await;
        let busy = rules.borrow().busy(to, bytes.len());
        if busy > Duration::ZERO {
            sleep(busy).await;
        }
        target.write_all(&bytes).await?;
    }
    Ok(())
}

/// Numbers that look random, from a connection's port.
struct Dice(u64);

impl Dice {
    /// A number below 100.
    fn throw(&mut self) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % 100) as u32
    }
}
