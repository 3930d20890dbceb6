//! Joining a cluster that exists: who of its members is who in the own configuration.

use std::collections::{BTreeMap, BTreeSet};

use types::{ClusterId, MemberId};

use crate::bootstrap::Bootstrap;
use crate::member::Member;

/// Why the configuration does not describe the cluster that is there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// There are more or fewer members than described.
    #[error("member count is unequal")]
    Count,
    /// A member of the cluster is none of those described.
    #[error(
        "PeerURLs: no match found for existing member ({id}, {urls:?}), last resolver error (none)"
    )]
    Stranger {
        /// The member.
        id: MemberId,
        /// Its peer URLs.
        urls: Vec<String>,
    },
    /// More learners than this member allows.
    #[error("membership: too many learner members in cluster")]
    TooManyLearners,
}

/// The cluster of `remote`, with the names of `local`; URLs are compared after `resolve`.
///
/// # Errors
/// [`JoinError`].
pub fn join(
    local: &BTreeMap<String, Vec<String>>,
    cluster_id: ClusterId,
    remote: &[Member],
    learners_max: usize,
    resolve: impl Fn(&str) -> String,
) -> Result<Bootstrap, JoinError> {
    if local.len() != remote.len() {
        return Err(JoinError::Count);
    }
    if remote.iter().filter(|member| member.is_learner).count() > learners_max {
        return Err(JoinError::TooManyLearners);
    }
    let places = |urls: &[String]| urls.iter().map(|url| resolve(url)).collect::<BTreeSet<_>>();
    let mut unmatched: Vec<(&String, BTreeSet<String>)> = local
        .iter()
        .map(|(name, urls)| (name, places(urls)))
        .collect();
    let mut members = Vec::with_capacity(remote.len());
    for member in remote {
        let urls = places(&member.peer_urls);
        let found = unmatched.iter().position(|(_, own)| *own == urls);
        let Some(found) = found else {
            return Err(JoinError::Stranger {
                id: member.id,
                urls: member.peer_urls.clone(),
            });
        };
        let (name, _) = unmatched.swap_remove(found);
        members.push(Member {
            name: name.clone(),
            ..member.clone()
        });
    }
    members.sort_by_key(|member| member.id);
    Ok(Bootstrap {
        cluster_id,
        members,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: u64, url: &str, is_learner: bool) -> Member {
        Member {
            id: MemberId(id),
            peer_urls: vec![url.to_owned()],
            is_learner,
            ..Member::default()
        }
    }

    fn local(pairs: &[(&str, &str)]) -> BTreeMap<String, Vec<String>> {
        let pair = |(name, url): &(&str, &str)| ((*name).to_owned(), vec![(*url).to_owned()]);
        pairs.iter().map(pair).collect()
    }

    /// A member with another's id would vote twice.
    #[test]
    fn urls_tell_who_is_who() {
        let remote = [
            member(9, "http://a:1", false),
            member(4, "http://b:1", true),
        ];
        let two = local(&[("a", "http://A:1"), ("b", "http://b:1")]);
        let resolve = |url: &str| url.to_lowercase();
        let joined = join(&two, ClusterId(7), &remote, 1, resolve).unwrap();
        assert_eq!(joined.cluster_id, ClusterId(7));
        assert_eq!(joined.member("a").unwrap().id, MemberId(9));
        assert_eq!(joined.members[0].name, "b");

        let refuse = |local, learners| join(&local, ClusterId(7), &remote, learners, resolve);
        assert_eq!(
            refuse(local(&[("a", "http://a:1")]), 1),
            Err(JoinError::Count)
        );
        assert_eq!(refuse(two, 0), Err(JoinError::TooManyLearners));
        let other = local(&[("a", "http://a:1"), ("c", "http://c:1")]);
        assert!(matches!(
            refuse(other, 1),
            Err(JoinError::Stranger {
                id: MemberId(4),
                ..
            })
        ));
    }
}
