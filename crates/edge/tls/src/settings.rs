//! Versions of TLS and cipher suites, by Go's names.

use std::str::FromStr;

use rustls::crypto::{CryptoProvider, ring};
use rustls::{CipherSuite, SupportedCipherSuite, SupportedProtocolVersion, version};

use crate::p521;

/// A version of TLS that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

impl Version {
    fn name(self) -> &'static str {
        match self {
            Self::Tls12 => "TLS1.2",
            Self::Tls13 => "TLS1.3",
        }
    }
}

/// Versions or suites that cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// No such version, or one that is not spoken any more.
    #[error("unexpected TLS version {0:?} (must be one of: TLS1.2, TLS1.3)")]
    Version(String),
    /// Versions between which there is none.
    #[error("min version ({}) is greater than max version ({})", min.name(), max.name())]
    Order {
        /// The oldest.
        min: Version,
        /// The newest.
        max: Version,
    },
    /// Suites for a version that chooses its own.
    #[error("cipher suites cannot be configured when only TLS1.3 is enabled")]
    SuitesWithoutUse,
    /// A name that Go does not know either.
    #[error("unexpected TLS cipher suite {0:?}")]
    Suite(String),
    /// Only suites that are not spoken here.
    #[error(
        "none of the TLS cipher suites can be used: suites with CBC, RC4 or RSA key exchange are not supported"
    )]
    NoSuite,
}

impl FromStr for Version {
    type Err = SettingsError;

    fn from_str(name: &str) -> Result<Self, SettingsError> {
        match name {
            "TLS1.2" => Ok(Self::Tls12),
            "TLS1.3" => Ok(Self::Tls13),
            other => Err(SettingsError::Version(other.to_owned())),
        }
    }
}

/// The oldest and the newest version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    min: Version,
    max: Version,
}

impl Default for Versions {
    fn default() -> Self {
        Self {
            min: Version::Tls12,
            max: Version::Tls13,
        }
    }
}

impl Versions {
    /// Reads the values of `--tls-min-version` and `--tls-max-version`; empty means any.
    ///
    /// # Errors
    /// [`SettingsError`] for unknown names and for a minimum above the maximum.
    pub fn parse(min: &str, max: &str) -> Result<Self, SettingsError> {
        let default = Self::default();
        let or = |name: &str, default| match name {
            "" => Ok(default),
            name => name.parse(),
        };
        let (min, max) = (or(min, default.min)?, or(max, default.max)?);
        match min > max {
            true => Err(SettingsError::Order { min, max }),
            false => Ok(Self { min, max }),
        }
    }

    /// Whether TLS 1.2 is spoken, the version whose suites can be chosen.
    #[must_use]
    pub fn include_tls12(self) -> bool {
        self.min == Version::Tls12
    }

    pub(crate) fn supported(self) -> Vec<&'static SupportedProtocolVersion> {
        let all = [
            (Version::Tls12, &version::TLS12),
            (Version::Tls13, &version::TLS13),
        ];
        all.into_iter()
            .filter(|(version, _)| (self.min..=self.max).contains(version))
            .map(|(_, supported)| supported)
            .collect()
    }
}

/// The cipher suites of TLS 1.2 that may be used. Those of TLS 1.3 cannot be chosen, as in Go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suites {
    only: Option<Vec<CipherSuite>>,
    /// Names that Go knows and that are not spoken here; worth a warning.
    pub unsupported: Vec<String>,
}

