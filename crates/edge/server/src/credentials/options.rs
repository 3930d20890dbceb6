//! `--auth-token`: the kind of tokens and its options, in etcd's notation.
//!
//! ```text
//! simple | jwt,sign-method=RS256,priv-key=FILE,pub-key=FILE,ttl=10m | (nothing)
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::TokenKind;
use super::jwt::{Jwt, JwtOptionsError};

/// What `--auth-token` says cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum TokenOptionsError {
    /// The text is not a kind with options.
    #[error("auth: invalid auth options")]
    Invalid,
    /// Signed tokens cannot be made or checked so.
    #[error(transparent)]
    Jwt(#[from] JwtOptionsError),
}

impl TokenKind {
    /// Reads the value of `--auth-token`; `duration` reads a time as flags have it.
    ///
    /// # Errors
    /// [`TokenOptionsError`].
    pub fn parse(
        text: &str,
        duration: impl Fn(&str) -> Option<Duration>,
    ) -> Result<Self, TokenOptionsError> {
        let mut parts = text.split(',');
        let kind = parts.next().unwrap_or_default();
        let mut options = BTreeMap::new();
        for part in parts {
            let (name, value) = part.split_once('=').ok_or(TokenOptionsError::Invalid)?;
            if value.contains('=') || options.insert(name, value).is_some() {
                return Err(TokenOptionsError::Invalid);
            }
        }
        match kind {
            "simple" => Ok(Self::Simple),
            "jwt" => Ok(Self::Jwt(Arc::new(Jwt::new(&options, duration)?))),
            "" => Ok(Self::Refused),
            _ => Err(TokenOptionsError::Invalid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mistyped option must stop the start, not weaken the tokens.
    #[test]
    fn kinds() {
        let parse = |text| TokenKind::parse(text, |_| None);
        assert!(matches!(parse("simple"), Ok(TokenKind::Simple)));
        assert!(matches!(parse(""), Ok(TokenKind::Refused)));
        for bad in [
            "Simple",
            "simple,x",
            "simple,a=b=c",
            "simple,a=1,a=2",
            "other",
            "jwt,",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
