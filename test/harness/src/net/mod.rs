//! The network between the members of a cluster, and what goes wrong with it.
//!
//! Where the system permits, each member lives in a network namespace of its own, behind a bridge in
//! one of the test's own: nothing is seen from outside, and all of it ends with the test's process.
//! Elsewhere the members reach each other through proxies in the test. [`stage()`] chooses and says so.

mod dialer;
mod namespaces;
mod proxy;
mod rules;
mod stage;

pub use stage::stage;

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Result;

/// What a test wants of its network besides cuts and bandwidth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Links that can be cut, one way or both, and be narrow.
    Cuts,
    /// Latency and loss besides.
    Weather,
}

/// Latency and loss of everything that a member sends to other members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// How long it takes.
    pub delay: Duration,
    /// How many of a hundred packets are lost, and come only after a retransmission.
    pub lost_percent: u32,
}

/// Where a member is put.
#[derive(Clone, Debug)]
pub struct Home {
    /// Its address.
    pub host: Ipv4Addr,
    /// The program that starts others there, with its arguments; empty for here.
    pub launcher: Vec<String>,
    /// The port under which the others reach it, if not its own.
    pub advertised_peer: Option<u16>,
}

/// The links between members, who are known by their places.
pub trait Network {
    /// Makes room for the member at a place, whose own port for peers is this.
    ///
    /// # Errors
    /// When the system refuses.
    fn settle(&mut self, place: usize, peer_port: u16) -> Result<Home>;

    /// Whether anything of `from` reaches `to` from now on. What does not is lost or late, never told.
    ///
    /// # Errors
    /// When the system refuses.
    fn set_reach(&self, from: usize, to: usize, reaches: bool) -> Result<()>;

    /// The weather around a member from now on.
    ///
    /// # Errors
    /// When the system refuses.
    fn set_weather(&self, place: usize, weather: Weather) -> Result<()>;

    /// How many bytes a second a member takes at most from each of the others; 0 for all.
    ///
    /// # Errors
    /// When the system refuses.
    fn set_width(&self, place: usize, bytes_per_second: u64) -> Result<()>;

    /// How many members it has room made for.
    fn size(&self) -> usize;

    /// Cuts or mends the link between two members.
    ///
    /// # Errors
    /// When the system refuses.
    fn set_link(&self, one: usize, other: usize, works: bool) -> Result<()> {
        self.set_reach(one, other, works)?;
        self.set_reach(other, one, works)
    }

    /// Cuts or mends all links between the members at `places` and the others.
    ///
    /// # Errors
    /// When the system refuses.
    fn set_apart(&self, places: &[usize], apart: bool) -> Result<()> {
        for other in 0..self.size() {
            for place in places {
                if !places.contains(&other) {
                    self.set_link(*place, other, !apart)?;
                }
            }
        }
        Ok(())
    }
}
