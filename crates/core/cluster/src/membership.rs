//! The membership itself: verdicts, changes and what they store.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use types::{ClusterId, ConfState, MemberId};

use crate::bucket::{BucketChange, Table};
use crate::change::Change;
use crate::identity::parse_member_id;
use crate::member::{DecodeMemberError, Member};
use crate::version::{Downgrade, TooOld, Version};

/// The key of the cluster version in its bucket.
const CLUSTER_VERSION: &str = "clusterVersion";
/// The key of the downgrade in its bucket.
const DOWNGRADE: &str = "downgrade";
/// The value under which a removed id is kept.
const REMOVED: &[u8] = b"removed";

/// What decides about changes besides the membership; all members must agree on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many learners there may be.
    pub learners_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { learners_max: 1 }
    }
}

/// Why a configuration change is refused; the same on every member.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// The id was removed once and can never come back.
    #[error("member {0} has been removed")]
    Removed(MemberId),
    /// The id is in use.
    #[error("member {0} already exists")]
    Exists(MemberId),
    /// Another member has this peer URL.
    #[error("peer url {url} belongs to member {owner}")]
    PeerUrlExists {
        /// The URL.
        url: String,
        /// Who has it.
        owner: MemberId,
    },
    /// There are as many learners as there may be.
    #[error("there may be {max} learners at most")]
    TooManyLearners {
        /// The bound.
        max: usize,
    },
    /// There is no such member.
    #[error("member {0} not found")]
    NotFound(MemberId),
    /// The member to promote votes already.
    #[error("member {0} is not a learner")]
    NotLearner(MemberId),
    /// Nobody would be left to vote. Whoever asks for a removal is refused that before, but several
    /// may have been asked for at once.
    #[error("member {0} is the last one that votes")]
    LastVoter(MemberId),
}

/// A member that never was publishes itself: nobody proposes that, but an entry might say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("attributes of member {0}, which was never added")]
pub struct UnknownMember(pub MemberId);

/// A bucket cannot be what etcd wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// A key is not an id in hex.
    #[error("bucket {bucket}: key {key:?} is not a member id", bucket = table.name())]
    Key {
        /// The bucket.
        table: Table,
        /// The key.
        key: Bytes,
    },
    /// A member's JSON is damaged.
    #[error("bucket members: bad value of member {id}")]
    Member {
        /// The key.
        id: MemberId,
        /// What is wrong with the value.
        source: DecodeMemberError,
    },
    /// A member's JSON speaks of another member.
    #[error("bucket members: member {value} is stored under {key}")]
    Mismatch {
        /// The member of the key.
        key: MemberId,
        /// The member of the value.
        value: MemberId,
    },
    /// The cluster version is not a version.
    #[error("bucket cluster: bad cluster version {value:?}")]
    Version {
        /// The value.
        value: Bytes,
    },
    /// The downgrade is not the known JSON.
    #[error("bucket cluster: bad downgrade {value:?}")]
    Downgrade {
        /// The value.
        value: Bytes,
    },
}

/// Who belongs to the cluster, as of the last applied entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    options: Options,
    cluster_id: ClusterId,
    members: BTreeMap<MemberId, Member>,
    removed: BTreeSet<MemberId>,
    version: Option<Version>,
    downgrade: Downgrade,
}

impl Membership {
    /// A membership without members, before the first entry is applied.
    #[must_use]
    pub fn new(cluster_id: ClusterId, options: Options) -> Self {
        Self {
            options,
            cluster_id,
            members: BTreeMap::new(),
            removed: BTreeSet::new(),
            version: None,
            downgrade: Downgrade::default(),
        }
    }

