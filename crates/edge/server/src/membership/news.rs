//! What is told of the membership as it changes: the lines that operators look for.

use cluster::{Member, Membership};
use types::MemberId;

/// Tells what has changed; `local` is the member that tells it.
pub(crate) fn tell(local: MemberId, before: &Membership, after: &Membership) {
    let cluster = after.cluster_id();
    for member in after.members() {
        match before.member(member.id) {
            None => tracing::info!(
                "cluster-id" = %cluster,
                "local-member-id" = %local,
                "added-peer-id" = %member.id,
                "added-peer-peer-urls" = ?member.peer_urls,
                "added-peer-is-learner" = member.is_learner,
                "added member"
            ),
            Some(known) => changed(local, after, known, member),
        }
    }
    for gone in before.members() {
        if after.member(gone.id).is_none() {
            tracing::info!(
                "cluster-id" = %cluster,
                "local-member-id" = %local,
                "removed-remote-peer-id" = %gone.id,
                "removed-remote-peer-urls" = ?gone.peer_urls,
                "removed-remote-peer-is-learner" = gone.is_learner,
                "removed member"
            );
        }
    }
    version(local, before, after);
}

fn changed(local: MemberId, membership: &Membership, known: &Member, member: &Member) {
    let cluster = membership.cluster_id();
    if known.is_learner && !member.is_learner {
        tracing::info!(
            "cluster-id" = %cluster,
            "local-member-id" = %local,
            "promoted-member-id" = %member.id,
            "promote member"
        );
    }
    if known.peer_urls != member.peer_urls {
        tracing::info!(
            "cluster-id" = %cluster,
            "local-member-id" = %local,
            "updated-remote-peer-id" = %member.id,
            "updated-remote-peer-urls" = ?member.peer_urls,
            "updated-remote-peer-is-learner" = member.is_learner,
            "updated member"
        );
    }
}

fn version(local: MemberId, before: &Membership, after: &Membership) {
    let (from, Some(to)) = (before.version(), after.version()) else {
        return;
    };
    if from == Some(to) {
        return;
    }
    let (cluster, shown) = (after.cluster_id(), to.in_brief());
    match from {
        None => tracing::info!(
            "cluster-id" = %cluster,
            "local-member-id" = %local,
            "cluster-version" = %shown,
            "set initial cluster version"
        ),
        Some(from) => tracing::info!(
            "cluster-id" = %cluster,
            "local-member-id" = %local,
            from = %from.in_brief(),
            to = %shown,
            "updated cluster version"
        ),
    }
    tracing::info!("cluster-version" = %shown, "enabled capabilities for version");
    if from.is_none() {
        return;
    }
    // What is stored follows the cluster's version with the same entry.
    tracing::info!("new-storage-version" = %to, "updated storage version");
    let downgrade = after.downgrade();
    if downgrade.enabled && downgrade.target_version.parse() == Ok(to) {
        tracing::info!(
            "target-version" = %to,
            "server-version" = proto::limits::SERVER_VERSION,
            "The server is ready to downgrade"
        );
    }
}
