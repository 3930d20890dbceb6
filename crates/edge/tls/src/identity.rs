//! What a certificate says about its holder.

use std::net::IpAddr;

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The holder of a verified certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The common name of the subject; empty when there is none.
    pub common_name: String,
    /// The DNS names among the alternative names.
    pub dns_names: Vec<String>,
    /// The addresses among them.
    pub addresses: Vec<IpAddr>,
}

impl Identity {
    /// Reads a certificate; none when it is malformed.
    #[must_use]
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        let mut identity = Self {
            common_name: common_name(&certificate),
            ..Self::default()
        };
        let alternatives = certificate.subject_alternative_name().ok()?;
        for name in alternatives.iter().flat_map(|all| &all.value.general_names) {
            match name {
                GeneralName::DNSName(name) => identity.dns_names.push((*name).to_owned()),
                GeneralName::IPAddress(bytes) => identity.addresses.extend(address(bytes)),
                _ => {}
            }
        }
        Some(identity)
    }
}

/// Of several common names the last, as Go has it.
fn common_name(certificate: &X509Certificate<'_>) -> String {
    let names = certificate.subject().iter_common_name();
    let texts = names.filter_map(|name| name.as_str().ok());
    texts.last().unwrap_or_default().to_owned()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}
