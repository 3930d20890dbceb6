//! The members of the cluster that is founded, checked as etcdutl checks them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, ToSocketAddrs as _};

use anyhow::{Result, bail};
use notation::url::Url;

/// Names and peer URLs.
pub(crate) type Members = BTreeMap<String, Vec<String>>;

/// Reads `name=url,name=url` and compares the URLs of `name` with those that are advertised.
pub(crate) fn members(text: &str, name: &str, advertised: &str) -> Result<Members> {
    let advertised: Vec<String> = Url::parse_list(advertised)?
        .iter()
        .map(Url::to_string)
        .collect();
    let members = parse(text)?;
    let Some(own) = members.get(name) else {
        bail!("couldn't find local name {name:?} in the initial cluster configuration");
    };
    let mut seen = BTreeSet::new();
    if !members.values().flatten().all(|url| seen.insert(url)) {
        let shown = members
            .iter()
            .flat_map(|(name, urls)| urls.iter().map(move |url| format!("{name}={url}")));
        let shown = shown.collect::<Vec<_>>().join(",");
        bail!("initial cluster {shown} has duplicate url");
    }
    compare(name, own, &advertised)?;
    Ok(members)
}

fn parse(text: &str) -> Result<Members> {
    let mut members = Members::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (name, url) = part.split_once('=').unwrap_or((part, ""));
        let url = Url::parse(url)?.to_string();
        members.entry(name.to_owned()).or_default().push(url);
    }
    for urls in members.values_mut() {
        urls.sort_unstable();
    }
    Ok(members)
}

/// The two lists must be the same, at least after looking names up.
fn compare(name: &str, own: &[String], advertised: &[String]) -> Result<()> {
    let missing = |all: &[String], some: &[String]| {
        let found = all.iter().find(|url| !some.contains(url));
        found.cloned().unwrap_or_default()
    };
    if own.len() == advertised.len() {
        let mut pairs = own.iter().zip(advertised);
        let Some((own, other)) = pairs.find(|(own, other)| !same_place(own, other)) else {
            return Ok(());
        };
        bail!(
            "--initial-cluster has {name}={own} but missing from \
             --initial-advertise-peer-urls={} (resolved urls: {other:?} != {own:?})",
            advertised.join(",")
        );
    }
    let url = missing(own, advertised);
    if !url.is_empty() {
        bail!(
            "--initial-cluster has {name}={url} but missing from --initial-advertise-peer-urls={}",
            advertised.join(",")
        );
    }
    let entries: Vec<String> = own.iter().map(|url| format!("{name}={url}")).collect();
    bail!(
        "--initial-advertise-peer-urls has {} but missing from --initial-cluster={}",
        missing(advertised, own),
        entries.join(",")
    );
}

/// Whether two URLs have the same scheme and reach the same address.
fn same_place(a: &str, b: &str) -> bool {
    let resolve = |text: &str| -> Option<(_, BTreeSet<SocketAddr>)> {
        let url = Url::parse(text).ok()?;
        let addresses = url.host_port().to_socket_addrs().ok()?;
        Some((url.scheme(), addresses.collect()))
    };
    a == b
        || match (resolve(a), resolve(b)) {
            (Some((a_scheme, a)), Some((b_scheme, b))) => {
                a_scheme == b_scheme && a.intersection(&b).next().is_some()
            }
            _ => false,
        }
}
