//! Methods of signing tokens and their keys: what the library knows, and ES512 beside it.

use std::fs;

use jsonwebtoken::errors::Error as JwtError;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey, Header, Validation};

use super::super::es512::{self, Es512};
use super::super::sec1;
use super::{Claims, JwtOptionsError, unix_seconds};

/// A method and its keys.
pub(super) enum Scheme {
    Library(Box<Library>),
    Es512(Box<Es512>),
}

/// A method that the library knows.
pub(super) struct Library {
    algorithm: Algorithm,
    /// None where tokens are only checked.
    signing: Option<EncodingKey>,
    checking: DecodingKey,
    validation: Validation,
}

impl Scheme {
    /// Reads the keys of a method: the files of a private and of a public one.
    pub(super) fn new(
        method: &str,
        (private, public): (Option<&str>, Option<&str>),
    ) -> Result<Self, JwtOptionsError> {
        if method == es512::METHOD {
            let signing = private.map(|path| read_key(path, method, es512::signing_key));
            let checking = public.map(|path| read_key(path, method, es512::checking_key));
            let keys = match (signing.transpose()?, checking.transpose()?) {
                (Some(signing), given) => {
                    let pair = Es512::pair(signing);
                    if given.is_some_and(|public| !pair.has(&public)) {
                        return Err(JwtOptionsError::Mismatch);
                    }
                    pair
                }
                (None, Some(given)) => Es512::checker(given),
                (None, None) => return Err(JwtOptionsError::MissingKey),
            };
            return Ok(Self::Es512(Box::new(keys)));
        }
        let unknown = |_| JwtOptionsError::Method(method.to_owned());
        let algorithm: Algorithm = method.parse().map_err(unknown)?;
        let signing = private
            .map(|path| read_key(path, method, |key| signing_key(algorithm, key)))
            .transpose()?;
        let checking = public
            .map(|path| read_key(path, method, |key| checking_key(algorithm, key)))
            .transpose()?;
        Library::new(algorithm, signing, checking).map(|keys| Self::Library(Box::new(keys)))
    }

    /// What a token says, if its signature holds and its time has come.
    pub(super) fn check(&self, token: &str) -> Option<Claims> {
        match self {
            Self::Library(keys) => {
                let claims =
                    jsonwebtoken::decode::<Claims>(token, &keys.checking, &keys.validation);
                Some(claims.ok()?.claims)
            }
            Self::Es512(keys) => {
                let claims: Claims = keys.check(token)?;
                let begins = claims.nbf.unwrap_or_default() as u64;
                (begins <= unix_seconds()).then_some(claims)
            }
        }
    }

    pub(super) fn sign(&self, claims: &Claims) -> Option<String> {
        match self {
            Self::Library(keys) => {
                let signing = keys.signing.as_ref()?;
                jsonwebtoken::encode(&Header::new(keys.algorithm), claims, signing).ok()
            }
            Self::Es512(keys) => keys.sign(claims),
        }
    }
}

impl Library {
    fn new(
        algorithm: Algorithm,
        signing: Option<EncodingKey>,
        checking: Option<DecodingKey>,
    ) -> Result<Self, JwtOptionsError> {
        let (checking, given) = match (&signing, checking) {
            (Some(signing), given) => {
                let derived = Jwk::from_encoding_key(signing, algorithm)
                    .and_then(|key| DecodingKey::from_jwk(&key))
                    .map_err(|_| JwtOptionsError::MissingKey)?;
                (derived, given)
            }
            (None, Some(given)) => (given, None),
            (None, None) => return Err(JwtOptionsError::MissingKey),
        };
        let keys = Self {
            algorithm,
            signing,
            checking,
            validation: validation(algorithm),
        };
        // A secret shared by both sides is one key; of a pair, both halves have to fit.
        match given {
            Some(given) if algorithm_family(algorithm) != AlgorithmFamily::Hmac => {
                keys.check_pair(&given)?;
            }
            _ => {}
        }
        Ok(keys)
    }

    /// Whether a public key belongs to the private one.
    fn check_pair(&self, public: &DecodingKey) -> Result<(), JwtOptionsError> {
        let signing = self.signing.as_ref().ok_or(JwtOptionsError::MissingKey)?;
        let header = Header::new(self.algorithm);
        let probe = jsonwebtoken::encode(&header, &serde_json::json!({}), signing);
        let probe = probe.map_err(|_| JwtOptionsError::MissingKey)?;
        jsonwebtoken::decode::<serde_json::Value>(&probe, public, &self.validation)
            .map(drop)
            .map_err(|_| JwtOptionsError::Mismatch)
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
