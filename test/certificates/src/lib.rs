//! Authorities and certificates for tests, made on the spot: nothing that expires is checked in.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SerialNumber, SigningKey as _,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What tests cannot do without.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Somebody who signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// What a certificate is to say.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The common name of the subject; empty for none.
    pub common_name: &'static str,
    /// Names and addresses that it is valid for.
    pub hosts: &'static [&'static str],
    /// The serial number.
    pub serial: u64,
    /// Whether its time is over.
    pub is_expired: bool,
}

/// What a certificate says it may be shown for.
pub type Purpose = ExtendedKeyUsagePurpose;

impl Default for Wish {
    fn default() -> Self {
        Self {
            common_name: "",
            hosts: &["localhost", "127.0.0.1"],
            serial: 1,
            is_expired: false,
        }
    }
}

/// A certificate and its key, as text.
pub struct Issued {
    cert: String,
    key: String,
}

/// Where they stand.
#[derive(Clone, Debug)]
pub struct Files {
    /// The certificate.
    pub cert: PathBuf,
    /// The key.
    pub key: PathBuf,
}

impl Authority {
    /// An authority of that name.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::new([])?;
        params.distinguished_name = subject(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem();
        let issuer = Issuer::new(params, key);
        Ok(Self { issuer, pem })
    }

    /// Writes the authority's own certificate.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<PathBuf> {
        fs::write(path, &self.pem)?;
        Ok(path.to_owned())
    }

    /// Signs a certificate, good for servers and clients.
    ///
    /// # Errors
    /// When a host cannot stand in a certificate.
    pub fn issue(&self, wish: &Wish) -> Result<Issued> {
        let mut params = wish.params()?;
        params.extended_key_usages = vec![Purpose::ServerAuth, Purpose::ClientAuth];
        let key = KeyPair::generate()?;
        let cert = params.signed_by(&key, &self.issuer)?.pem();
        let key = key.serialize_pem();
        Ok(Issued { cert, key })
    }

    /// Signs a certificate of version 1, as `openssl x509 -req` makes them without extensions: it
    /// names no hosts.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn issue_first_version(&self, wish: &Wish) -> Result<Issued> {
        let wish = Wish {
            hosts: &[],
            ..wish.clone()
        };
        let key = KeyPair::generate()?;
        let newer = wish.params()?.signed_by(&key, &self.issuer)?;
        let cert = first_version(newer.der(), self.issuer.key())?;
        let key = key.serialize_pem();
        Ok(Issued { cert, key })
    }

    /// Signs a list of revoked serial numbers, as DER.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn revoke(&self, serials: &[u64]) -> Result<Vec<u8>> {
        let now = SystemTime::now();
        let revoked = serials.iter().map(|&serial| RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: now.into(),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: now.into(),
            next_update: (now + DAY).into(),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(params.signed_by(&self.issuer)?.der().to_vec())
    }
}

impl Wish {
    fn params(&self) -> Result<CertificateParams> {
        let hosts: Vec<String> = self.hosts.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(hosts)?;
        params.distinguished_name = subject(self.common_name);
        params.serial_number = Some(SerialNumber::from(self.serial));
        let now = SystemTime::now();
        params.not_before = (now - 2 * DAY).into();
        params.not_after = match self.is_expired {
            true => now - DAY,
            false => now + DAY,
        }
        .into();
        Ok(params)
    }

    /// A certificate that has signed itself and says that it is an authority, as
    /// `openssl req -x509` makes them; for anything when no purpose is given.
    ///
    /// # Errors
    /// When a host cannot stand in a certificate.
    pub fn self_signed(&self, purposes: &[Purpose]) -> Result<Issued> {
        let mut params = self.params()?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.extended_key_usages = purposes.to_vec();
        let key = KeyPair::generate()?;
        let cert = params.self_signed(&key)?.pem();
        let key = key.serialize_pem();
        Ok(Issued { cert, key })
    }
}

impl Issued {
    /// Writes `<name>.pem` and `<name>.key` into `dir`, each in one step.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, dir: &Path, name: &str) -> io::Result<Files> {
        let cert = dir.join(format!("{name}.pem"));
        let key = dir.join(format!("{name}.key"));
        replace(&key, self.key.as_bytes())?;
        replace(&cert, self.cert.as_bytes())?;
        Ok(Files { cert, key })
    }
}

/// Puts a file in the place of another in one step, as those who renew certificates do.
///
/// # Errors
/// When a file cannot be written.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let made = path.with_extension("new");
    fs::write(&made, bytes)?;
    fs::rename(made, path)
}

/// The same certificate without what says its version, signed again.
fn first_version(certificate: &[u8], key: &KeyPair) -> Result<String> {
    let (signed, tail) = element(element(certificate).0);
    let (algorithm, _) = element(tail);
    let version_bytes = 5;
    let signed = made(0x30, &[&signed[version_bytes..]]);
    let algorithm = made(0x30, &[algorithm]);
    let signature = made(3, &[&[0], &key.sign(&signed)?]);
    let der = made(0x30, &[&signed, &algorithm, &signature]);
    let text = STANDARD.encode(der);
    Ok(format!(
        "-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"
    ))
}

/// The contents of the first element of DER, and what stands behind it.
fn element(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (begin, length) = match bytes[1] {
        0x81 => (3, usize::from(bytes[2])),
        0x82 => (4, usize::from(bytes[2]) << 8 | usize::from(bytes[3])),
        short => (2, usize::from(short)),
    };
    (&bytes[begin..begin + length], &bytes[begin + length..])
}

/// An element of DER.
fn made(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
    let contents = contents.concat();
    let [high, low] = (contents.len() as u16).to_be_bytes();
    let head = match contents.len() {
        0..0x80 => vec![tag, low],
        0x80..0x100 => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [head, contents].concat()
}

fn subject(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "tests");
    if !common_name.is_empty() {
        name.push(DnType::CommonName, common_name);
    }
    name
}
