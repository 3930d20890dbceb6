//! Who uses the server, and with which keys: requests, bytes and time, by client, user and prefix.
//!
//! Clients choose all these names, so that each kind has so many of them at most; whoever comes later is
//! counted with the others.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;
use rpc::PeerAddress;

use crate::audit::Subject;

/// Names of a kind that are told apart.
const NAMES_MAX: usize = 100;
/// Characters of a name.
const NAME_MAX: usize = 100;
/// Parts of a key, between slashes, that make its prefix.
const PARTS: usize = 2;
const OTHERS: &str = "(others)";
const NONE: &str = "(none)";

/// What is counted by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageConfig {
    /// The client's address, without its port.
    pub client: bool,
    /// The user.
    pub user: bool,
    /// The prefix of the first key.
    pub prefix: bool,
    /// The prefixes; when there are none, the first two parts of a key.
    pub prefixes: Vec<String>,
}

impl UsageConfig {
    /// Whether anything is counted.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.client || self.user || self.prefix
    }
}

/// The counts of a member.
#[derive(Debug)]
pub(crate) struct Usage {
    config: UsageConfig,
    kinds: Mutex<Kinds>,
}

#[derive(Debug, Default)]
struct Kinds {
    clients: BTreeMap<String, Used>,
    users: BTreeMap<String, Used>,
    prefixes: BTreeMap<String, Used>,
}

/// What was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) requests: u64,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    /// Time of a connection thread.
    pub(crate) busy: Duration,
}

/// A row of the counts: what it is by, the name, and the counts.
pub(crate) type Row = (&'static str, String, Used);

impl Usage {
    pub(crate) fn new(config: UsageConfig) -> Self {
        Self {
            config,
            kinds: Mutex::default(),
        }
    }

    /// Whether keys have to be known.
    pub(super) fn is_by_prefix(&self) -> bool {
        self.config.prefix
    }

    /// Counts a request.
    pub(super) fn count(
        &self,
        client: PeerAddress,
        user: Option<&str>,
        subject: &Subject,
        used: Used,
    ) {
        let mut kinds = self.kinds.lock();
        if self.config.client {
            match client {
                PeerAddress::Tcp(address) => {
                    add(&mut kinds.clients, &address.ip().to_string(), used)
                }
                PeerAddress::Unix => add(&mut kinds.clients, "unix", used),
            }
        }
        if self.config.user {
            add(&mut kinds.users, user.unwrap_or(NONE), used);
        }
        if self.config.prefix {
            let key = subject
                .spans
                .first()
                .map(|span| String::from_utf8_lossy(&span.key));
            let prefix = match &key {
                Some(key) => self.prefix(key),
                None => NONE,
            };
            add(&mut kinds.prefixes, prefix, used);
        }
    }

    fn prefix<'a>(&'a self, key: &'a str) -> &'a str {
        if self.config.prefixes.is_empty() {
            return first_parts(key);
        }
        let fitting = self
            .config
            .prefixes
            .iter()
            .filter(|prefix| key.starts_with(*prefix));
        fitting
            .max_by_key(|prefix| prefix.len())
            .map_or(OTHERS, String::as_str)
    }

    /// All counts.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let kinds = self.kinds.lock();
        let of = |by: &'static str, names: &BTreeMap<String, Used>| -> Vec<Row> {
            names
                .iter()
                .map(|(name, used)| (by, name.clone(), *used))
                .collect()
        };
        let all = [
            of("client", &kinds.clients),
            of("prefix", &kinds.prefixes),
            of("user", &kinds.users),
        ];
        all.concat()
    }
}

fn add(names: &mut BTreeMap<String, Used>, name: &str, used: Used) {
    let end = name
        .char_indices()
        .nth(NAME_MAX)
        .map_or(name.len(), |(at, _)| at);
    let name = &name[..end];
    let name = match names.len() < NAMES_MAX || names.contains_key(name) {
        true => name,
        false => OTHERS,
    };
    if !names.contains_key(name) {
        names.insert(name.to_owned(), Used::default());
    }
    if let Some(sum) = names.get_mut(name) {
        sum.requests += used.requests;
        sum.received += used.received;
        sum.sent += used.sent;
        sum.busy += used.busy;
    }
}

/// `/registry/pods/` of `/registry/pods/default/a`; what has no slash has no parts.
fn first_parts(key: &str) -> &str {
    let mut slashes = key
        .char_indices()
        .skip(1)
        .filter(|(_, letter)| *letter == '/');
    let last = slashes.by_ref().take(PARTS).last();
    last.and_then(|(at, _)| key.get(..=at)).unwrap_or(NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used() -> Used {
        Used {
            requests: 1,
            received: 10,
            sent: 5,
            busy: Duration::from_micros(3),
        }
    }

    #[test]
    fn prefixes() {
        for (key, prefix) in [
            ("/registry/pods/default/a", "/registry/pods/"),
            ("/registry/pods/", "/registry/pods/"),
            ("/registry/pods", "/registry/"),
            ("a/b/c/d", "a/b/"),
            ("plain", NONE),
            ("/", NONE),
            ("", NONE),
            ("/ü/ä/x", "/ü/ä/"),
        ] {
            assert_eq!(first_parts(key), prefix, "{key}");
        }
        let prefixes = vec!["/a/".to_owned(), "/a/b/".to_owned()];
        let usage = Usage::new(UsageConfig {
            prefix: true,
            prefixes,
            ..UsageConfig::default()
        });
        assert_eq!(usage.prefix("/a/b/c"), "/a/b/");
        assert_eq!(usage.prefix("/a/c"), "/a/");
        assert_eq!(usage.prefix("/c"), OTHERS);
    }

    /// Names are the clients' choice: they must not fill the memory, nor the page.
    #[test]
    fn names_are_bounded() {
        let config = UsageConfig {
            user: true,
            ..UsageConfig::default()
        };
        let usage = Usage::new(config);
        let none = Subject::default();
        for number in 0..1000 {
            let name = format!("{number:0>500}");
            usage.count(PeerAddress::Unix, Some(&name), &none, used());
            usage.count(PeerAddress::Unix, Some(&number.to_string()), &none, used());
        }
        let rows = usage.rows();
        assert_eq!(rows.len(), NAMES_MAX + 1);
        assert_eq!(rows.iter().map(|row| row.2.requests).sum::<u64>(), 2000);
        assert!(rows.iter().all(|row| row.1.len() <= NAME_MAX));
    }
}
