//! Certificates that are trusted by themselves, as `openssl req -x509` and `--auto-tls` make them.
//!
//! The library refuses an authority that stands for itself, Go does not where that very certificate
//! is in the pool: then no chain is built, but age, names and purpose count as always.

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error};
use x509_parser::prelude::{ExtendedKeyUsage, FromDer as _, X509Certificate};

/// What a certificate is shown for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    Server,
    Client,
}

/// The authorities of a file as they are.
#[derive(Debug)]
pub(crate) struct Trusted(Vec<CertificateDer<'static>>);

impl Trusted {
    pub(crate) fn new(authorities: Vec<CertificateDer<'static>>) -> Self {
        Self(authorities)
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[CertificateDer<'static>] {
        &self.0
    }

    /// The certificate, if it is one of these; an error if it is and still must not be believed.
    /// Only bytes count: a name or a key can be borrowed.
    pub(crate) fn find<'a>(
        &self,
        shown: &'a CertificateDer<'a>,
        purpose: Purpose,
        now: UnixTime,
    ) -> Result<Option<ParsedCertificate<'a>>, Error> {
        if !self.0.iter().any(|trusted| trusted == shown) {
            return Ok(None);
        }
        // Refuses critical extensions that it does not know.
        let parsed = ParsedCertificate::try_from(shown)?;
        let fit = check(shown, purpose, now);
        fit.map_err(Error::InvalidCertificate)?;
        Ok(Some(parsed))
    }
}

fn check(
    certificate: &CertificateDer<'_>,
    purpose: Purpose,
    now: UnixTime,
) -> Result<(), CertificateError> {
    let (_, certificate) =
        X509Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    check_age(&certificate, now)?;
    let usage = certificate.extended_key_usage();
    let usage = usage.map_err(|_| CertificateError::BadEncoding)?;
    match usage.is_none_or(|usage| is_for(usage.value, purpose)) {
        true => Ok(()),
        false => Err(CertificateError::InvalidPurpose),
    }
}

pub(crate) fn check_age(
    certificate: &X509Certificate<'_>,
    now: UnixTime,
) -> Result<(), CertificateError> {
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let validity = certificate.validity();
    if now < validity.not_before.timestamp() {
        return Err(CertificateError::NotValidYet);
    }
    match now > validity.not_after.timestamp() {
        true => Err(CertificateError::Expired),
        false => Ok(()),
    }
}

fn is_for(usage: &ExtendedKeyUsage<'_>, purpose: Purpose) -> bool {
    usage.any
        || match purpose {
            Purpose::Server => usage.server_auth,
            Purpose::Client => usage.client_auth,
        }
}
