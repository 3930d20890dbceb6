//! The first members of a cluster as `--initial-cluster` names them, and whether a member is among them under
//! its own URLs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use crate::url::{Url, UrlError};

/// Names and peer URLs; those of a name are sorted.
pub type Members = BTreeMap<String, Vec<String>>;

/// Why a cluster cannot be founded by a member.
#[derive(Debug, thiserror::Error)]
pub enum InitialClusterError {
    /// The description cannot be read.
    #[error(transparent)]
    Syntax(#[from] UrlError),
    /// This member is not in it.
    #[error("couldn't find local name \"{0}\" in the initial cluster configuration")]
    NoLocalName(String),
    /// A URL stands twice.
    #[error("initial cluster {0} has duplicate url")]
    DuplicateUrl(String),
    /// A URL of the description is not advertised.
    #[error(
        "--initial-cluster has {entry} but missing from --initial-advertise-peer-urls={advertised}{resolved}"
    )]
    NotAdvertised {
        /// The entry.
        entry: String,
        /// What is advertised.
        advertised: String,
        /// What the two are after looking names up.
        resolved: String,
    },
    /// An advertised URL is not in the description.
    #[error("--initial-advertise-peer-urls has {url} but missing from --initial-cluster={entries}")]
    NotInCluster {
        /// The URL.
        url: String,
        /// This member's entries.
        entries: String,
    },
}

/// Reads `name=url,name=url`.
fn parse(text: &str) -> Result<Members, UrlError> {
    let mut texts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (name, url) = part.split_once('=').unwrap_or((part, ""));
        texts.entry(name).or_default().push(url);
    }
    let mut members = Members::new();
    for (name, urls) in texts {
        let urls = urls
            .into_iter()
            .map(Url::parse)
            .collect::<Result<Vec<_>, _>>()?;
        let mut urls: Vec<String> = urls.iter().map(Url::to_string).collect();
        urls.sort_unstable();
        members.insert(name.to_owned(), urls);
    }
    Ok(members)
}

/// The members of a description, and that the one of this name is described as it is advertised.
///
/// `resolve` looks a `host:port` up: two URLs are the same if they reach the same address.
///
/// # Errors
/// As [`InitialClusterError`] says.
pub fn members(
    text: &str,
    name: &str,
    advertised: &[String],
    resolve: impl Fn(&str) -> BTreeSet<SocketAddr>,
) -> Result<Members, InitialClusterError> {
    let members = parse(text)?;
    let own = members
        .get(name)
        .ok_or_else(|| InitialClusterError::NoLocalName(name.to_owned()))?;
    let mut seen = BTreeSet::new();
    if !members.values().flatten().all(|url| seen.insert(url)) {
        return Err(InitialClusterError::DuplicateUrl(shown(&members)));
    }
    compare(name, own, advertised, resolve)?;
    Ok(members)
}

/// The members in order, whatever the order of the description.
fn shown(members: &Members) -> String {
    let named = members
        .iter()
        .flat_map(|(name, urls)| urls.iter().map(move |url| format!("{name}={url}")));
    named.collect::<Vec<_>>().join(",")
}

/// The two lists must be the same, at least after looking names up.
fn compare(
    name: &str,
    own: &[String],
    advertised: &[String],
    resolve: impl Fn(&str) -> BTreeSet<SocketAddr>,
) -> Result<(), InitialClusterError> {
    if own == advertised {
        return Ok(());
    }
    if own.len() == advertised.len() {
        let mut pairs = own.iter().zip(advertised);
        let different = pairs.find(|(own, advertised)| !same_place(own, advertised, &resolve));
        let Some((own, other)) = different else {
            return Ok(());
        };
        return Err(InitialClusterError::NotAdvertised {
            entry: format!("{name}={own}"),
            advertised: advertised.join(","),
            resolved: format!(" (resolved urls: \"{other}\" != \"{own}\")"),
        });
    }
    let missing =
        |all: &[String], some: &[String]| all.iter().find(|url| !some.contains(url)).cloned();
    if let Some(url) = missing(own, advertised) {
        return Err(InitialClusterError::NotAdvertised {
            entry: format!("{name}={url}"),
            advertised: advertised.join(","),
            resolved: String::new(),
        });
    }
    let entries: Vec<String> = own.iter().map(|url| format!("{name}={url}")).collect();
    let url = missing(advertised, own).unwrap_or_default();
    let entries = entries.join(",");
    Err(InitialClusterError::NotInCluster { url, entries })
}

/// Whether two URLs have the same scheme and reach the same address.
fn same_place(a: &str, b: &str, resolve: impl Fn(&str) -> BTreeSet<SocketAddr>) -> bool {
    if a == b {
        return true;
    }
    let (Ok(a), Ok(b)) = (Url::parse(a), Url::parse(b)) else {
        return false;
    };
    let (at, other) = (resolve(a.host_port()), resolve(b.host_port()));
    a.scheme() == b.scheme() && !at.is_disjoint(&other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, cluster: &str, advertised: &str) -> Result<Members, String> {
        let advertised: Vec<String> = advertised.split(',').map(str::to_owned).collect();
        let resolve = |at: &str| {
            let at = at.replace("localhost", "127.0.0.1");
            at.parse().into_iter().collect()
        };
        members(cluster, name, &advertised, resolve).map_err(|error| error.to_string())
    }

    /// A member whose URLs are not those that the others know gets another id.
    #[test]
    fn refusals() {
        let own = "http://127.0.0.1:2380";
        for (name, cluster, advertised, error) in [
            (
                "a",
                "b=http://127.0.0.1:2380",
                own,
                "couldn't find local name \"a\" in the initial cluster configuration",
            ),
            (
                "n",
                "n=http://127.0.0.1:2381",
                own,
                "--initial-cluster has n=http://127.0.0.1:2381 but missing from --initial-advertise-peer-urls=http://127.0.0.1:2380 (resolved urls: \"http://127.0.0.1:2380\" != \"http://127.0.0.1:2381\")",
            ),
            (
                "n",
                "n=http://127.0.0.1:2380",
                "http://127.0.0.1:2380,http://127.0.0.1:2381",
                "--initial-advertise-peer-urls has http://127.0.0.1:2381 but missing from --initial-cluster=n=http://127.0.0.1:2380",
            ),
            (
                "n",
                "n=http://127.0.0.1:2380,m=http://127.0.0.1:2380",
                own,
                "initial cluster m=http://127.0.0.1:2380,n=http://127.0.0.1:2380 has duplicate url",
            ),
            (
                "n",
                "n",
                own,
                "URL scheme must be http, https, unix, or unixs: ",
            ),
        ] {
            assert_eq!(check(name, cluster, advertised).unwrap_err(), error);
        }
    }

    #[test]
    fn several_urls_and_members() {
        let cluster = "a=http://127.0.0.1:2,b=http://127.0.0.1:3,a=http://127.0.0.1:1";
        let members = check("a", cluster, "http://127.0.0.1:1,http://127.0.0.1:2").unwrap();
        assert_eq!(members["a"], ["http://127.0.0.1:1", "http://127.0.0.1:2"]);
        assert_eq!(members.len(), 2);
        assert!(check("a", "a=http://localhost:1", "http://127.0.0.1:1").is_ok());
    }
}
