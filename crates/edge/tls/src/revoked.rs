//! The revocation list: serial numbers that are refused.
//!
//! As in etcd, the list is one file of DER (PEM is taken too), its own signature and age are not
//! asked for, and the serial of every certificate that was shown is looked up. A list that cannot
//! be read refuses everybody: whom it would name is not known.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::prelude::{CertificateRevocationList, FromDer as _, X509Certificate};

use crate::error::{HandshakeError, TlsError};
use crate::files;
use crate::fresh::Fresh;

/// A revocation list, read again when its file changes.
pub(crate) struct Revoked {
    path: PathBuf,
    serials: Fresh<Serials>,
}

/// None before the list could be read for the first time.
type Serials = Option<BTreeSet<Vec<u8>>>;

impl Revoked {
    /// Names the file; it may come to exist later, and until then everybody is refused.
    pub(crate) fn new(path: PathBuf) -> Self {
        let first = Fresh::new::<TlsError>(vec![path.clone()], || Ok(load(&path).ok()));
        let serials = first.expect("a list that cannot be read is kept as none");
        Self { path, serials }
    }

    /// Refuses a chain that has a revoked certificate.
    pub(crate) fn check(&self, chain: &[CertificateDer<'_>]) -> Result<(), HandshakeError> {
        let mut serials = self.serials.get(|| load(&self.path).map(Some))?;
        if serials.is_none() {
            // It stands as it was when it could not be read; the reason is found by reading it.
            serials = std::sync::Arc::new(Some(load(&self.path)?));
        }
        let Some(serials) = &*serials else {
            return Ok(());
        };
        for certificate in chain {
            let (_, parsed) =
                X509Certificate::from_der(certificate).map_err(|fault| TlsError::Unusable {
                    what: "certificate checked against",
                    path: self.path.clone(),
                    fault: fault.to_string(),
                })?;
            let serial = parsed.tbs_certificate.raw_serial();
            if serials.contains(significant(serial)) {
                return Err(HandshakeError::Revoked(hexadecimal(serial)));
            }
        }
        Ok(())
    }
}

fn load(path: &Path) -> Result<BTreeSet<Vec<u8>>, TlsError> {
    let bytes = files::read(path)?;
    let unusable = |fault: String| TlsError::Unusable {
        what: "revocation list",
        path: path.to_owned(),
        fault,
    };
    let der = match bytes.starts_with(b"-----BEGIN") {
        true => CertificateRevocationListDer::from_pem_slice(&bytes)
            .map_err(|fault| unusable(fault.to_string()))?
            .to_vec(),
        false => bytes,
    };
    let (_, list) =
        CertificateRevocationList::from_der(&der).map_err(|fault| unusable(fault.to_string()))?;
    let serials = list.iter_revoked_certificates();
    Ok(serials
        .map(|revoked| significant(revoked.raw_serial()).to_vec())
        .collect())
}

/// A number without the zeros before it.
fn significant(serial: &[u8]) -> &[u8] {
    let zeros = serial.iter().take_while(|&&byte| byte == 0).count();
    &serial[zeros..]
}

fn hexadecimal(serial: &[u8]) -> String {
    serial.iter().map(|byte| format!("{byte:02x}")).collect()
}
