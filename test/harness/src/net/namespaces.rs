//! Members in network namespaces, joined by a bridge.
//!
//! Who is to reach whom is decided by the neighbour tables: a link is cut, in one direction, by giving
//! the other's address a hardware address that nobody has. The frames go out and are lost, as on a
//! broken wire, and neither side is told.

use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::Result;

use super::{Home, Network, Weather};
use crate::tool;

/// What the system must permit; in namespaces of its own.
pub(super) const PROBE: &str = "\
    mkdir -p /run/netns
    mount -t tmpfs tmpfs /run/netns
    ip link add probe type bridge
    ip netns add probe
    ip link add here type veth peer name there netns probe
    ip -n probe neigh replace 198.18.0.1 lladdr 02:00:00:00:00:01 dev there nud permanent
    tc -n probe qdisc replace dev there root tbf rate 1mbit burst 32kb latency 400ms
";
/// And for latency and loss.
pub(super) const PROBE_WEATHER: &str =
    "tc -n probe qdisc replace dev there root netem delay 1ms loss 1%\n";

/// The host number of the test itself; members follow from 1 on.
const TEST: u8 = 254;
/// The hardware address of nobody.
const NOBODY: &str = "02:00:00:00:ff:ff";

/// Namespaces called `m0`, `m1`, and so on.
pub(super) struct Namespaces {
    size: u8,
}

impl Namespaces {
    /// A bridge with the test itself on it. This process is in a network and mounts of its own.
    pub(super) fn new() -> Result<Self> {
        std::fs::create_dir_all("/run/netns")?;
        run("mount -t tmpfs tmpfs /run/netns")?;
        run("ip link set lo up")?;
        run("ip link add bridge type bridge")?;
        let (host, hardware) = (address(TEST), hardware(TEST));
        run(&format!("ip link set bridge address {hardware}"))?;
        run(&format!("ip addr add {host}/24 dev bridge"))?;
        run("ip link set bridge up")?;
        Ok(Self { size: 0 })
    }
}

impl Network for Namespaces {
    fn settle(&mut self, place: usize, _peer_port: u16) -> Result<Home> {
        let number = host(place);
        let (own, card) = (address(number), hardware(number));
        run(&format!("ip netns add m{place}"))?;
        run(&format!(
            "ip link add v{place} type veth peer name eth0 netns m{place}"
        ))?;
        run(&format!("ip link set v{place} master bridge up"))?;
        run(&format!("ip -n m{place} link set lo up"))?;
        run(&format!("ip -n m{place} link set eth0 address {card} up"))?;
        run(&format!("ip -n m{place} addr add {own}/24 dev eth0"))?;
        let test = (address(TEST), hardware(TEST));
        meet(&["-n", &format!("m{place}")], "eth0", test.0, &test.1)?;
        meet(&[], "bridge", own, &card)?;
        self.size = self.size.max(number);
        for other in 0..place {
            self.set_link(place, other, true)?;
        }
        Ok(Home {
            host: own,
            launcher: vec![
                "/usr/bin/nsenter".to_owned(),
                format!("--net=/run/netns/m{place}"),
            ],
            advertised_peer: None,
        })
    }

    fn set_reach(&self, from: usize, to: usize, reaches: bool) -> Result<()> {
        let number = host(to);
        let card = match reaches {
            true => hardware(number),
            false => NOBODY.to_owned(),
        };
        meet(&["-n", &format!("m{from}")], "eth0", address(number), &card)
    }

    fn set_weather(&self, place: usize, weather: Weather) -> Result<()> {
        let Weather {
            delay,
            lost_percent,
        } = weather;
        let (delay, jitter) = (delay.as_micros(), delay.as_micros() / 4);
        run(&format!(
            "tc -n m{place} qdisc replace dev eth0 root netem delay {delay}us {jitter}us loss {lost_percent}%"
        ))
    }

    fn set_width(&self, place: usize, bytes_per_second: u64) -> Result<()> {
        match bytes_per_second {
            0 => run(&format!("tc qdisc del dev v{place} root")),
            bytes => run(&format!(
                "tc qdisc replace dev v{place} root tbf rate {}bit burst 32kb latency 400ms",
                bytes * 8
            )),
        }
    }

    fn size(&self) -> usize {
        usize::from(self.size)
    }
}

fn host(place: usize) -> u8 {
    u8::try_from(place).map_or(TEST - 1, |place| place + 1)
}

/// From the range for tests of networks (RFC 2544).
fn address(host: u8) -> Ipv4Addr {
    Ipv4Addr::new(198, 18, 0, host)
}

fn hardware(host: u8) -> String {
    format!("02:00:00:00:00:{host:02x}")
}

/// Writes a neighbour into a namespace's table.
fn meet(of: &[&str], device: &str, host: Ipv4Addr, card: &str) -> Result<()> {
    let host = host.to_string();
    let mut arguments = of.to_vec();
    arguments.extend([
        "neigh",
        "replace",
        &host,
        "lladdr",
        card,
        "dev",
        device,
        "nud",
        "permanent",
    ]);
    tool::run(Path::new("/"), "ip", &arguments).map(drop)
}

fn run(line: &str) -> Result<()> {
    let mut words = line.split(' ');
    let program = words.next().unwrap_or_default();
    let arguments: Vec<&str> = words.collect();
    tool::run(Path::new("/"), program, &arguments).map(drop)
}
