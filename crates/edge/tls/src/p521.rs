//! The curve P-521, which ring lacks and etcd's own certificates are on: keys that sign with it, and
//! the signatures of others.

use std::sync::{Arc, LazyLock};

use ::p521::ecdsa::signature::Signer as _;
use ::p521::ecdsa::signature::hazmat::PrehashVerifier as _;
use ::p521::ecdsa::{DerSignature, Signature, SigningKey, VerifyingKey};
use ::p521::pkcs8::{DecodePrivateKey as _, EncodePublicKey as _};
use ::p521::{FieldBytes, SecretKey};
use rustls::crypto::{CryptoProvider, KeyProvider, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::{
    AlgorithmIdentifier, InvalidSignature, PrivateKeyDer, SignatureVerificationAlgorithm,
    SubjectPublicKeyInfoDer, alg_id,
};
use rustls::sign::{Signer, SigningKey as TlsKey};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// Adds the curve to what ring can do.
pub(crate) fn extend(provider: &mut CryptoProvider) {
    provider.key_provider = &Keys;
    provider.signature_verification_algorithms = WebPkiSupportedAlgorithms {
        all: &ALL,
        mapping: &MAPPING,
    };
}

type Algorithms = &'static [&'static dyn SignatureVerificationAlgorithm];

/// Those of etcd first: with TLS 1.3 no other is tried.
static OWN: [&dyn SignatureVerificationAlgorithm; 3] = [
    &Verification {
        signature: alg_id::ECDSA_SHA512,
        digest: |message| pad(&Sha512::digest(message)),
    },
    &Verification {
        signature: alg_id::ECDSA_SHA384,
        digest: |message| pad(&Sha384::digest(message)),
    },
    &Verification {
        signature: alg_id::ECDSA_SHA256,
        digest: |message| pad(&Sha256::digest(message)),
    },
];

static ALL: LazyLock<Vec<&'static dyn SignatureVerificationAlgorithm>> = LazyLock::new(|| {
    let known = ring::default_provider().signature_verification_algorithms;
    known.all.iter().chain(&OWN).copied().collect()
});

static MAPPING: LazyLock<Vec<(SignatureScheme, Algorithms)>> = LazyLock::new(|| {
    let known = ring::default_provider().signature_verification_algorithms;
    let own = (SignatureScheme::ECDSA_NISTP521_SHA512, &OWN as Algorithms);
    known.mapping.iter().copied().chain([own]).collect()
});

/// A digest as a number of the curve's size: zeros before it change nothing.
fn pad(digest: &[u8]) -> FieldBytes {
    let mut padded = FieldBytes::default();
    let begin = padded.len() - digest.len();
    padded[begin..].copy_from_slice(digest);
    padded
}

/// Checks signatures over one kind of digest.
#[derive(Debug)]
struct Verification {
    signature: AlgorithmIdentifier,
    digest: fn(&[u8]) -> FieldBytes,
}

impl SignatureVerificationAlgorithm for Verification {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let key = VerifyingKey::from_sec1_bytes(public_key).map_err(|_| InvalidSignature)?;
        let signature = DerSignature::from_bytes(signature).map_err(|_| InvalidSignature)?;
        let signature = Signature::try_from(signature).map_err(|_| InvalidSignature)?;
        let verified = key.verify_prehash(&(self.digest)(message), &signature);
        verified.map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P521
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature
    }
}

/// Reads keys of this curve, and leaves all others to ring.
#[derive(Debug)]
struct Keys;

impl KeyProvider for Keys {
    fn load_private_key(&self, key: PrivateKeyDer<'static>) -> Result<Arc<dyn TlsKey>, Error> {
        match Key::read(&key) {
            Some(key) => Ok(Arc::new(key)),
            None => ring::sign::any_supported_type(&key),
        }
    }
}

/// A key of this curve.
#[derive(Clone)]
struct Key {
    signing: Arc<SigningKey>,
    public: SubjectPublicKeyInfoDer<'static>,
}

impl Key {
    fn read(key: &PrivateKeyDer<'_>) -> Option<Self> {
        let secret = match key {
            PrivateKeyDer::Pkcs8(key) => SecretKey::from_pkcs8_der(key.secret_pkcs8_der()).ok()?,
            PrivateKeyDer::Sec1(key) => SecretKey::from_sec1_der(key.secret_sec1_der()).ok()?,
            _ => return None,
        };
        let public = secret.public_key().to_public_key_der().ok()?;
        Some(Self {
            signing: Arc::new(SigningKey::from_bytes(&secret.to_bytes()).ok()?),
            public: public.into_vec().into(),
        })
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Keys are not for logs.
        f.write_str("Key")
    }
}

impl TlsKey for Key {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let is_offered = offered.contains(&self.scheme());
        is_offered.then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(self.public.clone())
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let signature: Result<Signature, _> = self.signing.try_sign(message);
        let signature = signature.map_err(|error| Error::General(error.to_string()))?;
        Ok(signature.to_der().as_bytes().to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ECDSA_NISTP521_SHA512
    }
}
