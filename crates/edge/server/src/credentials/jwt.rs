//! Signed tokens: they say themselves whose they are, and members remember nothing.
//!
//! A token holds the user's name, the auth revision at which it was made, and when it ends. Checking
//! a signature costs much more than a call: what was checked once is remembered by the whole token,
//! in a bounded table, and never beyond the token's own end.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use apply::Login;
use jsonwebtoken::errors::Error as JwtError;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey, Header, Validation};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

use super::sec1;

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
    algorithm: Algorithm,
    /// None where tokens are only checked.
    signing: Option<EncodingKey>,
    checking: DecodingKey,
    validation: Validation,
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
        let algorithm: Algorithm = method
            .parse()
            .map_err(|_| JwtOptionsError::Method(method.to_owned()))?;
        let ttl = match option("ttl") {
            None => TTL,
            Some(text) => duration(text).ok_or_else(|| JwtOptionsError::Ttl(text.to_owned()))?,
        };
        let signing = option("priv-key")
            .map(|path| read_key(path, method, |key| signing_key(algorithm, key)))
            .transpose()?;
        let checking = option("pub-key")
            .map(|path| read_key(path, method, |key| checking_key(algorithm, key)))
            .transpose()?;
        let (checking, derived) = match (&signing, checking) {
            (Some(signing), given) => {
                let derived = Jwk::from_encoding_key(signing, algorithm)
                    .and_then(|key| DecodingKey::from_jwk(&key))
                    .map_err(|_| JwtOptionsError::MissingKey)?;
                (derived, given)
            }
            (None, Some(given)) => (given, None),
            (None, None) => return Err(JwtOptionsError::MissingKey),
        };
        let jwt = Self {
            algorithm,
            signing,
            checking,
            validation: validation(algorithm),
            ttl,
            hasher: RandomState::new(),
            remembered: std::array::from_fn(|_| RwLock::default()),
        };
        // A secret shared by both sides is one key; of a pair, both halves have to fit.
        match derived {
            Some(given) if algorithm_family(algorithm) != AlgorithmFamily::Hmac => {
                jwt.check_pair(&given)?;
            }
            _ => {}
        }
        Ok(jwt)
    }

    /// Whether a public key belongs to the private one.
    fn check_pair(&self, public: &DecodingKey) -> Result<(), JwtOptionsError> {
        let probe = self.signed(String::new(), 0);
        let probe = probe.ok_or(JwtOptionsError::MissingKey)?;
        jsonwebtoken::decode::<Claims>(&probe, public, &self.validation)
            .map(drop)
            .map_err(|_| JwtOptionsError::Mismatch)
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
        let claims = jsonwebtoken::decode::<Claims>(token, &self.checking, &self.validation);
        let claims = claims.ok()?.claims;
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
        };
        let signing = self.signing.as_ref()?;
        jsonwebtoken::encode(&Header::new(self.algorithm), &claims, signing).ok()
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
            .field("algorithm", &self.algorithm)
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

/// Signature and end are checked, and a begin if there is one; nobody else's claims.
fn validation(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.leeway = 0;
    validation.validate_nbf = true;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    validation
}

fn algorithm_family(algorithm: Algorithm) -> AlgorithmFamily {
    match algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => AlgorithmFamily::Hmac,
        Algorithm::ES256 | Algorithm::ES384 => AlgorithmFamily::Ec,
        Algorithm::EdDSA => AlgorithmFamily::Ed,
        _ => AlgorithmFamily::Rsa,
    }
}

fn read_key<T>(
    path: &str,
    method: &str,
    parse: impl FnOnce(&[u8]) -> Result<T, JwtError>,
) -> Result<T, JwtOptionsError> {
    let key = fs::read(path).map_err(|source| JwtOptionsError::File {
        path: path.to_owned(),
        source,
    })?;
    if key.is_empty() {
        return Err(JwtOptionsError::MissingKey);
    }
    parse(&key).map_err(|source| JwtOptionsError::Key {
        path: path.to_owned(),
        method: method.to_owned(),
        source,
    })
}

fn signing_key(algorithm: Algorithm, key: &[u8]) -> Result<EncodingKey, JwtError> {
    match algorithm_family(algorithm) {
        AlgorithmFamily::Hmac => Ok(EncodingKey::from_secret(key)),
        AlgorithmFamily::Rsa => EncodingKey::from_rsa_pem(key),
        AlgorithmFamily::Ec => match sec1::to_pkcs8(key, algorithm) {
            Some(key) => Ok(EncodingKey::from_ec_der(&key)),
            None => EncodingKey::from_ec_pem(key),
        },
        AlgorithmFamily::Ed => EncodingKey::from_ed_pem(key),
    }
}

fn checking_key(algorithm: Algorithm, key: &[u8]) -> Result<DecodingKey, JwtError> {
    match algorithm_family(algorithm) {
        AlgorithmFamily::Hmac => Ok(DecodingKey::from_secret(key)),
        AlgorithmFamily::Rsa => DecodingKey::from_rsa_pem(key),
        AlgorithmFamily::Ec => DecodingKey::from_ec_pem(key),
        AlgorithmFamily::Ed => DecodingKey::from_ed_pem(key),
    }
}

fn unix_seconds() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}

#[cfg(test)]
#[path = "jwt/tests.rs"]
mod tests;
