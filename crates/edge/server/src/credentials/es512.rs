//! Signed tokens of the method ES512, whose curve the library lacks.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::{Error as JwtError, ErrorKind};
use p521::ecdsa::signature::{Signer as _, Verifier as _};
use p521::ecdsa::{Signature, SigningKey, VerifyingKey};
use p521::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _};
use p521::{PublicKey, SecretKey};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The method's name.
pub(super) const METHOD: &str = "ES512";

const OLDER_FORM: &str = "-----BEGIN EC PRIVATE KEY-----";

/// What a token says of itself.
#[derive(Serialize, Deserialize)]
struct Header {
    typ: Option<String>,
    alg: String,
}

/// The keys of the method.
pub(super) struct Es512 {
    /// None where tokens are only checked.
    signing: Option<SigningKey>,
    checking: VerifyingKey,
}

impl Es512 {
    /// A pair by its private half.
    pub(super) fn pair(signing: SigningKey) -> Self {
        Self {
            checking: VerifyingKey::from(&signing),
            signing: Some(signing),
        }
    }

    /// The public half alone.
    pub(super) fn checker(checking: VerifyingKey) -> Self {
        Self {
            signing: None,
            checking,
        }
    }

    /// Whether a public key belongs to this one.
    pub(super) fn has(&self, public: &VerifyingKey) -> bool {
        self.checking.to_encoded_point(true) == public.to_encoded_point(true)
    }

    /// A token that says this.
    pub(super) fn sign(&self, claims: &impl Serialize) -> Option<String> {
        let header = Header {
            typ: Some("JWT".to_owned()),
            alg: METHOD.to_owned(),
        };
        let text = format!("{}.{}", encoded(&header)?, encoded(claims)?);
        let signature: Signature = self.signing.as_ref()?.try_sign(text.as_bytes()).ok()?;
        let signature = URL_SAFE_NO_PAD.encode(signature.to_bytes());
        Some(format!("{text}.{signature}"))
    }

    /// What a token says, if its signature holds.
    pub(super) fn check<C: DeserializeOwned>(&self, token: &str) -> Option<C> {
        let (text, signature) = token.rsplit_once('.')?;
        let (header, claims) = text.split_once('.')?;
        let header: Header = decoded(header)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let signature = Signature::from_slice(&signature).ok()?;
        let holds = self.checking.verify(text.as_bytes(), &signature).is_ok();
        (header.alg == METHOD && holds).then(|| decoded(claims))?
    }
}

fn encoded(part: &impl Serialize) -> Option<String> {
    Some(URL_SAFE_NO_PAD.encode(serde_json::to_vec(part).ok()?))
}

fn decoded<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// A private key in either form; the curve's parameters may stand before it.
pub(super) fn signing_key(pem: &[u8]) -> Result<SigningKey, JwtError> {
    let text = std::str::from_utf8(pem).map_err(|_| unfit())?;
    let key = match text.find(OLDER_FORM) {
        Some(begin) => SecretKey::from_sec1_pem(&text[begin..]).map_err(|_| unfit())?,
        None => SecretKey::from_pkcs8_pem(text).map_err(|_| unfit())?,
    };
    SigningKey::from_bytes(&key.to_bytes()).map_err(|_| unfit())
}

/// A public key.
pub(super) fn checking_key(pem: &[u8]) -> Result<VerifyingKey, JwtError> {
    let text = std::str::from_utf8(pem).map_err(|_| unfit())?;
    let key = PublicKey::from_public_key_pem(text).map_err(|_| unfit())?;
    VerifyingKey::from_affine(*key.as_affine()).map_err(|_| unfit())
}

fn unfit() -> JwtError {
    ErrorKind::InvalidEcdsaKey.into()
}
