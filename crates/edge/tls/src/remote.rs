//! Whether a certificate is that of the address which shows it.
//!
//! A member's certificate that names hosts is believed only from one of them, so that a stolen one
//! is of no use elsewhere. Names are looked up; a wildcard is compared with the names that the
//! address itself has.

use std::net::IpAddr;

use crate::error::HandshakeError;
use crate::identity::Identity;

/// Checks a verified certificate against where it comes from.
pub(crate) async fn check(identity: &Identity, remote: IpAddr) -> Result<(), HandshakeError> {
    // An IPv4 peer of a listener for both families.
    let remote = remote.to_canonical();
    let Identity {
        dns_names,
        addresses,
        ..
    } = identity;
    if addresses.is_empty() && dns_names.is_empty() || addresses.contains(&remote) {
        return Ok(());
    }
    if has_wildcard_for(dns_names, remote).await || has_name_for(dns_names, remote).await {
        return Ok(());
    }
    match dns_names.is_empty() {
        true => Err(HandshakeError::Addresses {
            remote,
            addresses: addresses.clone(),
        }),
        false => Err(HandshakeError::Names {
            remote,
            names: dns_names.clone(),
        }),
    }
}

async fn has_wildcard_for(names: &[String], remote: IpAddr) -> bool {
    let suffixes: Vec<&str> = names
        .iter()
        .filter_map(|name| name.strip_prefix('*'))
        .collect();
    if suffixes.is_empty() {
        return false;
    }
    let found = tokio::task::spawn_blocking(move || dns_lookup::lookup_addr(&remote)).await;
    let Ok(Ok(found)) = found else {
        return false;
    };
    let found = found.trim_end_matches('.');
    suffixes.iter().any(|suffix| found.ends_with(suffix))
}

async fn has_name_for(names: &[String], remote: IpAddr) -> bool {
    for name in names.iter().filter(|name| !name.starts_with('*')) {
        let Ok(mut found) = tokio::net::lookup_host((name.as_str(), 0)).await else {
            continue;
        };
        if found.any(|address| address.ip().to_canonical() == remote) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn text(dns_names: &[&str], addresses: &[&str], remote: &str) -> Result<(), String> {
        let identity = Identity {
            dns_names: dns_names.iter().map(ToString::to_string).collect(),
            addresses: addresses.iter().map(|one| one.parse().unwrap()).collect(),
            ..Identity::default()
        };
        let outcome = check(&identity, remote.parse().unwrap()).await;
        outcome.map_err(|error| error.to_string())
    }

    /// A stolen certificate is worth nothing elsewhere, and a member's own must work.
    #[tokio::test]
    async fn certificates_belong_to_addresses() {
        assert_eq!(text(&[], &[], "10.0.0.1").await, Ok(()));
        assert_eq!(text(&[], &["10.0.0.1"], "::ffff:10.0.0.1").await, Ok(()));
        assert_eq!(
            text(&["localhost"], &["10.0.0.1"], "127.0.0.1").await,
            Ok(())
        );
        assert_eq!(
            text(&[], &["10.0.0.2"], "10.0.0.1").await.unwrap_err(),
            "x509: certificate is valid for 10.0.0.2, not 10.0.0.1"
        );
        assert_eq!(
            text(&["localhost"], &[], "10.0.0.1").await.unwrap_err(),
            "tls: \"10.0.0.1\" does not match any of DNSNames [\"localhost\"]"
        );
        assert!(text(&["*.invalid"], &[], "127.0.0.1").await.is_err());
    }
}
