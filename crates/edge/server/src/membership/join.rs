//! Before the start: is the cluster there already, and who is this member in it?
//!
//! A member that was added (`--initial-cluster-state=existing`) learns its own and the cluster's id
//! from those that run. One that founds a cluster asks whether it did so before and has lost its
//! disk: an id that comes back without its promises could elect two leaders.

use std::collections::{BTreeMap, BTreeSet};
use std::net::ToSocketAddrs as _;
use std::time::Duration;

use cluster::{Bootstrap, Member, Version};
use transport::{Connector, PeerClient};
use types::{ClusterId, MemberId};

use super::answers;
use super::ask::{self, Question};
use crate::engine::Join;

/// How long a member may take to say who belongs to the cluster.
const MEMBERS_LIMIT: Duration = Duration::from_secs(10);
/// How long others may take to say that a cluster which is to be founded is there already.
const CHECK_LIMIT: Duration = Duration::from_secs(1);
/// The lowest cluster version that is understood.
const LOWEST: Version = Version::minor(3, 0);

/// What a member knows before it joins.
#[derive(Clone, Debug)]
pub struct Joining {
    /// Its name.
    pub name: String,
    /// Names and peer URLs of all members, this one included.
    pub initial_cluster: BTreeMap<String, Vec<String>>,
    /// How many learners there may be.
    pub learners_max: usize,
    /// How connections to other members are made.
    pub connector: Connector,
}

/// Why a member cannot join.
#[derive(Debug, thiserror::Error)]
pub enum JoiningError {
    /// Nobody answered with members.
    #[error(
        "cannot fetch cluster info from peer urls: could not retrieve cluster information from the given URLs"
    )]
    NoAnswer,
    /// The members that are there are not those described.
    #[error("error validating peerURLs {cluster}: {source}")]
    Mismatch {
        /// The cluster that is there.
        cluster: String,
        /// What does not fit.
        source: cluster::JoinError,
    },
    /// This member is not described.
    #[error("couldn't find local name \"{0}\" in the initial cluster configuration")]
    NoLocalName(String),
    /// The cluster's version is not one that this server speaks.
    #[error("incompatible with current running cluster")]
    Incompatible,
    /// This member has founded the cluster before.
    #[error("member {0} has already been bootstrapped")]
    AlreadyBootstrapped(MemberId),
    /// The system refuses what asking takes.
    #[error("cannot ask the other members")]
    Runtime(#[source] std::io::Error),
}

/// Finds this member's place in the cluster that is there.
///
/// # Errors
/// [`JoiningError`].
pub fn join(joining: &Joining) -> Result<Join, JoiningError> {
    if !joining.initial_cluster.contains_key(&joining.name) {
        return Err(JoiningError::NoLocalName(joining.name.clone()));
    }
    let client = ask::client(joining.connector.clone());
    block_on(async {
        let urls = others(&joining.initial_cluster, &joining.name);
        let (id, members) = first_members(&client, &urls, MEMBERS_LIMIT)
            .await
            .ok_or(JoiningError::NoAnswer)?;
        let (local, max) = (&joining.initial_cluster, joining.learners_max);
        let found = cluster::join(local, id, &members, max, resolved);
        let found = found.map_err(|source| JoiningError::Mismatch {
            cluster: describe(id, &members),
            source,
        })?;
        check_versions(&client, &found, &joining.name).await?;
        place(&found, &joining.name)
    })?
}

/// Checks that the others do not know this member as one that has served clients before.
///
/// # Errors
/// [`JoiningError::AlreadyBootstrapped`].
pub fn check_not_bootstrapped(
    initial: &BTreeMap<String, Vec<String>>,
    name: &str,
    token: &str,
    connector: &Connector,
) -> Result<(), JoiningError> {
    let urls = others(initial, name);
    let own = Bootstrap::new(initial, token).ok();
    let own = own.and_then(|founded| founded.member(name).map(|member| member.id));
    let (Some(own), false) = (own, urls.is_empty()) else {
        return Ok(());
    };
    let client = ask::client(connector.clone());
    block_on(async {
        let Some((_, members)) = first_members(&client, &urls, CHECK_LIMIT).await else {
            return Ok(());
        };
        let known = members.iter().find(|member| member.id == own);
        match known.is_some_and(|member| !member.client_urls.is_empty()) {
            true => Err(JoiningError::AlreadyBootstrapped(own)),
            false => Ok(()),
        }
    })?
}

fn block_on<T>(future: impl Future<Output = T>) -> Result<T, JoiningError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    Ok(runtime.map_err(JoiningError::Runtime)?.block_on(future))
}

/// The peer URLs of the others, ascending.
fn others(initial: &BTreeMap<String, Vec<String>>, name: &str) -> BTreeSet<String> {
    let others = initial.iter().filter(|(other, _)| *other != name);
    others.flat_map(|(_, urls)| urls.iter().cloned()).collect()
}

/// The first good answer wins.
async fn first_members(
    client: &PeerClient,
    urls: &BTreeSet<String>,
    limit: Duration,
) -> Option<(ClusterId, Vec<Member>)> {
    let question = Question::get("/members");
    for url in urls {
        match ask::ask(client, url, &question, limit).await {
            Ok(answer) if answer.status.is_success() => {
                let members = answers::decode_members(&answer.body);
                let members = members.filter(|members| !members.is_empty());
                if let Some(found) = answers::cluster_id(&answer.headers).zip(members) {
                    return Some(found);
                }
            }
            Ok(answer) => {
                let status = answer.status.as_u16();
                tracing::debug!(url, status, "no list of members");
            }
            Err(error) => {
                tracing::debug!(url, error = crate::engine::describe(&error), "no answer");
            }
        }
    }
    None
}

