//! Simple tokens: random, in memory, alive for a while after their last use.
//!
//! A look-up reads one shard of a map and an atomic deadline: nothing is scanned, and only a login
//! takes a lock for writing, for one insertion. A user's tokens share a mark, so that all of them
//! end at once. Logins also look at the oldest tokens and drop those that have ended, a few each:
//! so there are never many more than are alive, and no thread has to look after them.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use apply::Login;
use parking_lot::{Mutex, RwLock};

/// Parts of the map with a lock each.
const SHARDS: usize = 16;
/// Old tokens that a login looks at: more than one, so that they become fewer.
const SWEPT: usize = 4;
/// A use moves the deadline when that gains at least this part of the time to live.
const GAIN: u64 = 64;
/// Letters of a secret, and how many it has.
const LETTERS: &[u8; 52] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const SECRET_LETTERS: usize = 16;

type Shard = RwLock<HashMap<Box<str>, Arc<Token>>>;

/// The tokens that this member knows.
#[derive(Debug)]
pub(super) struct SimpleTokens {
    shards: [Shard; SHARDS],
    hasher: RandomState,
    /// Held by logins and revocations, never by look-ups; a shard may be locked while it is.
    ledger: Mutex<Ledger>,
    ttl: u64,
    origin: Instant,
}

struct Token {
    user: Arc<str>,
    /// Milliseconds since the origin.
    ends: AtomicU64,
    /// Shared by all tokens of the user.
    is_revoked: Arc<AtomicBool>,
}

#[derive(Default)]
struct Ledger {
    /// The mark that tokens of the user get.
    marks: HashMap<String, Mark>,
    /// All tokens, with the time at which they are to be looked at.
    due: VecDeque<(u64, Box<str>)>,
}

struct Mark {
    is_revoked: Arc<AtomicBool>,
    user: Arc<str>,
}

impl SimpleTokens {
    pub(super) fn new(ttl: Duration) -> Self {
        Self {
            shards: std::array::from_fn(|_| RwLock::default()),
            hasher: RandomState::new(),
            ledger: Mutex::default(),
            ttl: u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX),
            origin: Instant::now(),
        }
    }

    /// Whose token this is; it lives on from now.
    pub(super) fn user(&self, token: &str) -> Option<Arc<str>> {
        self.user_at(token, self.now())
    }

    fn user_at(&self, token: &str, now: u64) -> Option<Arc<str>> {
        let found = self.shard(token).read().get(token).cloned()?;
        let ends = found.ends.load(Ordering::Relaxed);
        if ends <= now || found.is_revoked.load(Ordering::Acquire) {
            return None;
        }
        let later = now.saturating_add(self.ttl);
        if later.saturating_sub(ends) >= self.ttl / GAIN {
            found.ends.store(later, Ordering::Relaxed);
        }
        Some(Arc::clone(&found.user))
    }

    /// Remembers the token of a login.
    pub(super) fn assign(&self, login: &Login) {
        self.assign_at(login, self.now());
    }

    fn assign_at(&self, login: &Login, now: u64) {
        let token: Box<str> = login.token().into();
        let ends = now.saturating_add(self.ttl);
        let mut ledger = self.ledger.lock();
        let mark = ledger
            .marks
            .entry(login.user.clone())
            .or_insert_with_key(|user| Mark {
                is_revoked: Arc::default(),
                user: user.as_str().into(),
            });
        let known = Token {
            user: Arc::clone(&mark.user),
            ends: AtomicU64::new(ends),
            is_revoked: Arc::clone(&mark.is_revoked),
        };
        ledger.due.push_back((ends, token.clone()));
        self.shard(&token).write().insert(token, Arc::new(known));
        self.sweep(&mut ledger, now);
    }

    /// Looks at a few tokens that may have ended.
    fn sweep(&self, ledger: &mut Ledger, now: u64) {
        for _ in 0..SWEPT {
            let Some((_, token)) = ledger.due.pop_front_if(|(due, _)| *due <= now) else {
                return;
            };
            let mut shard = self.shard(&token).write();
            let Some(known) = shard.get(&token) else {
                continue;
            };
            let ends = known.ends.load(Ordering::Relaxed);
            if ends <= now || known.is_revoked.load(Ordering::Acquire) {
                shard.remove(&token);
            } else {
                ledger.due.push_back((ends, token));
            }
        }
    }

    /// Ends all tokens of a user.
    pub(super) fn revoke_user(&self, user: &str) {
        if let Some(mark) = self.ledger.lock().marks.remove(user) {
            mark.is_revoked.store(true, Ordering::Release);
        }
    }

    /// Ends all tokens.
    pub(super) fn revoke_all(&self) {
        let mut ledger = self.ledger.lock();
        let ended = std::mem::take(&mut *ledger);
        for mark in ended.marks.values() {
            mark.is_revoked.store(true, Ordering::Release);
        }
        for shard in &self.shards {
            // What was in it is dropped after its lock.
            drop(std::mem::take(&mut *shard.write()));
        }
    }

    fn shard(&self, token: &str) -> &Shard {
        let hash = self.hasher.hash_one(token);
        &self.shards[(hash % SHARDS as u64) as usize]
    }

    fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().len()).sum()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Tokens are not for logs.
        f.debug_struct("Ledger")
            .field("tokens", &self.due.len())
            .finish_non_exhaustive()
    }
}

