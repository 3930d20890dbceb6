//! How callers prove who they are: passwords, and tokens of two kinds.
//!
//! What is secret stays in here: passwords and hashes go to a pool of threads of their own, tokens
//! into a table in memory. Neither is ever logged, and errors do not hold them. Whose token it is
//! was decided by the log; how long it lives, and where it is remembered, is this member's.

mod compare;
mod es512;
mod jwt;
pub(crate) mod news;
mod options;
mod passwords;
mod sec1;
mod simple;

use std::sync::Arc;
use std::time::Duration;

use apply::{Login, TokenChange};

use proto::error::Error;

pub use jwt::{Jwt, JwtOptionsError};
pub use options::TokenOptionsError;

use passwords::Passwords;
use simple::SimpleTokens;

/// How often a new password is stirred, as a power of two, when the flags do not say.
pub const BCRYPT_COST: u32 = 10;

/// How long a simple token lives when the flags do not say.
pub const TOKEN_TTL: Duration = Duration::from_secs(300);

/// What the flags say about identities.
#[derive(Clone, Debug)]
pub struct CredentialsConfig {
    /// The kind of tokens.
    pub tokens: TokenKind,
    /// How long a simple token lives after its last use.
    pub simple_ttl: Duration,
    /// How often a new password is stirred, as a power of two: 4 to 31.
    pub bcrypt_cost: u32,
}

impl Default for CredentialsConfig {
    fn default() -> Self {
        Self {
            tokens: TokenKind::Simple,
            simple_ttl: TOKEN_TTL,
            bcrypt_cost: BCRYPT_COST,
        }
    }
}

/// The kinds of tokens.
#[derive(Clone, Debug)]
pub enum TokenKind {
    /// Random, and remembered by every member until it restarts.
    Simple,
    /// Signed; they say themselves whose they are.
    Jwt(Arc<Jwt>),
    /// None is given out and none is accepted.
    Refused,
}

/// All that this member knows to identify callers.
#[derive(Debug)]
pub(crate) struct Credentials {
    config: CredentialsConfig,
    simple: SimpleTokens,
    passwords: Passwords,
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Whose it is, and the auth revision that it speaks for; none for any.
    User(Arc<str>, Option<u64>),
    /// It may be a token of an entry that is not applied yet.
    After(u64),
    /// It is nobody's.
    Invalid,
}

impl Credentials {
    pub(crate) fn new(config: CredentialsConfig) -> Self {
        Self {
            simple: SimpleTokens::new(config.simple_ttl),
            passwords: Passwords::new(config.bcrypt_cost),
            config,
        }
    }

    /// Where passwords are hashed and compared.
    pub(crate) fn passwords(&self) -> &Passwords {
        &self.passwords
    }

    /// Whose token this is.
    pub(crate) fn verify(&self, token: &str) -> Verdict {
        match &self.config.tokens {
            TokenKind::Jwt(jwt) => jwt.owner(token).map_or(Verdict::Invalid, |owner| {
                Verdict::User(Arc::clone(&owner.user), Some(owner.revision))
            }),
            TokenKind::Simple => match self.simple.user(token) {
                Some(user) => Verdict::User(user, None),
                None => index_of(token).map_or(Verdict::Invalid, Verdict::After),
            },
            TokenKind::Refused => Verdict::Invalid,
        }
    }

    /// Remembers or forgets what the log says.
    pub(crate) fn take(&self, change: &TokenChange) {
        match change {
            TokenChange::Assign(login) if !login.secret.is_empty() => self.simple.assign(login),
            TokenChange::Assign(_) => {}
            TokenChange::RevokeUser(user) => self.simple.revoke_user(user),
            TokenChange::RevokeAll => self.simple.revoke_all(),
        }
    }

    /// The random part of the token of a login that is to be proposed; empty where tokens are not
    /// remembered.
    pub(crate) fn secret(&self) -> std::io::Result<String> {
        match self.config.tokens {
            TokenKind::Simple => simple::secret(),
            TokenKind::Jwt(_) | TokenKind::Refused => Ok(String::new()),
        }
    }

    /// The token that a client gets for its login.
    ///
    /// # Errors
    /// [`Error::AuthFailed`] where there are none, [`Error::VerifyOnlyKey`] where they can only be
    /// checked.
    pub(crate) async fn token(&self, login: Login) -> Result<String, Error> {
        match &self.config.tokens {
            TokenKind::Simple => Ok(login.token()),
            TokenKind::Jwt(jwt) => {
                // A signature takes as long as many calls.
                let jwt = Arc::clone(jwt);
                let signed = self.passwords.run(move || jwt.token(&login));
                signed.await?.ok_or(Error::VerifyOnlyKey)
            }
            TokenKind::Refused => Err(Error::AuthFailed),
        }
    }
}

/// The entry after which a simple token of this form exists.
fn index_of(token: &str) -> Option<u64> {
    let (_, index) = token.split_once('.')?;
    index.parse().ok()
}

#[cfg(test)]
mod tests {
    use types::Index;

    use super::*;

    fn login(user: &str, index: u64) -> Login {
        Login {
            user: user.to_owned(),
            secret: "abcdefghijklmnop".to_owned(),
            index: Index(index),
            revision: 3,
        }
    }

    /// A member that refuses tokens must not accept one that another member's flags made.
    #[tokio::test]
    async fn kinds() {
        let simple = Credentials::new(CredentialsConfig::default());
        let assigned = TokenChange::Assign(login("u", 7));
        simple.take(&assigned);
        let token = simple.token(login("u", 7)).await.unwrap();
        assert_eq!(token, "abcdefghijklmnop.7");
        assert_eq!(simple.verify(&token), Verdict::User("u".into(), None));
        assert_eq!(simple.verify("abcdefghijklmnop.9"), Verdict::After(9));
        for forged in [
            "",
            "abc",
            "abc.",
            "abc.x",
            "abc.-1",
            "a.b.1",
            "a.99999999999999999999",
        ] {
            assert_eq!(simple.verify(forged), Verdict::Invalid, "{forged}");
        }
        let refused = Credentials::new(CredentialsConfig {
            tokens: TokenKind::Refused,
            ..CredentialsConfig::default()
        });
        refused.take(&assigned);
        assert_eq!(refused.verify(&token), Verdict::Invalid);
        assert_eq!(refused.token(login("u", 7)).await, Err(Error::AuthFailed));
    }
}