/// At least one member must have a cluster version that this server speaks, and none another.
async fn check_versions(
    client: &PeerClient,
    found: &Bootstrap,
    name: &str,
) -> Result<(), JoiningError> {
    let urls = |member: &Member| member.peer_urls.clone();
    let others = found.members.iter().filter(|member| member.name != name);
    let others: Vec<Vec<String>> = others.map(urls).collect();
    let own: Version = proto::limits::SERVER_VERSION.parse().unwrap_or(LOWEST);
    let own = own.without_patch();
    let (lowest, highest) = match is_downgrading(client, &others).await {
        true => (
            Version::minor(own.major, own.minor + 1),
            Version::minor(own.major, own.minor + 1),
        ),
        false => (LOWEST, own),
    };
    let mut versions = Vec::new();
    for urls in &others {
        let answer = ask::ask_any(client, urls, &Question::get("/version"), MEMBERS_LIMIT).await;
        let version = answer
            .ok()
            .and_then(|answer| answers::cluster_version(&answer.body));
        versions.extend(version.map(Version::without_patch));
    }
    let fits = |version: &Version| (lowest..=highest).contains(version);
    match !versions.is_empty() && versions.iter().all(fits) {
        true => Ok(()),
        false => Err(JoiningError::Incompatible),
    }
}

async fn is_downgrading(client: &PeerClient, others: &[Vec<String>]) -> bool {
    let question = Question::get("/downgrade/enabled");
    for urls in others {
        match ask::ask_any(client, urls, &question, MEMBERS_LIMIT).await {
            Ok(answer) if answer.status.is_success() => return &answer.body[..] == b"true",
            _ => {}
        }
    }
    false
}

fn place(found: &Bootstrap, name: &str) -> Result<Join, JoiningError> {
    let own = found.member(name);
    let own = own.ok_or_else(|| JoiningError::NoLocalName(name.to_owned()))?;
    let others = found.members.iter().filter(|member| member.id != own.id);
    Ok(Join {
        member: own.id,
        cluster: found.cluster_id,
        peers: others
            .map(|member| (member.id, member.peer_urls.clone()))
            .collect(),
    })
}

/// A URL with its host's address in place of its name, so that two spellings of a place are equal.
fn resolved(url: &str) -> String {
    let Some((scheme, place)) = url.split_once("://") else {
        return url.to_owned();
    };
    let addresses = place.to_socket_addrs().ok();
    let address = addresses.and_then(|addresses| addresses.min());
    address.map_or_else(|| url.to_owned(), |address| format!("{scheme}://{address}"))
}

/// The cluster that is there, as Go prints it.
fn describe(id: ClusterId, members: &[Member]) -> String {
    let member = |member: &Member| {
        format!(
            "&{{ID:{} RaftAttributes:{{PeerURLs:[{}] IsLearner:{}}} Attributes:{{Name:{} ClientURLs:[{}]}}}}",
            member.id,
            member.peer_urls.join(" "),
            member.is_learner,
            member.name,
            member.client_urls.join(" ")
        )
    };
    let members: Vec<String> = members.iter().map(member).collect();
    format!(
        "{{ClusterID:{id} Members:[{}] RemovedMemberIDs:[]}}",
        members.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn initial(pairs: &[(&str, &str)]) -> BTreeMap<String, Vec<String>> {
        let pair = |(name, url): &(&str, &str)| ((*name).to_owned(), vec![(*url).to_owned()]);
        pairs.iter().map(pair).collect()
    }

    /// Whoever starts a joiner first must be told what is missing, in etcd's words.
    #[test]
    fn nobody_answers() {
        let joining = |cluster| Joining {
            name: "a".to_owned(),
            initial_cluster: cluster,
            learners_max: 1,
            connector: Connector::plain(),
        };
        let alone = initial(&[("a", "http://127.0.0.1:1")]);
        for cluster in [
            alone.clone(),
            initial(&[("a", "http://h:1"), ("b", "http://127.0.0.1:1")]),
        ] {
            let error = join(&joining(cluster)).unwrap_err();
            assert!(
                error.to_string().starts_with("cannot fetch cluster info"),
                "{error}"
            );
        }
        assert!(matches!(
            join(&joining(initial(&[("b", "http://127.0.0.1:1")]))),
            Err(JoiningError::NoLocalName(_))
        ));
        check_not_bootstrapped(&alone, "a", "t", &Connector::plain()).unwrap();
        let two = initial(&[("a", "http://127.0.0.1:2"), ("b", "http://127.0.0.1:1")]);
        check_not_bootstrapped(&two, "a", "t", &Connector::plain()).unwrap();
    }

    #[test]
    fn places_are_compared_by_address() {
        assert_eq!(
            resolved("http://localhost:5"),
            resolved("http://localhost:5")
        );
        assert_eq!(resolved("http://127.0.0.1:5"), "http://127.0.0.1:5");
        assert_eq!(resolved("unix://a"), "unix://a");
    }
}
