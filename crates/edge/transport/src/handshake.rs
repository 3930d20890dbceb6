//! What members tell about themselves with every request, and what they check.

use http::{HeaderMap, HeaderName, HeaderValue};
use proto::limits::SERVER_VERSION;
use types::{ClusterId, MemberId};

/// The oldest cluster that this server works in.
pub(crate) const MIN_CLUSTER_VERSION: &str = "3.0.0";
/// What a member without the header is taken for.
const VERSION_UNSAID: (u16, u16) = (2, 0);

pub(crate) const CLUSTER_ID: HeaderName = HeaderName::from_static("x-etcd-cluster-id");
pub(crate) const SERVER_VERSION_HEADER: HeaderName = HeaderName::from_static("x-server-version");
const MIN_VERSION_HEADER: HeaderName = HeaderName::from_static("x-min-cluster-version");
const FROM: HeaderName = HeaderName::from_static("x-server-from");
const PEER_URLS: HeaderName = HeaderName::from_static("x-peerurls");
pub(crate) const RAFT_TO: HeaderName = HeaderName::from_static("x-raft-to");

/// Peer URLs that are believed of an unknown member.
const URLS_MAX: usize = 16;

/// Two members do not belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Mismatch {
    #[error("incompatible version")]
    Version,
    #[error("cluster ID mismatch")]
    Cluster,
}

/// The headers of our requests.
#[derive(Clone, Debug)]
pub(crate) struct Credentials(HeaderMap);

impl Credentials {
    pub(crate) fn new(local: MemberId, cluster: ClusterId, peer_urls: &[String]) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(FROM, id_value(local.0));
        headers.insert(
            SERVER_VERSION_HEADER,
            HeaderValue::from_static(SERVER_VERSION),
        );
        headers.insert(
            MIN_VERSION_HEADER,
            HeaderValue::from_static(MIN_CLUSTER_VERSION),
        );
        headers.insert(CLUSTER_ID, id_value(cluster.0));
        if let Ok(urls) = HeaderValue::from_str(&peer_urls.join(",")) {
            headers.insert(PEER_URLS, urls);
        }
        Self(headers)
    }

    pub(crate) fn headers(&self) -> HeaderMap {
        self.0.clone()
    }
}

/// An id as members write it.
pub(crate) fn id_value(id: u64) -> HeaderValue {
    let text = format!("{id:x}");
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("0"))
}

/// Reads an id; sixteen digits at most.
pub(crate) fn parse_id(text: &str) -> Option<MemberId> {
    let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if text.is_empty() || !digits {
        return None;
    }
    u64::from_str_radix(text, 16).ok().map(MemberId)
}

/// Checks that the sender of a request belongs to this cluster.
pub(crate) fn check(headers: &HeaderMap, cluster: ClusterId) -> Result<(), Mismatch> {
    let own = parse_version(SERVER_VERSION).unwrap_or(VERSION_UNSAID);
    let own_min = parse_version(MIN_CLUSTER_VERSION).unwrap_or(VERSION_UNSAID);
    let version = version_of(headers, &SERVER_VERSION_HEADER);
    let min = version_of(headers, &MIN_VERSION_HEADER);
    let is_compatible =
        version.is_some_and(|version| version >= own_min) && min.is_some_and(|min| min <= own);
    if !is_compatible {
        return Err(Mismatch::Version);
    }
    match headers.get(CLUSTER_ID) {
        Some(id) if *id == id_value(cluster.0) => Ok(()),
        _ => Err(Mismatch::Cluster),
    }
}

/// Major and minor version that the other side says it has; none when it is no version.
fn version_of(headers: &HeaderMap, name: &HeaderName) -> Option<(u16, u16)> {
    match headers.get(name) {
        None => Some(VERSION_UNSAID),
        Some(value) => parse_version(value.to_str().ok()?),
    }
}

/// Whether the member that answered so has streams as ours.
pub(crate) fn has_streams(headers: &HeaderMap) -> bool {
    let min = parse_version(MIN_CLUSTER_VERSION).unwrap_or(VERSION_UNSAID);
    version_of(headers, &SERVER_VERSION_HEADER).is_some_and(|version| version >= min)
}

fn parse_version(text: &str) -> Option<(u16, u16)> {
    let mut parts = text.split(['.', '-', '+']);
    let major = parts.next()?.parse().ok()?;
    let minor = parts.next()?.parse().ok()?;
    Some((major, minor))
}

/// The sender, if it says who it is.
pub(crate) fn sender(headers: &HeaderMap) -> Option<MemberId> {
    parse_id(headers.get(FROM)?.to_str().ok()?)
}

/// The sender's peer URLs.
pub(crate) fn sender_urls(headers: &HeaderMap) -> Vec<String> {
    let urls = headers.get(PEER_URLS).and_then(|urls| urls.to_str().ok());
    let urls = urls.unwrap_or_default().split(',');
    urls.filter(|url| !url.is_empty())
        .take(URLS_MAX)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: ClusterId = ClusterId(0xab);

    fn headers(changes: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = Credentials::new(MemberId(1), CLUSTER, &["http://a:1".into()]).headers();
        for (name, value) in changes {
            match *value {
                "" => headers.remove(*name),
                value => headers.insert(*name, HeaderValue::from_static(value)),
            };
        }
        headers
    }

    /// Members of another cluster must not mix their logs with ours.
    #[test]
    fn strangers_are_refused() {
        for (change, want) in [
            (("x-server-version", "3.7.1"), Ok(())),
            (("x-server-version", "3.0.0"), Ok(())),
            (("x-server-version", "4.0.0-alpha.1"), Ok(())),
            (("x-server-version", "2.3.8"), Err(Mismatch::Version)),
            (("x-server-version", ""), Err(Mismatch::Version)),
            (("x-server-version", "new"), Err(Mismatch::Version)),
            (("x-min-cluster-version", "3.7.9"), Ok(())),
            (("x-min-cluster-version", ""), Ok(())),
            (("x-min-cluster-version", "3.8.0"), Err(Mismatch::Version)),
            (("x-etcd-cluster-id", "ac"), Err(Mismatch::Cluster)),
            (("x-etcd-cluster-id", "00ab"), Err(Mismatch::Cluster)),
            (("x-etcd-cluster-id", ""), Err(Mismatch::Cluster)),
        ] {
            assert_eq!(check(&headers(&[change]), CLUSTER), want, "{change:?}");
        }
    }

    /// Ids in paths and headers come from strangers.
    #[test]
    fn ids() {
        assert_eq!(parse_id("cb61"), Some(MemberId(0xcb61)));
        assert_eq!(parse_id("ffffffffffffffff"), Some(MemberId(u64::MAX)));
        for bad in ["", "+1", "-1", "g", "10000000000000000", " 1"] {
            assert_eq!(parse_id(bad), None, "{bad}");
        }
        let urls = headers(&[("x-peerurls", "http://a:1,,http://b:2")]);
        assert_eq!(sender_urls(&urls), ["http://a:1", "http://b:2"]);
        assert_eq!(sender(&urls), Some(MemberId(1)));
    }
}
