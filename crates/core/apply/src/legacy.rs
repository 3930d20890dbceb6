//! Requests in the form of version 2, which members of etcd 3.5 log for two things: their own
//! attributes and the cluster version.
//!
//! ```text
//! PUT /0/members/<id>/attributes   {"name":"…","clientURLs":[…]}
//! PUT /0/version                   3.5.0
//! ```
//! They stand bare in the entry, and do not decode as what all other requests are: the path would
//! be a range request, and its first letter is none of its fields. A directory that is taken over, or
//! a follower of version 3.5, may bring them; nobody proposes them here.

use bytes::Bytes;
use prost::Message;
use proto::etcdserverpb::{InternalRaftRequest, RequestHeader};
use proto::membershippb::{Attributes, ClusterMemberAttrSetRequest, ClusterVersionSetRequest};
use serde::Deserialize;

/// The fields that matter.
#[derive(Clone, PartialEq, Message)]
struct LegacyRequest {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(string, tag = "2")]
    method: String,
    #[prost(string, tag = "3")]
    path: String,
    #[prost(string, tag = "4")]
    value: String,
}

#[derive(Deserialize)]
struct AttributesJson {
    #[serde(default)]
    name: String,
    #[serde(rename = "clientURLs", default)]
    client_urls: Option<Vec<String>>,
}

/// The same request in the form of today; `None` if the bytes are no request at all.
///
/// What wrote to the keys of version 2 becomes a request for nothing.
pub(crate) fn decode(data: &[u8]) -> Option<InternalRaftRequest> {
    let legacy = LegacyRequest::decode(data).ok()?;
    if legacy.method.is_empty() || legacy.path.is_empty() && legacy.method != "SYNC" {
        return None;
    }
    let mut request = InternalRaftRequest {
        id: legacy.id,
        ..InternalRaftRequest::default()
    };
    if legacy.method != "PUT" {
        return Some(request);
    }
    if legacy.path == "/0/version" {
        let ver = legacy.value;
        request.cluster_version_set = Some(ClusterVersionSetRequest { ver });
    } else if let Some(member_id) = member_of(&legacy.path) {
        let json: AttributesJson = serde_json::from_str(&legacy.value).ok()?;
        request.cluster_member_attr_set = Some(Box::new(ClusterMemberAttrSetRequest {
            member_id,
            member_attributes: Some(Attributes {
                name: json.name,
                client_urls: json.client_urls.unwrap_or_default(),
            }),
        }));
    }
    Some(request)
}

/// What an entry says in the form of today, if it is in the old form; for a log that etcd 3.7 is to read,
/// which ends when it meets the old one.
///
/// A request for nothing becomes an empty entry: 3.7 knows no such request.
#[must_use]
pub fn modern(data: &Bytes) -> Option<Bytes> {
    if data.is_empty() || InternalRaftRequest::decode(data.clone()).is_ok() {
        return None;
    }
    let mut request = decode(data)?;
    if request.cluster_version_set.is_none() && request.cluster_member_attr_set.is_none() {
        return Some(Bytes::new());
    }
    request.header = Some(RequestHeader {
        id: request.id,
        ..RequestHeader::default()
    });
    Some(request.encode_to_vec().into())
}

fn member_of(path: &str) -> Option<u64> {
    let id = path
        .strip_prefix("/0/members/")?
        .strip_suffix("/attributes")?;
    u64::from_str_radix(id, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn legacy(method: &str, path: &str, value: &str) -> Vec<u8> {
        let request = LegacyRequest {
            id: 7,
            method: method.to_owned(),
            path: path.to_owned(),
            value: value.to_owned(),
        };
        let mut bytes = request.encode_to_vec();
        // As a real 3.5 goes on: every scalar, even zero.
        bytes
            .extend_from_slice(b"\x28\x00\x32\x00\x38\x00\x48\x00\x50\x00\x58\x00\x60\x00\x68\x00");
        bytes
    }

    /// A member of 3.5 without a name would count as one that never started.
    #[test]
    fn attributes_and_version() {
        let path = "/0/members/e2e9716834c08f0a/attributes";
        let value = r#"{"name":"u1","clientURLs":["http://127.0.0.1:23501"]}"#;
        let bytes = legacy("PUT", path, value);
        assert!(InternalRaftRequest::decode(&bytes[..]).is_err());
        let request = decode(&bytes).unwrap();
        assert_eq!(request.id, 7);
        let set = request.cluster_member_attr_set.unwrap();
        assert_eq!(set.member_id, 0xe2e9_7168_34c0_8f0a);
        let attributes = set.member_attributes.unwrap();
        assert_eq!(attributes.name, "u1");
        assert_eq!(attributes.client_urls, ["http://127.0.0.1:23501"]);
        let request = decode(&legacy("PUT", "/0/version", "3.5.0")).unwrap();
        assert_eq!(request.cluster_version_set.unwrap().ver, "3.5.0");
    }

    /// Keys of version 2 are nobody's any more, and what is no request stops the member.
    #[test]
    fn the_rest() {
        for bytes in [
            legacy("SYNC", "", ""),
            legacy("PUT", "/1/key", "value"),
            legacy("DELETE", "/1/key", ""),
        ] {
            let nothing = InternalRaftRequest {
                id: 7,
                ..InternalRaftRequest::default()
            };
            assert_eq!(decode(&bytes), Some(nothing));
        }
        assert_eq!(decode(b""), None);
        assert_eq!(decode(b"\x0a"), None);
        assert_eq!(decode(&legacy("PUT", "/0/members/a/attributes", "{")), None);
    }

    /// In a log for 3.7 the same request stands in a form that it reads, and the rest is as it was.
    #[test]
    fn the_form_of_today() {
        let old = Bytes::from(legacy("PUT", "/0/version", "3.5.0"));
        let new = modern(&old).unwrap();
        let request = InternalRaftRequest::decode(new.clone()).unwrap();
        assert_eq!(request.cluster_version_set.unwrap().ver, "3.5.0");
        assert_eq!(request.header.unwrap().id, 7);
        assert_eq!(modern(&new), None);
        assert_eq!(modern(&Bytes::new()), None);
        assert_eq!(modern(&legacy("SYNC", "", "").into()), Some(Bytes::new()));
    }

    proptest! {
        #[test]
        fn survives_any_bytes(bytes: Vec<u8>) {
            let _ = decode(&bytes);
            let _ = modern(&bytes.into());
        }
    }
}
