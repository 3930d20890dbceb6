//! Certificates of version 1: `openssl x509 -req` makes them when it is given no extensions.
//!
//! The library refuses them, Go does not. They name no hosts, so no server is believed with one;
//! a client is, when an authority of the file itself has signed its certificate. Wherever else the
//! library looks into one, it is given the same certificate in the words of version 3.

use rustls::CertificateError;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, UnixTime};
use x509_parser::prelude::{FromDer as _, X509Certificate, X509Version};

use crate::trusted::check_age;

/// The tag of a sequence.
const SEQUENCE: u8 = 0x30;
/// What stands at the beginning of a certificate of version 3.
const VERSION_3: [u8; 5] = [0xa0, 3, 2, 1, 2];

/// What is signed, by which algorithm, and the rest of the certificate with both in it.
struct Parts<'a> {
    signed: &'a [u8],
    algorithm: &'a [u8],
    tail: &'a [u8],
}

/// The same certificate in version 3, which no authority has signed; none if it is not of version 1.
pub(crate) fn as_version_3(certificate: &CertificateDer<'_>) -> Option<CertificateDer<'static>> {
    parse(certificate)?;
    let Parts { signed, tail, .. } = parts(certificate)?;
    let (fields, _) = element(signed)?;
    let signed = sequence(&[&VERSION_3, fields]);
    Some(sequence(&[&signed, tail]).into())
}

/// Whether a client's certificate is of version 1 and signed by one of the authorities; an error if
/// it is of version 1 and must not be believed.
pub(crate) fn is_signed(
    certificate: &CertificateDer<'_>,
    authorities: &[CertificateDer<'_>],
    algorithms: &WebPkiSupportedAlgorithms,
    now: UnixTime,
) -> Result<bool, CertificateError> {
    let Some(parsed) = parse(certificate) else {
        return Ok(false);
    };
    check_age(&parsed, now)?;
    let mut fault = CertificateError::UnknownIssuer;
    for authority in authorities {
        let Ok((_, authority)) = X509Certificate::from_der(authority) else {
            continue;
        };
        if authority.subject().as_raw() != parsed.issuer().as_raw() || !may_sign(&authority) {
            continue;
        }
        let believed = check_age(&authority, now)
            .and_then(|()| check_signature(certificate, &parsed, &authority, algorithms));
        match believed {
            Ok(()) => return Ok(true),
            Err(reason) => fault = reason,
        }
    }
    Err(fault)
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    let (rest, parsed) = X509Certificate::from_der(certificate).ok()?;
    let is_first = parsed.version() == X509Version::V1 && parsed.extensions().is_empty();
    (is_first && rest.is_empty()).then_some(parsed)
}

fn parts<'a>(certificate: &'a CertificateDer<'_>) -> Option<Parts<'a>> {
    let (fields, _) = element(certificate)?;
    let (_, tail) = element(fields)?;
    let (algorithm, _) = element(tail)?;
    let signed = fields.get(..fields.len() - tail.len())?;
    Some(Parts {
        signed,
        algorithm,
        tail,
    })
}

/// What Go asks of an authority. Those that are bound to names bind nobody who has none.
fn may_sign(authority: &X509Certificate<'_>) -> bool {
    let is_authority = match authority.version() {
        X509Version::V1 => true,
        _ => authority.is_ca(),
    };
    let signs = authority
        .key_usage()
        .is_ok_and(|usage| usage.is_none_or(|usage| usage.value.key_cert_sign()));
    let is_free = authority
        .name_constraints()
        .is_ok_and(|names| names.is_none());
    is_authority && signs && is_free
}

fn check_signature(
    certificate: &CertificateDer<'_>,
    parsed: &X509Certificate<'_>,
    authority: &X509Certificate<'_>,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<(), CertificateError> {
    let parts = parts(certificate).ok_or(CertificateError::BadEncoding)?;
    let (key_algorithm, _) = element(authority.public_key().raw)
        .and_then(|(fields, _)| element(fields))
        .ok_or(CertificateError::BadEncoding)?;
    let key = &authority.public_key().subject_public_key.data;
    let signature = &parsed.signature_value;
    let fits = parsed.tbs_certificate.signature == parsed.signature_algorithm
        && signature.unused_bits == 0
        && algorithms.all.iter().any(|algorithm| {
            algorithm.signature_alg_id().as_ref() == parts.algorithm
                && algorithm.public_key_alg_id().as_ref() == key_algorithm
                && algorithm
                    .verify_signature(key, parts.signed, &signature.data)
                    .is_ok()
        });
    match fits {
        true => Ok(()),
        false => Err(CertificateError::BadSignature),
    }
}

/// The contents of the first element, and what stands behind it.
fn element(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&short, rest) = bytes.get(1..)?.split_first()?;
    let (length, rest) = match short {
        0..0x80 => (usize::from(short), rest),
        _ => {
            let (digits, rest) = rest.split_at_checked(usize::from(short & 0x7f))?;
            let length = digits.iter().try_fold(0_usize, |length, &digit| {
                length.checked_mul(256)?.checked_add(usize::from(digit))
            });
            (length?, rest)
        }
    };
    rest.split_at_checked(length)
}

fn sequence(contents: &[&[u8]]) -> Vec<u8> {
    let contents = contents.concat();
    let length = contents.len().to_be_bytes();
    let digits = &length[length.iter().take_while(|&&digit| digit == 0).count()..];
    let mut made = vec![SEQUENCE];
    match contents.len() {
        0..0x80 => {}
        _ => made.push(0x80 | digits.len() as u8),
    }
    made.extend_from_slice(digits);
    made.extend(contents);
    made
}
