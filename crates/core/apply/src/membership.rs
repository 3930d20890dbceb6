//! Requests and configuration changes that concern the members.

use cluster::{BucketChange, ChangeError, ConfChange, Membership, Version};
use proto::etcdserverpb::InternalRaftRequest;
use types::MemberId;

use crate::response::Rejected;

/// A configuration change that raft carries out as nothing.
pub(crate) fn nothing() -> ConfChange {
    ConfChange {
        node: MemberId::NONE,
        ..ConfChange::default()
    }
}

/// Carries out a configuration change, or says why all members refuse it.
pub(crate) fn apply_conf_change(
    membership: &mut Membership,
    change: &ConfChange,
) -> Result<Vec<BucketChange>, Rejected> {
    // A context that does not decode is refused by every member alike.
    let change = change.change().map_err(|_| Rejected::MemberBadUrls)?;
    membership.apply(&change).map_err(|error| match error {
        ChangeError::Removed(_) => Rejected::MemberRemoved,
        ChangeError::Exists(_) => Rejected::MemberExists,
        ChangeError::PeerUrlExists { .. } => Rejected::PeerUrlExists,
        ChangeError::TooManyLearners { .. } => Rejected::TooManyLearners,
        ChangeError::NotFound(_) => Rejected::MemberNotFound,
        ChangeError::NotLearner(_) => Rejected::MemberNotLearner,
        ChangeError::LastVoter(_) => Rejected::LastVoter,
    })
}

/// Carries out what is left of the requests: attributes, cluster version, downgrade.
///
/// A request without effect on the state, or unknown to this version, changes nothing.
pub(crate) fn apply_request(
    membership: &mut Membership,
    request: &InternalRaftRequest,
) -> Result<Vec<BucketChange>, Rejected> {
    if let Some(set) = &request.cluster_member_attr_set {
        let (name, urls) = match &set.member_attributes {
            Some(attributes) => (attributes.name.as_str(), attributes.client_urls.as_slice()),
            None => ("", &[][..]),
        };
        // A member that is gone, or never was, has no attributes to set.
        let changes = membership.set_attributes(MemberId(set.member_id), name, urls);
        Ok(changes.unwrap_or_default())
    } else if let Some(set) = &request.cluster_version_set {
        let version: Version = set.ver.parse().map_err(|_| Rejected::Unsupported)?;
        Ok(membership.set_version(version))
    } else if let Some(set) = &request.downgrade_info_set {
        let target = match set.enabled {
            true => Some(set.ver.parse().map_err(|_| Rejected::Unsupported)?),
            false => None,
        };
        Ok(membership.set_downgrade(target))
    } else if is_read(request) {
        Ok(Vec::new())
    } else {
        Err(Rejected::Unsupported)
    }
}

/// Requests that only look, and so change nothing on a member that nobody asks.
fn is_read(request: &InternalRaftRequest) -> bool {
    request.range.is_some()
        || request.auth_status.is_some()
        || request.auth_user_get.is_some()
        || request.auth_role_get.is_some()
        || request.auth_user_list.is_some()
        || request.auth_role_list.is_some()
        || request.downgrade_version_test.is_some()
}