    /// Reads the three buckets back.
    ///
    /// # Errors
    /// [`LoadError`] naming the bucket and what is wrong in it.
    pub fn load(
        cluster_id: ClusterId,
        options: Options,
        members: &BTreeMap<Bytes, Bytes>,
        removed: &BTreeMap<Bytes, Bytes>,
        cluster: &BTreeMap<Bytes, Bytes>,
    ) -> Result<Self, LoadError> {
        let mut membership = Self::new(cluster_id, options);
        for (key, value) in members {
            let member = load_member(key, value)?;
            membership.members.insert(member.id, member);
        }
        for key in removed.keys() {
            let id = load_id(Table::MembersRemoved, key)?;
            membership.removed.insert(id);
        }
        membership.version = cluster
            .get(CLUSTER_VERSION.as_bytes())
            .map(load_version)
            .transpose()?;
        membership.downgrade = cluster
            .get(DOWNGRADE.as_bytes())
            .map(load_downgrade)
            .transpose()?
            .unwrap_or_default();
        Ok(membership)
    }

    /// The cluster's id.
    #[must_use]
    pub fn cluster_id(&self) -> ClusterId {
        self.cluster_id
    }

    /// All members, by id.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// The members that vote, by id.
    pub fn voters(&self) -> impl Iterator<Item = &Member> {
        self.members().filter(|member| !member.is_learner)
    }

    /// The members that learn, by id.
    pub fn learners(&self) -> impl Iterator<Item = &Member> {
        self.members().filter(|member| member.is_learner)
    }

    /// One member.
    #[must_use]
    pub fn member(&self, id: MemberId) -> Option<&Member> {
        self.members.get(&id)
    }

    /// Whether the id was a member once and can never be one again.
    #[must_use]
    pub fn is_removed(&self, id: MemberId) -> bool {
        self.removed.contains(&id)
    }

    /// The ids that were removed, ascending.
    pub fn removed(&self) -> impl Iterator<Item = MemberId> {
        self.removed.iter().copied()
    }

