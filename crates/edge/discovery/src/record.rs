//! The records of a service, and what clients make of them.

use crate::exchange::{self, LookupError};
use crate::nameservers::Nameservers;

/// One place where a service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The host's name, without the dot at its end.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Lower ones are to be tried first.
    pub priority: u16,
    /// Among equal priorities, how much of the load it should get.
    pub weight: u16,
}

/// Neither service of clients has records.
#[derive(Debug, thiserror::Error)]
#[error("dns lookup errors: {} and {}", chain(encrypted), chain(plain))]
pub struct ClientsError {
    /// Why there are none with TLS.
    pub encrypted: Box<LookupError>,
    /// Why there are none without.
    pub plain: Box<LookupError>,
}

/// The name of the service's records: `_service[-name]._tcp.domain`.
#[must_use]
pub fn service_name(service: &str, domain: &str, name: &str) -> String {
    match name.is_empty() {
        true => format!("_{service}._tcp.{domain}"),
        false => format!("_{service}-{name}._tcp.{domain}"),
    }
}

/// The places of a service (`etcd-client-ssl` and the like) in a domain, those to be tried first
/// before the others; `name` tells clusters of one domain apart and may be empty.
///
/// # Errors
/// [`LookupError`] when there are none, or nobody tells.
pub async fn srv(service: &str, domain: &str, name: &str) -> Result<Vec<Target>, LookupError> {
    let name = service_name(service, domain, name);
    exchange::ask(&Nameservers::of_process(), &name).await
}

/// The endpoints for clients in a domain: `https://host:port`, then `http://host:port`.
///
/// # Errors
/// [`ClientsError`] when there are neither.
pub async fn clients(domain: &str, name: &str) -> Result<Vec<String>, ClientsError> {
    let encrypted = srv("etcd-client-ssl", domain, name).await;
    let plain = srv("etcd-client", domain, name).await;
    match (encrypted, plain) {
        (Err(encrypted), Err(plain)) => Err(ClientsError {
            encrypted: Box::new(encrypted),
            plain: Box::new(plain),
        }),
        (encrypted, plain) => {
            let mut found = urls("https", &encrypted.unwrap_or_default());
            found.extend(urls("http", &plain.unwrap_or_default()));
            Ok(found)
        }
    }
}

fn urls(scheme: &str, targets: &[Target]) -> Vec<String> {
    let url = |target: &Target| format!("{scheme}://{}:{}", target.host, target.port);
    targets.iter().map(url).collect()
}

/// An error with its cause, in one line.
fn chain(error: &LookupError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_services() {
        assert_eq!(service_name("s", "d.test", ""), "_s._tcp.d.test");
        assert_eq!(service_name("s", "d.test", "n"), "_s-n._tcp.d.test");
    }
}
