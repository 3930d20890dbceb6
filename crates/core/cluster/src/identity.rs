//! Ids of members and clusters, derived from what their operators chose.

use sha1::{Digest, Sha1};
use types::{ClusterId, MemberId};

/// The id of a member with these peer URLs.
///
/// At bootstrap `token` is the cluster's token and there is no time; a member added later has an
/// empty token and the Unix seconds of the call. The order of the URLs does not matter.
#[must_use]
pub fn derive_member_id(peer_urls: &[String], token: &str, added_at: Option<u64>) -> MemberId {
    let mut urls: Vec<&str> = peer_urls.iter().map(String::as_str).collect();
    urls.sort_unstable();
    let mut hash = Sha1::new();
    for url in urls {
        hash.update(url);
    }
    hash.update(token);
    if let Some(seconds) = added_at {
        hash.update(seconds.to_string());
    }
    MemberId(first_eight(hash))
}

/// The id of a cluster that starts with these members; it never changes afterwards.
#[must_use]
pub fn derive_cluster_id(members: impl IntoIterator<Item = MemberId>) -> ClusterId {
    let mut ids: Vec<MemberId> = members.into_iter().collect();
    ids.sort_unstable();
    let mut hash = Sha1::new();
    for id in ids {
        hash.update(id.0.to_be_bytes());
    }
    ClusterId(first_eight(hash))
}

/// Reads an id in its text form: lower-case hex without padding.
#[must_use]
pub fn parse_member_id(text: &[u8]) -> Option<MemberId> {
    let text = std::str::from_utf8(text).ok()?;
    let id = MemberId(u64::from_str_radix(text, 16).ok()?);
    (id.to_string() == text).then_some(id)
}

fn first_eight(hash: Sha1) -> u64 {
    let digest: [u8; 20] = hash.finalize().into();
    digest[..8]
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ids seen in real clusters: other ids would make ours a stranger to its peers.
    #[test]
    fn matches_etcd() {
        let urls = |url: &str| [url.to_owned()];
        assert_eq!(
            derive_member_id(&urls("http://127.0.0.1:23181"), "tok-spec", None),
            MemberId(0x2e39_69ae_9b0b_826e)
        );
        assert_eq!(
            derive_member_id(&urls("http://127.0.0.1:23184"), "", Some(1_795_249_876)),
            MemberId(0x2fb0_b990_a3fd_9371)
        );
        let ids = [
            "http://127.0.0.1:23181",
            "http://127.0.0.1:23182",
            "http://127.0.0.1:23183",
        ]
        .map(|url| derive_member_id(&urls(url), "tok-spec", None));
        assert_eq!(derive_cluster_id(ids), ClusterId(0xea6f_64fc_a073_c53e));
    }

    /// A key in another spelling would make a member that nobody can remove.
    #[test]
    fn member_ids_have_one_spelling() {
        assert_eq!(parse_member_id(b"a1"), Some(MemberId(0xa1)));
        for text in [&b"0a1"[..], b"A1", b"+1", b"", b"g", b"1ffffffffffffffff"] {
            assert_eq!(parse_member_id(text), None);
        }
    }
}
