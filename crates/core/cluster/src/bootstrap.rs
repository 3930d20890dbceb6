//! The first members of a cluster, from its static configuration.

use std::collections::BTreeMap;

use types::{ClusterId, Entry, EntryKind, Index, MemberId, RequestId, Term};

use crate::change::Change;
use crate::identity::{derive_cluster_id, derive_member_id};
use crate::member::Member;

/// The term of bootstrap entries, before any election.
const BOOTSTRAP_TERM: Term = Term(1);

/// What every member of a fresh cluster derives for itself from `--initial-cluster` and the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    /// The cluster's id.
    pub cluster_id: ClusterId,
    /// The members, by id.
    pub members: Vec<Member>,
}

/// Why a configuration does not make a cluster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BootstrapError {
    /// There is no member.
    #[error("initial cluster has no members")]
    Empty,
    /// A name has no URL.
    #[error("initial cluster has no url for {name:?}")]
    NoUrl {
        /// The name.
        name: String,
    },
    /// Two members have the same URL.
    #[error("initial cluster has url {url} twice")]
    DuplicateUrl {
        /// The URL.
        url: String,
    },
    /// Two members got the same id, or one got zero.
    #[error("initial cluster gives {name:?} the unusable id {id}")]
    BadId {
        /// The name.
        name: String,
        /// The id.
        id: MemberId,
    },
}

impl Bootstrap {
    /// Derives ids for the members of `initial`, a map of name to peer URLs.
    ///
    /// # Errors
    /// [`BootstrapError`].
    pub fn new(
        initial: &BTreeMap<String, Vec<String>>,
        token: &str,
    ) -> Result<Self, BootstrapError> {
        check_urls(initial)?;
        let mut members: BTreeMap<MemberId, Member> = BTreeMap::new();
        for (name, urls) in initial {
            let mut peer_urls = urls.clone();
            peer_urls.sort_unstable();
            let id = derive_member_id(&peer_urls, token, None);
            let member = Member {
                id,
                name: name.clone(),
                peer_urls,
                ..Member::default()
            };
            if id.is_none() || members.insert(id, member).is_some() {
                let name = name.clone();
                return Err(BootstrapError::BadId { name, id });
            }
        }
        Ok(Self {
            cluster_id: derive_cluster_id(members.keys().copied()),
            members: members.into_values().collect(),
        })
    }

    /// The member of that name.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }

    /// The entries that every member's log begins with: one addition per member, by id.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        (1..)
            .zip(&self.members)
            .map(|(index, member)| Entry {
                kind: EntryKind::ConfChange,
                term: BOOTSTRAP_TERM,
                index: Index(index),
                data: Change::Add(member.clone())
                    .to_conf_change(RequestId(0))
                    .encode(),
            })
            .collect()
    }
}

fn check_urls(initial: &BTreeMap<String, Vec<String>>) -> Result<(), BootstrapError> {
    if initial.is_empty() {
        return Err(BootstrapError::Empty);
    }
    if let Some((name, _)) = initial.iter().find(|(_, urls)| urls.is_empty()) {
        return Err(BootstrapError::NoUrl { name: name.clone() });
    }
    let mut urls: Vec<&String> = initial.values().flatten().collect();
    urls.sort_unstable();
    match urls.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(BootstrapError::DuplicateUrl {
            url: pair[0].clone(),
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn initial(members: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
        members
            .iter()
            .map(|(name, urls)| {
                let urls = urls.iter().map(|url| (*url).to_owned()).collect();
                ((*name).to_owned(), urls)
            })
            .collect()
    }

    /// The cluster of the worked example: ids, order and bytes as a real member wrote them.
    #[test]
    fn matches_etcd() {
        let initial = initial(&[
            ("n1", &["http://127.0.0.1:23181"]),
            ("n2", &["http://127.0.0.1:23182"]),
            ("n3", &["http://127.0.0.1:23183"]),
        ]);
        let bootstrap = Bootstrap::new(&initial, "tok-spec").unwrap();
        assert_eq!(bootstrap.cluster_id, ClusterId(0xea6f_64fc_a073_c53e));
        let names: Vec<&str> = bootstrap.members.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(names, ["n3", "n1", "n2"]);
        let own = bootstrap.member("n1").map(|member| member.id);
        assert_eq!(own, Some(MemberId(0x2e39_69ae_9b0b_826e)));
        let entries = bootstrap.entries();
        assert_eq!(entries.len(), 3);
        assert_eq!(
            (entries[0].term, entries[0].index, entries[2].index),
            (Term(1), Index(1), Index(3))
        );
        let mut expect = b"\x10\x00\x18\xa7\xf1\xc7\xf9\xdc\xc7\x82\xc2\x22\x22\x4c".to_vec();
        expect.extend_from_slice(
            br#"{"id":2487124154800797863,"peerURLs":["http://127.0.0.1:23183"],"name":"n3"}"#,
        );
        assert_eq!(&entries[0].data[..], &expect[..]);
    }

    /// A configuration that is wrong must not become a cluster that is wrong for ever.
    #[test]
    fn refuses_bad_configurations() {
        let refuse = |members| Bootstrap::new(&initial(members), "t").unwrap_err();
        assert_eq!(refuse(&[]), BootstrapError::Empty);
        assert!(matches!(
            refuse(&[("a", &[])]),
            BootstrapError::NoUrl { .. }
        ));
        assert!(matches!(
            refuse(&[("a", &["u"]), ("b", &["u"])]),
            BootstrapError::DuplicateUrl { .. }
        ));
    }
}
