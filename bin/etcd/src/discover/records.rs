//! The first members as SRV records name them.

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs as _};

use discovery::{LookupError, Target};

use crate::failure;
use crate::flags::settings::Settings;
use crate::logging::Logger;
use crate::logging::field::fields;
use notation::url::Url;

/// The services of members, with the schemes of their URLs.
const SERVICES: [(&str, &str); 2] = [("https", "etcd-server-ssl"), ("http", "etcd-server")];

/// Why the records do not tell who the members are.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordsError {
    /// There are none.
    #[error("error setting up initial cluster: {0}")]
    None(String),
    /// This member is not among them.
    #[error("cannot find local etcd member {0:?} in SRV records")]
    NoLocalName(String),
    /// The system refuses what asking takes.
    #[error("cannot ask for SRV records")]
    Runtime(#[source] std::io::Error),
}

/// Why the records of one service are of no use.
#[derive(Debug, thiserror::Error)]
enum ServiceError {
    #[error(transparent)]
    Lookup(#[from] LookupError),
    #[error("failed to resolve {0}")]
    Unresolved(String),
    #[error(
        "bootstrap at {url} from DNS for {service} has scheme mismatch with expected peer {expected}"
    )]
    Scheme {
        url: String,
        service: String,
        expected: String,
    },
}

/// The members of `--discovery-srv`, as `--initial-cluster` has them.
pub(crate) fn members(settings: &Settings, log: &Logger) -> Result<String, RecordsError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(RecordsError::Runtime)?;
    let (domain, suffix) = (
        settings.text("discovery-srv"),
        settings.text("discovery-srv-name"),
    );
    let name = settings.text("name");
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    for (scheme, service) in SERVICES {
        let targets = runtime.block_on(discovery::srv(service, domain, suffix));
        let entries = own_places(settings).and_then(|own| {
            let own = Own { name, places: &own };
            entries(scheme, service, &targets?, &own, resolve)
        });
        match entries {
            Ok(entries) => found.extend(entries),
            Err(error) => {
                let error = failure::chain(&error);
                let service = match suffix.is_empty() {
                    true => service.to_owned(),
                    false => format!("{service}-{suffix}"),
                };
                errors.push(format!(
                    "error querying DNS SRV records for _{service} {error}"
                ));
            }
        }
    }
    if !errors.is_empty() {
        let fields = fields!["error" => errors.join("; ")];
        log.warn("failed to resolve during SRV discovery", fields);
    }
    if found.is_empty() {
        return Err(RecordsError::None(errors.join("; ")));
    }
    let own = format!("{name}=");
    match found.iter().any(|entry| entry.starts_with(&own)) {
        true => Ok(found.join(",")),
        false => Err(RecordsError::NoLocalName(name.to_owned())),
    }
}

/// Where this member is, by address.
struct Own<'a> {
    name: &'a str,
    places: &'a BTreeMap<SocketAddr, Url>,
}

fn own_places(settings: &Settings) -> Result<BTreeMap<SocketAddr, Url>, ServiceError> {
    let urls = settings.urls("initial-advertise-peer-urls").iter();
    let place = |url: &Url| {
        let address = resolve(url.host_port());
        let address =
            address.ok_or_else(|| ServiceError::Unresolved(url.host_port().to_owned()))?;
        Ok((address, url.clone()))
    };
    urls.map(place).collect()
}

/// The address of `host:port`; the lowest one, so that everybody takes the same.
fn resolve(host_port: &str) -> Option<SocketAddr> {
    host_port.to_socket_addrs().ok()?.min()
}

/// `name=url` for each target: the own name where the address is this member's, numbers elsewhere.
fn entries(
    scheme: &str,
    service: &str,
    targets: &[Target],
    own: &Own<'_>,
    resolve: impl Fn(&str) -> Option<SocketAddr>,
) -> Result<Vec<String>, ServiceError> {
    let (mut entries, mut others, mut problem) = (Vec::new(), 0, None);
    for Target { host, port, .. } in targets {
        let place = format!("{host}:{port}");
        let Some(address) = resolve(&place) else {
            problem = Some(ServiceError::Unresolved(place));
            continue;
        };
        let url = format!("{scheme}://{place}");
        let Some(expected) = own.places.get(&address) else {
            entries.push(format!("{others}={url}"));
            others += 1;
            continue;
        };
        if expected.to_string().starts_with(&format!("{scheme}://")) {
            entries.push(format!("{}={url}", own.name));
        } else {
            problem = Some(ServiceError::Scheme {
                url,
                service: service.to_owned(),
                expected: expected.to_string(),
            });
        }
    }
    match problem {
        Some(problem) if entries.is_empty() => Err(problem),
        _ => Ok(entries),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(scheme: &str, hosts: &[&str]) -> Result<Vec<String>, String> {
        let own_url = Url::parse("http://10.0.0.2:2380").unwrap();
        let places = BTreeMap::from([("10.0.0.2:2380".parse().unwrap(), own_url)]);
        let own = Own {
            name: "me",
            places: &places,
        };
        let target = |host: &&str| Target {
            host: (*host).to_owned(),
            port: 2380,
            priority: 0,
            weight: 0,
        };
        let targets: Vec<Target> = hosts.iter().map(target).collect();
        let known = [
            ("a.test:2380", "10.0.0.1:2380"),
            ("b.test:2380", "10.0.0.2:2380"),
            ("c.test:2380", "10.0.0.3:2380"),
        ];
        let resolve = |place: &str| {
            let found = known.iter().find(|(name, _)| *name == place)?;
            found.1.parse().ok()
        };
        let entries = entries(scheme, "etcd-server", &targets, &own, resolve);
        entries.map_err(|error| error.to_string())
    }

    /// Who does not find itself among the records founds a cluster in which it has no vote.
    #[test]
    fn the_own_address_has_the_own_name() {
        let found = of("http", &["a.test", "b.test", "x.test", "c.test"]).unwrap();
        assert_eq!(
            found,
            [
                "0=http://a.test:2380",
                "me=http://b.test:2380",
                "1=http://c.test:2380"
            ]
        );
        assert_eq!(
            of("http", &["x.test"]),
            Err("failed to resolve x.test:2380".to_owned())
        );
        assert_eq!(
            of("https", &["b.test"]),
            Err("bootstrap at https://b.test:2380 from DNS for etcd-server has scheme mismatch with expected peer http://10.0.0.2:2380".to_owned())
        );
    }
}
