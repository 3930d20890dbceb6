//! CVE-2026-73500 with many: those who say nothing cost little, and keep nobody waiting.
//!
//! `CROWD_SECONDS` makes the crowd stay that long; whoever is sent away comes again.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use certificates::Wish;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpSocket, TcpStream};

use crate::world::{Outcome, World};
use crate::{SOON, is_served};

const CROWD: usize = 20_000;
/// What one silent connection may cost the member.
const BYTES_EACH_MAX: u64 = 4096;
/// A crowd that shows something; machines with few descriptors get no larger one.
const CROWD_MIN: usize = 10_000;
/// Descriptors for everything else.
const OTHERS: u64 = 1000;
/// Descriptors for the crowd and everything else.
const DESCRIPTORS: u64 = CROWD as u64 + OTHERS;

/// The resident memory of a process.
fn resident(pid: u32) -> Outcome<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes: u64 = line
        .and_then(|line| line.split_whitespace().next())
        .ok_or("no VmRSS")?
        .parse()?;
    Ok(kilobytes * 1024)
}

/// Gives this process, and those that it starts, as many descriptors as it may; how large a crowd
/// they serve.
fn raise_descriptors() -> Outcome<usize> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(DESCRIPTORS).min(DESCRIPTORS);
    let limit = Rlimit {
        current: Some(wanted),
        maximum,
    };
    setrlimit(Resource::Nofile, limit)?;
    let crowd = usize::try_from(wanted.saturating_sub(OTHERS))?.min(CROWD);
    if crowd < CROWD_MIN {
        return Err(
            format!("this test needs more file descriptors than {wanted} (ulimit -n)").into(),
        );
    }
    Ok(crowd)
}

/// Each from one of several addresses: one alone has not enough ports.
async fn come(number: usize, to: SocketAddr) -> Outcome<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    let host = u8::try_from(2 + number % 8)?;
    socket.bind(SocketAddr::from(([127, 0, 0, host], 0)))?;
    Ok(socket.connect(to).await?)
}

/// Whether the other side has hung up.
fn is_gone(stream: &TcpStream) -> bool {
    let mut byte = [0];
    !matches!(stream.try_read(&mut byte), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

#[tokio::test]
async fn cve_2026_73500_twenty_thousand_silent_connections() -> Outcome {
    let size = raise_descriptors()?;
    let world = World::new()?;
    let member = world.start()?;
    let visitor = world.client(&Wish::default())?;
    // Whatever is made once is made now.
    assert!(is_served(member.port(), "/health", visitor.clone()).await);
    let pid = member.pid()?;
    let before = resident(pid)?;
    let to = SocketAddr::from(([127, 0, 0, 1], member.port()));
    let mut crowd = Vec::new();
    let began = Instant::now();
    for number in 0..size {
        crowd.push(come(number, to).await?);
    }
    let stay = std::env::var("CROWD_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok());
    let stay = Duration::from_secs(stay.unwrap_or(0));
    let mut slowest = Duration::ZERO;
    loop {
        let asked = Instant::now();
        assert!(is_served(member.port(), "/health", visitor.clone()).await);
        slowest = slowest.max(asked.elapsed());
        if began.elapsed() >= stay {
            break;
        }
        for (number, stream) in crowd.iter_mut().enumerate() {
            if is_gone(stream) {
                *stream = come(number, to).await?;
            }
        }
    }
    let each = resident(pid)?.saturating_sub(before) / size as u64;
    println!("{size} silent connections: {each} bytes each, a new client served in {slowest:?}");
    assert!(slowest < SOON);
    assert!(each <= BYTES_EACH_MAX, "{each} bytes each");
    Ok(())
}
