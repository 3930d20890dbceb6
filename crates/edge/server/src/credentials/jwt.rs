//! Signed tokens: they say themselves whose they are, and members remember nothing.
//!
//! A token holds the user's name, the auth revision at which it was made, and when it ends. Checking
//! a signature costs much more than a call: what was checked once is remembered by the whole token,
//! in a bounded table, and never beyond the token's own end.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use apply::Login;
use jsonwebtoken::errors::Error as JwtError;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

use scheme::Scheme;

mod scheme;

/// How long a token lives when the options do not say.
const TTL: Duration = Duration::from_secs(300);
/// Parts of the table with a lock each.
const SHARDS: usize = 16;
/// Tokens remembered in one part; a full part begins anew.
const REMEMBERED_MAX: usize = 512;
/// Longer tokens are checked each time.
const REMEMBERED_BYTES_MAX: usize = 4096;

/// Why the options of signed tokens cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JwtOptionsError {
    /// The signature method is missing or unknown.
    #[error("auth: invalid auth options: unknown sign-method {0:?}")]
    Method(String),
    /// The time to live is no duration.
    #[error("auth: invalid auth options: ttl {0:?} is no duration")]
    Ttl(String),
    /// A key file cannot be read.
    #[error("auth: invalid auth options: cannot read {path}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// There is no key for the method.
    #[error("missing key data")]
    MissingKey,
    /// A file holds no key for the method.
    #[error("{path} holds no key for {method}")]
    Key {
        /// The file.
        path: String,
        /// The method.
        method: String,
        /// Why.
        source: JwtError,
    },
    /// The keys do not belong together.
    #[error("public and private keys don't match")]
    Mismatch,
}

/// Makes and checks signed tokens.
pub struct Jwt {
    scheme: Scheme,
    ttl: Duration,
    hasher: RandomState,
    remembered: [RwLock<HashMap<Box<str>, Arc<Owner>>>; SHARDS],
}

/// What a token says.
#[derive(Serialize, Deserialize)]
struct Claims {
    username: String,
    /// A number as JSON has them.
    revision: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exp: Option<f64>,
    /// When it begins, which tokens of members do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<f64>,
}

/// What is remembered of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) user: Arc<str>,
    pub(super) revision: u64,
    /// Seconds since 1970.
    ends: Option<u64>,
}

impl Jwt {
    /// Reads options and key files; `duration` reads a time to live as flags have it.
    pub(super) fn new(
        options: &BTreeMap<&str, &str>,
        duration: impl Fn(&str) -> Option<Duration>,
    ) -> Result<Self, JwtOptionsError> {
        let option = |name| options.get(name).copied().filter(|text| !text.is_empty());
        for unknown in options
            .keys()
            .filter(|name| !["sign-method", "pub-key", "priv-key", "ttl"].contains(*name))
        {
            tracing::warn!(option = unknown, "unknown JWT option");
        }
        let method = option("sign-method").unwrap_or_default();
        let ttl = match option("ttl") {
            None => TTL,
            Some(text) => duration(text).ok_or_else(|| JwtOptionsError::Ttl(text.to_owned()))?,
        };
        let keys = (option("priv-key"), option("pub-key"));
        Ok(Self {
            scheme: Scheme::new(method, keys)?,
            ttl,
            hasher: RandomState::new(),
            remembered: std::array::from_fn(|_| RwLock::default()),
        })
    }

    /// Whose token this is, if its signature holds and it has not ended.
    pub(super) fn owner(&self, token: &str) -> Option<Arc<Owner>> {
        self.owner_at(token, unix_seconds())
    }

    fn owner_at(&self, token: &str, now: u64) -> Option<Arc<Owner>> {
        let shard = self.hasher.hash_one(token) % SHARDS as u64;
        let shard = &self.remembered[shard as usize];
        let known = shard.read().get(token).cloned();
        let owner = match known {
            Some(owner) => owner,
            None => {
                let owner = Arc::new(self.checked(token)?);
                if token.len() <= REMEMBERED_BYTES_MAX {
                    remember(&mut shard.write(), token, &owner);
                }
                owner
            }
        };
        owner.ends.is_none_or(|ends| now < ends).then_some(owner)
    }

    fn checked(&self, token: &str) -> Option<Owner> {
        let claims = self.scheme.check(token)?;
        Some(Owner {
            user: claims.username.into(),
            // What is below zero or no number is the revision of nobody.
            revision: claims.revision as u64,
            ends: claims.exp.map(|exp| exp as u64),
        })
    }

    /// A token for a login; none where tokens are only checked.
    pub(super) fn token(&self, login: &Login) -> Option<String> {
        self.signed(login.user.clone(), login.revision)
    }

    fn signed(&self, username: String, revision: u64) -> Option<String> {
        let ends = unix_seconds().saturating_add(self.ttl.as_secs());
        let claims = Claims {
            username,
            revision: revision as f64,
            exp: Some(ends as f64),
            nbf: None,
        };
        self.scheme.sign(&claims)
    }
}

fn remember(known: &mut HashMap<Box<str>, Arc<Owner>>, token: &str, owner: &Arc<Owner>) {
    if known.len() >= REMEMBERED_MAX {
        known.clear();
    }
    known.insert(token.into(), Arc::clone(owner));
}

impl fmt::Debug for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Keys are not for logs.
        f.debug_struct("Jwt")
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

fn unix_seconds() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}

#[cfg(test)]
#[path = "jwt/tests.rs"]
mod tests;
