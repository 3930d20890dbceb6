//! Whose certificates are let in, of those that an authority has signed.

use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;

use crate::identity::Identity;

/// Whose certificates are let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Allowed {
    /// Everybody's.
    #[default]
    Any,
    /// Those with one of these common names.
    CommonNames(Vec<String>),
    /// Those that are valid for one of these names or addresses.
    Hostnames(Vec<String>),
}

impl Allowed {
    /// Whether the holder of a verified certificate is among them.
    pub(crate) fn admits(&self, certificate: &CertificateDer<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::CommonNames(names) => Identity::of(certificate)
                .is_some_and(|identity| names.contains(&identity.common_name)),
            Self::Hostnames(names) => match ParsedCertificate::try_from(certificate) {
                Ok(parsed) => names.iter().any(|name| is_valid_for(&parsed, name)),
                Err(_) => false,
            },
        }
    }
}

/// Addresses may stand in brackets.
fn is_valid_for(certificate: &ParsedCertificate<'_>, host: &str) -> bool {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    ServerName::try_from(bare).is_ok_and(|name| verify_server_name(certificate, &name).is_ok())
}