    /// The cluster version, once the members have agreed on one.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.version
    }

    /// Checks that a member of this version may be in the cluster; patches do not count.
    ///
    /// # Errors
    /// [`TooOld`] when the cluster is ahead of it.
    pub fn check_server(&self, server: Version) -> Result<(), TooOld> {
        match self.version {
            Some(cluster) if server.without_patch() < cluster.without_patch() => {
                Err(TooOld { server, cluster })
            }
            _ => Ok(()),
        }
    }

    /// The downgrade under way, or none.
    #[must_use]
    pub fn downgrade(&self) -> &Downgrade {
        &self.downgrade
    }

    /// The configuration that raft starts with.
    #[must_use]
    pub fn conf_state(&self) -> ConfState {
        ConfState {
            voters: self.voters().map(|member| member.id).collect(),
            learners: self.learners().map(|member| member.id).collect(),
            ..ConfState::default()
        }
    }

    /// The verdict on a change, which all members must share.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn validate(&self, change: &Change) -> Result<(), ChangeError> {
        let id = change.member_id();
        if self.removed.contains(&id) {
            return Err(ChangeError::Removed(id));
        }
        match (change, self.members.get(&id)) {
            (Change::Add(_), Some(_)) => Err(ChangeError::Exists(id)),
            (Change::Add(member), None) => {
                self.check_peer_urls(id, &member.peer_urls)?;
                let max = self.options.learners_max;
                if member.is_learner && self.learners().count() >= max {
                    return Err(ChangeError::TooManyLearners { max });
                }
                Ok(())
            }
            (_, None) => Err(ChangeError::NotFound(id)),
            (Change::Promote(_), Some(member)) if !member.is_learner => {
                Err(ChangeError::NotLearner(id))
            }
            (Change::Update { peer_urls, .. }, Some(_)) => self.check_peer_urls(id, peer_urls),
            (Change::Remove(_), Some(member))
                if !member.is_learner && self.voters().count() == 1 =>
            {
                Err(ChangeError::LastVoter(id))
            }
            (Change::Promote(_) | Change::Remove(_), Some(_)) => Ok(()),
        }
    }

    /// Does a change and says what to store.
    ///
    /// # Errors
    /// [`ChangeError`]; nothing has changed then.
    pub fn apply(&mut self, change: &Change) -> Result<Vec<BucketChange>, ChangeError> {
        self.validate(change)?;
        let id = change.member_id();
        if let Change::Remove(_) = change {
            return Ok(self.remove(id));
        }
        let member = self.members.entry(id).or_default();
        match change {
            Change::Add(added) => *member = added.clone(),
            Change::Promote(_) => member.is_learner = false,
            Change::Update { peer_urls, .. } => member.peer_urls.clone_from(peer_urls),
            Change::Remove(_) => {}
        }
        Ok(vec![store_member(member)])
    }

    /// A member publishes its name and client URLs; both replace what was there.
    ///
    /// A removed member is ignored: its entry may come late.
    ///
    /// # Errors
    /// [`UnknownMember`]; nothing has changed then.
    pub fn set_attributes(
        &mut self,
        id: MemberId,
        name: &str,
        client_urls: &[String],
    ) -> Result<Vec<BucketChange>, UnknownMember> {
        match self.members.get_mut(&id) {
            Some(member) => {
                name.clone_into(&mut member.name);
                client_urls.clone_into(&mut member.client_urls);
                Ok(vec![store_member(member)])
            }
            None if self.removed.contains(&id) => Ok(Vec::new()),
            None => Err(UnknownMember(id)),
        }
    }

    /// Sets the cluster version. A lower one than before asks for a disk snapshot: compare with
    /// [`Self::version`] first.
    pub fn set_version(&mut self, version: Version) -> Vec<BucketChange> {
        self.version = Some(version);
        vec![store_cluster(CLUSTER_VERSION, version.to_string())]
    }

    /// Begins a downgrade to `target`, or ends it with `None`.
    pub fn set_downgrade(&mut self, target: Option<Version>) -> Vec<BucketChange> {
        self.downgrade = Downgrade {
            enabled: target.is_some(),
            target_version: target.map(|target| target.to_string()).unwrap_or_default(),
        };
        vec![store_cluster(DOWNGRADE, self.downgrade.encode())]
    }

    fn remove(&mut self, id: MemberId) -> Vec<BucketChange> {
        self.members.remove(&id);
        self.removed.insert(id);
        vec![
            BucketChange {
                table: Table::Members,
                key: hex(id),
                value: None,
            },
            BucketChange {
                table: Table::MembersRemoved,
                key: hex(id),
                value: Some(Bytes::from_static(REMOVED)),
            },
        ]
    }

    fn check_peer_urls(&self, id: MemberId, urls: &[String]) -> Result<(), ChangeError> {
        let others = self.members.values().filter(|member| member.id != id);
        for member in others {
            if let Some(url) = member.peer_urls.iter().find(|url| urls.contains(url)) {
                return Err(ChangeError::PeerUrlExists {
                    url: url.clone(),
                    owner: member.id,
                });
            }
        }
        Ok(())
    }
}

fn hex(id: MemberId) -> Bytes {
    Bytes::from(id.to_string())
}

fn store_member(member: &Member) -> BucketChange {
    BucketChange {
        table: Table::Members,
        key: hex(member.id),
        value: Some(Bytes::from(member.encode())),
    }
}

fn store_cluster(key: &'static str, value: String) -> BucketChange {
    BucketChange {
        table: Table::Cluster,
        key: Bytes::from_static(key.as_bytes()),
        value: Some(Bytes::from(value)),
    }
}

fn load_id(table: Table, key: &Bytes) -> Result<MemberId, LoadError> {
    parse_member_id(key).ok_or_else(|| LoadError::Key {
        table,
        key: key.clone(),
    })
}

fn load_member(key: &Bytes, value: &Bytes) -> Result<Member, LoadError> {
    let id = load_id(Table::Members, key)?;
    let member = Member::decode(value).map_err(|source| LoadError::Member { id, source })?;
    if member.id != id {
        return Err(LoadError::Mismatch {
            key: id,
            value: member.id,
        });
    }
    Ok(member)
}

fn load_version(value: &Bytes) -> Result<Version, LoadError> {
    std::str::from_utf8(value)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| LoadError::Version {
            value: value.clone(),
        })
}

fn load_downgrade(value: &Bytes) -> Result<Downgrade, LoadError> {
    serde_json::from_slice(value).map_err(|_| LoadError::Downgrade {
        value: value.clone(),
    })
}

#[cfg(test)]
mod tests;