impl Suites {
    /// Reads the values of `--cipher-suites`; none means a good choice.
    ///
    /// # Errors
    /// [`SettingsError`] for unknown names, or when nothing that is spoken is left.
    pub fn parse<'a>(
        names: impl IntoIterator<Item = &'a str>,
        versions: Versions,
    ) -> Result<Self, SettingsError> {
        let (mut only, mut unsupported) = (Vec::new(), Vec::new());
        let mut any = false;
        for name in names {
            any = true;
            match suite(name) {
                Some(suite) => only.push(suite),
                None if UNSUPPORTED.contains(&name) => unsupported.push(name.to_owned()),
                None => return Err(SettingsError::Suite(name.to_owned())),
            }
        }
        match (any, versions.include_tls12(), only.is_empty()) {
            (false, _, _) => Ok(Self::default()),
            (true, false, _) => Err(SettingsError::SuitesWithoutUse),
            (true, true, true) => Err(SettingsError::NoSuite),
            (true, true, false) => Ok(Self {
                only: Some(only),
                unsupported,
            }),
        }
    }

    /// The cryptography with these suites.
    pub(crate) fn provider(&self) -> CryptoProvider {
        let mut provider = ring::default_provider();
        p521::extend(&mut provider);
        if let Some(only) = &self.only {
            provider.cipher_suites.retain(|suite| match suite {
                SupportedCipherSuite::Tls13(_) => true,
                SupportedCipherSuite::Tls12(suite) => only.contains(&suite.common.suite),
            });
        }
        provider
    }
}

fn suite(name: &str) -> Option<CipherSuite> {
    Some(match name {
        "TLS_AES_128_GCM_SHA256" => CipherSuite::TLS13_AES_128_GCM_SHA256,
        "TLS_AES_256_GCM_SHA384" => CipherSuite::TLS13_AES_256_GCM_SHA384,
        "TLS_CHACHA20_POLY1305_SHA256" => CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" => {
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
        }
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" => {
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
        }
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" => {
            CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
        }
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384" => {
            CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
        }
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305"
        | "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256" => {
            CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
        }
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305" | "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256" => {
            CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
        }
        _ => return None,
    })
}

/// Suites that Go can speak, secure or not, and rustls does not.
const UNSUPPORTED: [&str; 15] = [
    "TLS_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
];

#[cfg(test)]
mod tests {
    use super::*;

    /// A version that is taken for another one would let in what the operator shut out.
    #[test]
    fn versions() {
        let count = |min, max| Versions::parse(min, max).map(|all| all.supported().len());
        assert_eq!(count("", ""), Ok(2));
        assert_eq!(count("TLS1.2", ""), Ok(2));
        assert_eq!(count("TLS1.3", ""), Ok(1));
        assert_eq!(count("", "TLS1.2"), Ok(1));
        let text = |min, max| Versions::parse(min, max).unwrap_err().to_string();
        assert_eq!(
            text("TLS1.0", ""),
            "unexpected TLS version \"TLS1.0\" (must be one of: TLS1.2, TLS1.3)"
        );
        assert_eq!(
            text("TLS1.3", "TLS1.2"),
            "min version (TLS1.3) is greater than max version (TLS1.2)"
        );
    }

    /// A list of suites must be the list that is spoken, and not silently the default.
    #[test]
    fn suites() {
        let any = Versions::default();
        let tls12 = |suites: &Suites| {
            let all = suites.provider().cipher_suites;
            all.iter().filter(|suite| suite.tls13().is_none()).count()
        };
        assert_eq!(tls12(&Suites::parse([], any).unwrap()), 6);
        let one = ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"];
        assert_eq!(tls12(&Suites::parse(one, any).unwrap()), 1);
        let mixed = [
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
            "TLS_RSA_WITH_AES_128_CBC_SHA",
        ];
        let mixed = Suites::parse(mixed, any).unwrap();
        assert_eq!(tls12(&mixed), 1);
        assert_eq!(mixed.unsupported, ["TLS_RSA_WITH_AES_128_CBC_SHA"]);

        let text = |name, versions| Suites::parse([name], versions).unwrap_err().to_string();
        assert_eq!(text("FOO", any), "unexpected TLS cipher suite \"FOO\"");
        assert_eq!(
            text(one[0], Versions::parse("TLS1.3", "").unwrap()),
            "cipher suites cannot be configured when only TLS1.3 is enabled"
        );
        assert!(text(UNSUPPORTED[0], any).starts_with("none of the TLS cipher suites"));
    }
}
