//! Whom to ask: the variable of the environment, or else the system's configuration.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// The environment variable with the one name server to ask, as `address:port`.
pub const NAMESERVER: &str = "MAGNETITE_NAMESERVER";

const CONFIGURATION: &str = "/etc/resolv.conf";
const PORT: u16 = 53;
/// Most servers that are asked, as the system's own resolver does.
const SERVERS_MAX: usize = 3;
const TIMEOUT_SECONDS_DEFAULT: u64 = 5;
const TIMEOUT_SECONDS_MAX: u64 = 30;
const ATTEMPTS_DEFAULT: u32 = 2;
const ATTEMPTS_MAX: u32 = 5;

/// The servers to ask in turn, and with how much patience.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Nameservers {
    pub(crate) servers: Vec<SocketAddr>,
    pub(crate) timeout: Duration,
    pub(crate) attempts: u32,
}

impl Nameservers {
    /// Those of this process.
    pub(crate) fn of_process() -> Self {
        let named = std::env::var(NAMESERVER).ok();
        if let Some(server) = named.and_then(|text| text.parse().ok()) {
            return Self {
                servers: vec![server],
                ..Self::parse("")
            };
        }
        Self::parse(&std::fs::read_to_string(CONFIGURATION).unwrap_or_default())
    }

    /// Reads the lines of `resolv.conf` that matter here; what is missing or strange has a default.
    fn parse(text: &str) -> Self {
        let mut found = Self {
            servers: Vec::new(),
            timeout: Duration::from_secs(TIMEOUT_SECONDS_DEFAULT),
            attempts: ATTEMPTS_DEFAULT,
        };
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    let server: Option<IpAddr> = words.next().and_then(|word| word.parse().ok());
                    found
                        .servers
                        .extend(server.map(|ip| SocketAddr::new(ip, PORT)));
                }
                Some("options") => words.for_each(|word| found.option(word)),
                _ => {}
            }
        }
        found.servers.truncate(SERVERS_MAX);
        if found.servers.is_empty() {
            found.servers.push((Ipv4Addr::LOCALHOST, PORT).into());
        }
        found
    }

    fn option(&mut self, word: &str) {
        match word.split_once(':') {
            Some(("timeout", text)) => {
                let seconds = text.parse().unwrap_or(TIMEOUT_SECONDS_DEFAULT);
                self.timeout = Duration::from_secs(seconds.clamp(1, TIMEOUT_SECONDS_MAX));
            }
            Some(("attempts", text)) => {
                let attempts = text.parse().unwrap_or(ATTEMPTS_DEFAULT);
                self.attempts = attempts.clamp(1, ATTEMPTS_MAX);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that is overlooked is a cluster that does not start.
    #[test]
    fn the_systems_configuration_is_understood() {
        let text = "# c\nsearch a b\nnameserver 10.0.0.1\nnameserver fe80::1\nnameserver x\n\
                    nameserver 10.0.0.3 \n nameserver 10.0.0.4\noptions ndots:5 timeout:2 attempts:9\n";
        let found = Nameservers::parse(text);
        let servers: Vec<String> = found.servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["10.0.0.1:53", "[fe80::1]:53", "10.0.0.3:53"]);
        assert_eq!(found.timeout, Duration::from_secs(2));
        assert_eq!(found.attempts, ATTEMPTS_MAX);
        let found = Nameservers::parse("options timeout:x");
        assert_eq!(found.servers, ["127.0.0.1:53".parse().unwrap()]);
        assert_eq!(found.timeout, Duration::from_secs(5));
    }
}