/// The random part of a token.
pub(super) fn secret() -> std::io::Result<String> {
    /// The bytes below this are shared evenly by the letters.
    const EVEN: u8 = (256 / LETTERS.len() * LETTERS.len()) as u8;
    let mut secret = String::with_capacity(SECRET_LETTERS);
    let mut random = [0; 2 * SECRET_LETTERS];
    while secret.len() < SECRET_LETTERS {
        getrandom::fill(&mut random)?;
        let letters = random.iter().filter(|byte| **byte < EVEN);
        let letters = letters.map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]));
        secret.extend(letters.take(SECRET_LETTERS - secret.len()));
    }
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use types::Index;

    use super::*;

    const TTL: u64 = 300_000;

    fn tokens() -> SimpleTokens {
        SimpleTokens::new(Duration::from_millis(TTL))
    }

    fn login(user: &str, index: u64) -> Login {
        Login {
            user: user.to_owned(),
            secret: "abcdefghijklmnop".to_owned(),
            index: Index(index),
            revision: 1,
        }
    }

    /// A token that is used lives on; one that is not ends.
    #[test]
    fn life_of_a_token() {
        let tokens = tokens();
        tokens.assign_at(&login("u", 1), 0);
        let user = |now| tokens.user_at("abcdefghijklmnop.1", now);
        assert_eq!(user(TTL - 1).as_deref(), Some("u"));
        assert_eq!(user(2 * TTL - 2).as_deref(), Some("u"));
        assert_eq!(user(3 * TTL - 2), None);
        assert_eq!(user(0).as_deref(), Some("u"), "time does not go back");
        assert_eq!(tokens.user_at("abcdefghijklmnop.2", 0), None);
    }

    /// The old password's tokens must not outlive it, the new one's must work.
    #[test]
    fn revocations() {
        let tokens = tokens();
        for index in 1..=3 {
            tokens.assign_at(&login(if index == 3 { "v" } else { "u" }, index), 0);
        }
        let user = |index: u64| tokens.user_at(&format!("abcdefghijklmnop.{index}"), 1);
        tokens.revoke_user("u");
        tokens.revoke_user("unknown");
        assert_eq!((user(1), user(2)), (None, None));
        assert_eq!(user(3).as_deref(), Some("v"));
        tokens.assign_at(&login("u", 4), 1);
        assert_eq!(user(4).as_deref(), Some("u"));
        tokens.revoke_all();
        assert_eq!((user(3), user(4), tokens.len()), (None, None, 0));
        tokens.assign_at(&login("v", 5), 1);
        assert_eq!(user(5).as_deref(), Some("v"));
    }

    /// Clients that log in again and again must not fill the memory.
    #[test]
    fn tokens_that_ended_are_forgotten() {
        let tokens = tokens();
        for index in 0..10_000 {
            tokens.assign_at(&login("u", index), index * TTL / 100);
            // One is in use all the time.
            assert!(
                tokens
                    .user_at("abcdefghijklmnop.0", index * TTL / 100)
                    .is_some()
            );
        }
        assert!(tokens.len() <= 102, "{}", tokens.len());
        assert_eq!(tokens.ledger.lock().due.len(), tokens.len());
    }

    /// A secret that can be guessed is none.
    #[test]
    fn secrets() {
        let secrets: std::collections::BTreeSet<_> = (0..1000).map(|_| secret().unwrap()).collect();
        assert_eq!(secrets.len(), 1000);
        let letters = |secret: &String| secret.bytes().all(|byte| LETTERS.contains(&byte));
        assert!(
            secrets
                .iter()
                .all(|secret| secret.len() == 16 && letters(secret))
        );
    }
}
