//! Reading certificates and keys from PEM files.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::error::TlsError;
use crate::first_version;
use crate::identity::Identity;

/// No certificate, key or list is larger; a path to a huge file must not fill the memory.
pub(crate) const FILE_BYTES_MAX: u64 = 64 << 20;

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The certificate, followed by those between it and its authority.
    pub cert: PathBuf,
    /// The key.
    pub key: PathBuf,
}

impl Pair {
    /// The common name of the certificate; empty when it has none.
    ///
    /// # Errors
    /// [`TlsError`] when there is no certificate in the file.
    pub fn common_name(&self) -> Result<String, TlsError> {
        let chain = certificates(&self.cert)?;
        let holder = chain.first().and_then(Identity::of);
        Ok(holder.unwrap_or_default().common_name)
    }

    pub(crate) fn paths(&self) -> [PathBuf; 2] {
        [self.cert.clone(), self.key.clone()]
    }

    /// Reads both, and checks that they belong together.
    pub(crate) fn load(&self, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, TlsError> {
        let chain = certificates(&self.cert)?;
        let what = "key file";
        let key = PrivateKeyDer::from_pem_slice(&read(&self.key)?);
        let key = key.map_err(|error| pem_error(what, &self.key, &error))?;
        // What is compared with the key is not what is shown, if the library cannot read that.
        let first = chain.first().and_then(first_version::as_version_3);
        let compared = first.map_or_else(|| chain.clone(), |first| vec![first]);
        match CertifiedKey::from_der(compared, key, provider) {
            Ok(pair) => Ok(Arc::new(CertifiedKey::new(chain, pair.key))),
            Err(rustls::Error::InconsistentKeys(_)) => Err(TlsError::Mismatch {
                cert: self.cert.clone(),
                key: self.key.clone(),
            }),
            Err(fault) => Err(TlsError::Unusable {
                what,
                path: self.key.clone(),
                fault: fault.to_string(),
            }),
        }
    }
}

/// The bytes of a file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |source| TlsError::Open {
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file, FILE_BYTES_MAX), &mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// All certificates of a file, in their order.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let what = "certificate file";
    let all = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| pem_error(what, path, &error))?;
    match all.is_empty() {
        true => Err(pem_error(what, path, &PemError::NoItemsFound)),
        false => Ok(all),
    }
}

/// The authorities of a file.
pub(crate) fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(path)? {
        roots.add(authority).map_err(|fault| TlsError::Unusable {
            what: "authority in",
            path: path.to_owned(),
            fault: fault.to_string(),
        })?;
    }
    Ok(roots)
}

fn pem_error(what: &'static str, path: &Path, error: &PemError) -> TlsError {
    let path = path.to_owned();
    match error {
        PemError::NoItemsFound => TlsError::Empty { what, path },
        other => TlsError::Pem {
            what,
            path,
            fault: other.to_string(),
        },
    }
}
