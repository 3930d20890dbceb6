//! What members tell each other in JSON: members, versions, hashes.

use bytes::Bytes;
use cluster::{Member, Version};
use http::{HeaderMap, HeaderName};
use serde_json::{Value, json};
use types::ClusterId;

/// The header that names a cluster, in hex.
pub(crate) const CLUSTER_ID: HeaderName = HeaderName::from_static("x-etcd-cluster-id");

/// A hash of the key space, as a peer tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PeerHash {
    /// The peer's current revision.
    pub(crate) revision: i64,
    pub(crate) hash: u32,
    pub(crate) compact_revision: i64,
    pub(crate) hash_revision: i64,
}

/// The members, as `/members` answers.
pub(crate) fn encode_members<'a>(members: impl Iterator<Item = &'a Member>) -> String {
    let members: Vec<String> = members.map(Member::encode).collect();
    format!("[{}]\n", members.join(","))
}

/// Reads an answer of `/members`; none when it is something else.
pub(crate) fn decode_members(body: &[u8]) -> Option<Vec<Member>> {
    let members: Vec<Value> = serde_json::from_slice(body).ok()?;
    let decode = |member: &Value| Member::decode(member.to_string().as_bytes());
    members.iter().map(|member| decode(member).ok()).collect()
}

/// The cluster that an answer comes from.
pub(crate) fn cluster_id(headers: &HeaderMap) -> Option<ClusterId> {
    let text = headers.get(CLUSTER_ID)?.to_str().ok()?;
    u64::from_str_radix(text, 16).ok().map(ClusterId)
}

/// The version of the server, from an answer of `/version`.
pub(crate) fn server_version(body: &[u8]) -> Option<Version> {
    version(body, "etcdserver")
}

/// The cluster version, from an answer of `/version`; none when it is not decided.
pub(crate) fn cluster_version(body: &[u8]) -> Option<Version> {
    version(body, "etcdcluster")
}

fn version(body: &[u8], key: &str) -> Option<Version> {
    let versions: Value = serde_json::from_slice(body).ok()?;
    versions.get(key)?.as_str()?.parse().ok()
}

/// The question for a hash.
pub(crate) fn encode_hash_request(revision: i64) -> Bytes {
    Bytes::from(json!({ "revision": revision }).to_string())
}

/// Reads the question for a hash; no revision asks for the current one.
pub(crate) fn decode_hash_request(body: &[u8]) -> Option<i64> {
    let request: Value = serde_json::from_slice(body).ok()?;
    match request.as_object()?.get("revision") {
        None => Some(0),
        Some(revision) => revision.as_i64(),
    }
}

/// A hash, as `/members/hashkv` answers: zeros are left out.
pub(crate) fn encode_hash(hash: &PeerHash) -> String {
    let mut header = serde_json::Map::new();
    put(&mut header, "revision", hash.revision);
    let mut answer = serde_json::Map::new();
    answer.insert("header".to_owned(), Value::Object(header));
    put(&mut answer, "hash", i64::from(hash.hash));
    put(&mut answer, "compact_revision", hash.compact_revision);
    put(&mut answer, "hash_revision", hash.hash_revision);
    Value::Object(answer).to_string()
}

/// Reads an answer of `/members/hashkv`.
pub(crate) fn decode_hash(body: &[u8]) -> Option<PeerHash> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let number = |value: &Value, key: &str| match value.get(key) {
        None => Some(0),
        Some(number) => number.as_i64(),
    };
    let header = answer.get("header")?;
    Some(PeerHash {
        revision: number(header, "revision")?,
        hash: u32::try_from(number(&answer, "hash")?).ok()?,
        compact_revision: number(&answer, "compact_revision")?,
        hash_revision: number(&answer, "hash_revision")?,
    })
}

fn put(map: &mut serde_json::Map<String, Value>, key: &str, number: i64) {
    if number != 0 {
        map.insert(key.to_owned(), number.into());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use types::MemberId;

    use super::*;

    /// Answers as real members gave them.
    #[test]
    fn matches_etcd() {
        let text = br#"[{"id":2487124154800797863,"peerURLs":["http://127.0.0.1:23183"],"name":"n3","clientURLs":["http://127.0.0.1:23003"]}]
"#;
        let members = decode_members(text).unwrap();
        assert_eq!(members[0].id, MemberId(2_487_124_154_800_797_863));
        assert_eq!(encode_members(members.iter()).as_bytes(), text);
        let version = br#"{"etcdserver":"3.7.1","etcdcluster":"not_decided","storage":"3.7.0"}"#;
        assert_eq!(server_version(version), "3.7.1".parse().ok());
        assert_eq!(cluster_version(version), None);
        let text = r#"{"header":{"revision":240},"hash":764694439,"compact_revision":4,"hash_revision":240}"#;
        let hash = PeerHash {
            revision: 240,
            hash: 764_694_439,
            compact_revision: 4,
            hash_revision: 240,
        };
        assert_eq!(decode_hash(text.as_bytes()), Some(hash));
        assert_eq!(decode_hash(encode_hash(&hash).as_bytes()), Some(hash));
        assert_eq!(encode_hash(&PeerHash::default()), r#"{"header":{}}"#);
        assert_eq!(decode_hash_request(br#"{"revision":7}"#), Some(7));
        assert_eq!(decode_hash_request(b"{}"), Some(0));
        assert_eq!(decode_hash_request(b"7"), None);
        let mut headers = HeaderMap::new();
        headers.insert(CLUSTER_ID, "ea6f64fca073c53e".parse().unwrap());
        assert_eq!(cluster_id(&headers), Some(ClusterId(0xea6f_64fc_a073_c53e)));
    }

    proptest! {
        /// A peer may answer anything.
        #[test]
        fn survives_any_bytes(bytes: Vec<u8>) {
            let _ = (decode_members(&bytes), server_version(&bytes));
            let _ = (decode_hash(&bytes), decode_hash_request(&bytes));
        }
    }
}
