//! The cluster version and a downgrade under way.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::json;

/// A version `major.minor.patch`; a cluster version has patch zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Incompatible changes.
    pub major: u64,
    /// What members must agree on.
    pub minor: u64,
    /// What they need not.
    pub patch: u64,
}

/// The text is not a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a version of the form major.minor.patch")]
pub struct ParseVersionError;

/// A member is older than what its cluster has agreed on: it could not read what the others write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid downgrade; server version is lower than determined cluster version: {server} is below {cluster}"
)]
pub struct TooOld {
    /// The member's version.
    pub server: Version,
    /// The cluster's.
    pub cluster: Version,
}

impl Version {
    /// How clusters and storages are spoken of: without the patch.
    #[must_use]
    pub fn in_brief(self) -> String {
        format!("{}.{}", self.major, self.minor)
    }

    /// The version `major.minor.0`.
    #[must_use]
    pub const fn minor(major: u64, minor: u64) -> Self {
        Self {
            major,
            minor,
            patch: 0,
        }
    }

    /// This version without its patch, as cluster versions are compared.
    #[must_use]
    pub const fn without_patch(self) -> Self {
        Self::minor(self.major, self.minor)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl FromStr for Version {
    type Err = ParseVersionError;

    fn from_str(text: &str) -> Result<Self, ParseVersionError> {
        // A pre-release or build mark does not take part in anything that we decide.
        let numbers = text.split(['-', '+']).next().unwrap_or_default();
        let mut parts = numbers.split('.').map(|part| {
            let digits = part.bytes().all(|byte| byte.is_ascii_digit());
            part.parse::<u64>().ok().filter(|_| digits)
        });
        let mut next = || parts.next().flatten().ok_or(ParseVersionError);
        let version = Self {
            major: next()?,
            minor: next()?,
            patch: next()?,
        };
        match parts.next() {
            None => Ok(version),
            Some(_) => Err(ParseVersionError),
        }
    }
}

/// Whether the cluster is on its way to a lower version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Downgrade {
    /// The version to go to; empty when there is no downgrade.
    #[serde(rename = "target-version", default)]
    pub target_version: String,
    /// Whether there is one.
    #[serde(default)]
    pub enabled: bool,
}

impl Downgrade {
    pub(crate) fn encode(&self) -> String {
        json::encode(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Members that order versions differently would not agree to upgrade.
    #[test]
    fn versions_parse_and_compare() {
        let version: Version = "3.7.0".parse().unwrap();
        assert_eq!(version, Version::minor(3, 7));
        assert_eq!(version.to_string(), "3.7.0");
        assert!(version > "3.6.12".parse().unwrap());
        assert_eq!("3.7.0-rc.1+x".parse(), Ok(version));
        for text in ["3.7", "3.7.0.1", "", "3..1", "+3.7.0", "a.b.c", "v3.7.0"] {
            assert_eq!(text.parse::<Version>(), Err(ParseVersionError), "{text}");
        }
    }

    /// The stored bytes are part of the hash that members compare.
    #[test]
    fn downgrade_matches_etcd() {
        let text = r#"{"target-version":"","enabled":false}"#;
        assert_eq!(Downgrade::default().encode(), text);
        let enabled = Downgrade {
            target_version: "3.6.0".to_owned(),
            enabled: true,
        };
        assert_eq!(
            enabled.encode(),
            r#"{"target-version":"3.6.0","enabled":true}"#
        );
    }
}
