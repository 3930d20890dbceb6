//! Certificates that a member makes for itself (`--auto-tls`, `--peer-auto-tls`).
//!
//! They protect against listeners, not against impostors. As etcd's, they are authorities of
//! themselves, so that a client can be told to trust exactly this one. Theirs are on the curve P-521,
//! and are used where they are found; new ones are on P-384, which costs less.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P384_SHA384,
};

use crate::error::TlsError;
use crate::files::Pair;
use crate::settings::Suites;

const CERT_FILE: &str = "cert.pem";
const KEY_FILE: &str = "key.pem";
const ORGANIZATION: &str = "etcd";
const SECONDS_A_DAY: u64 = 24 * 60 * 60;
const DAYS_A_YEAR: u64 = 365;

/// Why there is no such certificate.
#[derive(Debug, thiserror::Error)]
pub enum SelfSignedError {
    /// It would be valid for no time.
    #[error("selfSignedCertValidity is invalid,it should be greater than 0")]
    Validity,
    /// A host cannot stand in a certificate.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The files of an earlier start cannot be used.
    #[error(transparent)]
    Earlier(#[from] TlsError),
}

/// A certificate that the member has made.
#[derive(Debug)]
pub struct SelfSigned {
    /// Where it stands.
    pub pair: Pair,
    /// Whether it was made now.
    pub is_new: bool,
    /// Whether it took the place of one whose key is of a kind that is not known here; the old files
    /// are kept, as `*.pem.old`.
    pub has_replaced: bool,
}

impl SelfSigned {
    /// The certificate in `dir` for these hosts (names or addresses), made unless both files exist.
    ///
    /// # Errors
    /// [`SelfSignedError`].
    pub fn find_or_make(
        dir: &Path,
        hosts: &[String],
        validity_years: u64,
    ) -> Result<Self, SelfSignedError> {
        if validity_years == 0 {
            return Err(SelfSignedError::Validity);
        }
        let pair = Pair {
            cert: dir.join(CERT_FILE),
            key: dir.join(KEY_FILE),
        };
        let mut has_replaced = false;
        if pair.cert.exists() && pair.key.exists() {
            match pair.load(&Suites::default().provider()) {
                Ok(_) => {
                    return Ok(Self {
                        pair,
                        is_new: false,
                        has_replaced,
                    });
                }
                // A directory that was taken over must start.
                Err(TlsError::Unusable { .. }) => has_replaced = true,
                Err(error) => return Err(error.into()),
            }
        }
        let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384)?;
        let certificate = parameters(hosts, validity_years)?.self_signed(&key)?;
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| SelfSignedError::Write { path, source }
        };
        let mut folders = fs::DirBuilder::new();
        folders.recursive(true).mode(0o700);
        folders.create(dir).map_err(failed(dir))?;
        if has_replaced {
            for path in [&pair.key, &pair.cert] {
                fs::rename(path, path.with_extension("pem.old")).map_err(failed(path))?;
            }
        }
        write(&pair.key, &key.serialize_pem()).map_err(failed(&pair.key))?;
        write(&pair.cert, &certificate.pem()).map_err(failed(&pair.cert))?;
        Ok(Self {
            pair,
            is_new: true,
            has_replaced,
        })
    }
}

fn parameters(hosts: &[String], years: u64) -> Result<CertificateParams, rcgen::Error> {
    let mut parameters = CertificateParams::new(hosts.to_vec())?;
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, ORGANIZATION);
    parameters.distinguished_name = subject;
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
        KeyUsagePurpose::CrlSign,
    ];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let now = SystemTime::now();
    let days = years.saturating_mul(DAYS_A_YEAR).min(100 * DAYS_A_YEAR);
    parameters.not_before = now.into();
    parameters.not_after = (now + std::time::Duration::from_secs(days * SECONDS_A_DAY)).into();
    Ok(parameters)
}

/// A new file that only this user can read.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
