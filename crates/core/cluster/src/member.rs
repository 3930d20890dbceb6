//! One member and its JSON, as it is stored and as it travels in configuration changes.
//!
//! ```text
//! {"id":1,"peerURLs":["http://…"],"isLearner":true,"name":"n1","clientURLs":["http://…"]}
//! ```
//! `isLearner`, `name` and `clientURLs` are left out when false or empty; no peer URLs are `null`.

use serde::{Deserialize, Serialize, Serializer};
use types::MemberId;

use crate::json;

/// A member of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub id: MemberId,
    /// Its name; empty until it has started and published itself.
    pub name: String,
    /// Where its peers reach it.
    pub peer_urls: Vec<String>,
    /// Where clients reach it; empty until it has published itself.
    pub client_urls: Vec<String>,
    /// Whether it has no vote.
    pub is_learner: bool,
}

/// The bytes are not a member's JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a member: {reason} at column {column}")]
pub struct DecodeMemberError {
    /// What the parser said.
    pub reason: String,
    /// Where it stopped.
    pub column: usize,
}

/// The JSON of a member; that of a configuration change has one key more.
#[derive(Serialize, Deserialize)]
pub(crate) struct MemberJson {
    id: u64,
    #[serde(rename = "peerURLs", default, serialize_with = "null_when_empty")]
    peer_urls: Option<Vec<String>>,
    #[serde(rename = "isLearner", default, skip_serializing_if = "is_unset")]
    is_learner: Option<bool>,
    #[serde(default, skip_serializing_if = "is_blank")]
    name: Option<String>,
    #[serde(rename = "clientURLs", default, skip_serializing_if = "is_empty")]
    client_urls: Option<Vec<String>>,
    #[serde(rename = "isPromote", default, skip_serializing_if = "is_unset")]
    pub(crate) is_promote: Option<bool>,
}

impl Member {
    /// Whether the member has ever started: it has published its name.
    #[must_use]
    pub fn is_started(&self) -> bool {
        !self.name.is_empty()
    }

    /// The stored JSON.
    #[must_use]
    pub fn encode(&self) -> String {
        json::encode(&MemberJson::new(self, false))
    }

    /// Reads the stored JSON.
    ///
    /// # Errors
    /// [`DecodeMemberError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeMemberError> {
        MemberJson::decode(bytes).map(MemberJson::into_member)
    }
}

impl MemberJson {
    pub(crate) fn new(member: &Member, is_promote: bool) -> Self {
        Self {
            id: member.id.0,
            peer_urls: Some(member.peer_urls.clone()),
            is_learner: Some(member.is_learner),
            name: Some(member.name.clone()),
            client_urls: Some(member.client_urls.clone()),
            is_promote: Some(is_promote),
        }
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeMemberError> {
        serde_json::from_slice(bytes).map_err(|error| DecodeMemberError {
            reason: format!("{:?} error", error.classify()).to_lowercase(),
            column: error.column(),
        })
    }

    pub(crate) fn into_member(self) -> Member {
        Member {
            id: MemberId(self.id),
            name: self.name.unwrap_or_default(),
            peer_urls: self.peer_urls.unwrap_or_default(),
            client_urls: self.client_urls.unwrap_or_default(),
            is_learner: self.is_learner.unwrap_or_default(),
        }
    }
}

fn null_when_empty<S: Serializer>(urls: &Option<Vec<String>>, to: S) -> Result<S::Ok, S::Error> {
    urls.as_ref().filter(|urls| !urls.is_empty()).serialize(to)
}

fn is_unset(flag: &Option<bool>) -> bool {
    *flag != Some(true)
}

fn is_blank(text: &Option<String>) -> bool {
    text.as_ref().is_none_or(String::is_empty)
}

fn is_empty(list: &Option<Vec<String>>) -> bool {
    list.as_ref().is_none_or(Vec::is_empty)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The stored bytes are part of the hash that members compare.
    #[test]
    fn matches_etcd() {
        let mut member = Member {
            id: MemberId(3_330_809_598_063_641_198),
            name: "n1".to_owned(),
            peer_urls: vec!["http://127.0.0.1:23181".to_owned()],
            client_urls: vec!["http://127.0.0.1:23001".to_owned()],
            is_learner: true,
        };
        let text = r#"{"id":3330809598063641198,"peerURLs":["http://127.0.0.1:23181"],"isLearner":true,"name":"n1","clientURLs":["http://127.0.0.1:23001"]}"#;
        assert_eq!(member.encode(), text);
        assert_eq!(Member::decode(text.as_bytes()), Ok(member.clone()));
        member = Member {
            id: MemberId(u64::MAX),
            ..Member::default()
        };
        let text = r#"{"id":18446744073709551615,"peerURLs":null}"#;
        assert_eq!(member.encode(), text);
        assert_eq!(Member::decode(text.as_bytes()), Ok(member));
    }

    proptest! {
        /// A member that changes on its way through the disk is another member.
        #[test]
        fn round_trips(id: u64, name: String, peers: Vec<String>, clients: Vec<String>, is_learner: bool) {
            let member = Member {
                id: MemberId(id),
                name,
                peer_urls: peers,
                client_urls: clients,
                is_learner,
            };
            prop_assert_eq!(Member::decode(member.encode().as_bytes()), Ok(member));
        }

        /// Damaged bytes are refused, never a panic.
        #[test]
        fn survives_any_bytes(bytes: Vec<u8>) {
            let _ = Member::decode(&bytes);
        }
    }
}
