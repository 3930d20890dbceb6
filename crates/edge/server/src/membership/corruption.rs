//! Do all members store the same? Hashes of the key space are compared with those of the others.
//!
//! A restarted member may compare before it serves; the leader compares periodically, the present
//! state and the hashes that compactions remember. A difference raises the CORRUPT alarm for the
//! members that are outvoted, and with it the cluster refuses writes.

use std::collections::BTreeMap;
use std::time::Duration;

use cluster::Member;
use http::{Method, StatusCode};
use mvcc::HashKv;
use proto::etcdserverpb::alarm_request::AlarmAction;
use proto::etcdserverpb::{AlarmRequest, AlarmType, InternalRaftRequest};
use types::MemberId;

use super::answers::{self, PeerHash};
use super::ask::{Question, ask_any};
use crate::engine::{Engine, Handle};

/// How long a member may take to compute a hash.
const HASH_LIMIT: Duration = Duration::from_secs(7);

/// Which checks a member makes, from the flags.
#[derive(Clone, Copy, Debug, Default)]
pub struct CorruptionChecks {
    /// Before it serves again.
    pub initial: bool,
    /// Of the present state, so often, as leader.
    pub periodic: Option<Duration>,
    /// Of the hashes of compactions, so often, as leader.
    pub compactions: Option<Duration>,
}

/// This member stores something else than others at the same revision.
#[derive(Debug, thiserror::Error)]
#[error("{0} found data inconsistency with peers")]
pub struct Inconsistent(pub MemberId);

/// Compares this member's state with that of the others, as far as they answer. It blocks.
///
/// # Errors
/// [`Inconsistent`].
pub(crate) fn check_before_start(engine: &Engine) -> Result<(), Inconsistent> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(check(engine)),
        Err(error) => {
            tracing::warn!(%error, "cannot compare data with the other members");
            Ok(())
        }
    }
}

async fn check(engine: &Engine) -> Result<(), Inconsistent> {
    let member = engine.member_id();
    tracing::info!("local-member-id" = %member, "starting initial corruption check");
    let Some(own) = own_hash(engine, 0).await else {
        return Ok(());
    };
    let peers = peer_hashes(engine, own.hash_revision).await;
    let differs =
        |peer: &PeerHash| peer.compact_revision == own.compact_revision && peer.hash != own.hash;
    let different: Vec<MemberId> = peers
        .iter()
        .filter(|(_, peer)| differs(peer))
        .map(|(id, _)| *id)
        .collect();
    for peer in &different {
        tracing::error!("local-member-id" = %member, "remote-peer-id" = %peer, "found different hash values from remote peer");
    }
    if different.is_empty() {
        tracing::info!("local-member-id" = %member, "initial corruption checking passed; no corruption");
        return Ok(());
    }
    Err(Inconsistent(member))
}

/// Compares the present states as leader, for ever.
pub(crate) async fn watch_present(handle: Handle, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        if handle.engine().is_leader() {
            check_present(&handle).await;
        }
    }
}

/// Compares the hashes of compactions as leader, for ever.
pub(crate) async fn watch_compactions(handle: Handle, every: Duration) {
    let mut checked = 0;
    loop {
        tokio::time::sleep(every).await;
        if handle.engine().is_leader() {
            checked = check_compactions(&handle, checked).await;
        }
    }
}

async fn check_present(handle: &Handle) {
    let engine = handle.engine();
    let Some(before) = own_hash(engine, 0).await else {
        return;
    };
    let peers = peer_hashes(engine, before.hash_revision).await;
    if handle.linearizable().await.is_err() {
        return;
    }
    let now = engine.reader().revisions();
    for (id, peer) in &peers {
        if let Some(reason) = contradiction(&before, now.current, now.compacted, peer) {
            tracing::error!("corrupted-member-id" = %id, reason, "the member's data differs");
            raise(handle, *id).await;
        }
    }
}

/// In what a peer contradicts a leader that had `hash` and has come to `revision` since then.
fn contradiction(
    hash: &HashKv,
    revision: i64,
    compacted: i64,
    peer: &PeerHash,
) -> Option<&'static str> {
    if peer.revision > revision {
        Some("its revision is higher than the leader's")
    } else if peer.compact_revision > compacted {
        Some("its compacted revision is higher than the leader's")
    } else if peer.compact_revision == hash.compact_revision && peer.hash != hash.hash {
        Some("its hash is another one")
    } else {
        None
    }
}

/// Looks at the newest remembered compaction that all can be compared at; the revision up to which
/// everything is known to be equal.
async fn check_compactions(handle: &Handle, checked: i64) -> i64 {
    let engine = handle.engine();
    let mut hashes = engine.reader().compaction_hashes();
    hashes.retain(|hash| hash.hash_revision > checked);
    for own in hashes.into_iter().rev() {
        let peers = peer_hashes(engine, own.hash_revision).await;
        let comparable = |peer: &PeerHash| peer.compact_revision == own.compact_revision;
        let mut said: BTreeMap<MemberId, u32> = peers
            .iter()
            .filter(|(_, peer)| comparable(peer))
            .map(|(id, peer)| (*id, peer.hash))
            .collect();
        said.insert(engine.member_id(), own.hash);
        let members = engine.membership().members().count();
        let corrupt = outvoted(&said, members);
        if !corrupt.is_empty() {
            tracing::error!(
                revision = own.hash_revision,
                "Detected compaction hash mismatch"
            );
            for id in corrupt {
                raise(handle, id).await;
            }
            return checked;
        }
        if said.len() == members && members > 1 {
            let (revision, peers) = (own.hash_revision, members - 1);
            tracing::info!(
                "number-of-peers-checked" = peers,
                revision,
                "finished compaction hash check"
            );
            return revision;
        }
    }
    checked
}

/// The members whose hash is not that of the majority of all; the member zero when there is no
/// majority, nobody when there is no difference.
fn outvoted(said: &BTreeMap<MemberId, u32>, members: usize) -> Vec<MemberId> {
    let mut votes: BTreeMap<u32, usize> = BTreeMap::new();
    for hash in said.values() {
        *votes.entry(*hash).or_default() += 1;
    }
    if votes.len() <= 1 {
        return Vec::new();
    }
    let quorum = members / 2 + 1;
    let majority = votes.into_iter().find(|(_, count)| *count >= quorum);
    match majority {
        None => vec![MemberId::NONE],
        Some((right, _)) => {
            let wrong = said.iter().filter(|(_, hash)| **hash != right);
            wrong.map(|(id, _)| *id).collect()
        }
    }
}

async fn raise(handle: &Handle, member: MemberId) {
    let alarm = AlarmRequest {
        action: AlarmAction::Activate.into(),
        member_id: member.0,
        alarm: AlarmType::Corrupt.into(),
    };
    let request = InternalRaftRequest {
        alarm: Some(alarm),
        ..InternalRaftRequest::default()
    };
    if let Err(error) = handle.propose(request).await {
        tracing::warn!(error = error.text(), "failed to raise the CORRUPT alarm");
    }
}

/// This member's hash at a revision, zero for the current one; computed off the thread.
async fn own_hash(engine: &Engine, revision: i64) -> Option<HashKv> {
    let reader = engine.reader().clone();
    let hashed = tokio::task::spawn_blocking(move || reader.hash_kv(revision)).await;
    hashed.ok()?.ok()
}

/// The hashes of all other members that answer.
async fn peer_hashes(engine: &Engine, revision: i64) -> Vec<(MemberId, PeerHash)> {
    let membership = engine.membership();
    let cluster = engine.cluster_id().to_string();
    let body = answers::encode_hash_request(revision);
    let question = Question::new(Method::GET, "/members/hashkv", body);
    let question = &question.with(answers::CLUSTER_ID, &cluster);
    let others = membership
        .members()
        .filter(|member| member.id != engine.member_id());
    let asked = others.map(async |member: &Member| {
        let answer = ask_any(engine.peer_client(), &member.peer_urls, question, HASH_LIMIT).await;
        let answer = answer.ok().filter(|answer| answer.status == StatusCode::OK);
        let hash = answer.and_then(|answer| answers::decode_hash(&answer.body));
        if hash.is_none() {
            tracing::warn!("remote-peer-id" = %member.id, revision, "failed to get a hash from a peer");
        }
        hash.map(|hash| (member.id, hash))
    });
    let answered = futures_util::future::join_all(asked).await;
    answered.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(pairs: &[(u64, u32)]) -> BTreeMap<MemberId, u32> {
        pairs
            .iter()
            .map(|(id, hash)| (MemberId(*id), *hash))
            .collect()
    }

    /// An alarm for the wrong member, or none, takes the wrong disk out of the cluster.
    #[test]
    fn the_majority_is_right() {
        let ids = |ids: &[u64]| ids.iter().copied().map(MemberId).collect::<Vec<_>>();
        assert_eq!(outvoted(&said(&[(1, 7), (2, 7), (3, 7)]), 3), ids(&[]));
        assert_eq!(outvoted(&said(&[(1, 7), (2, 8), (3, 7)]), 3), ids(&[2]));
        assert_eq!(outvoted(&said(&[(1, 8), (2, 7), (3, 7)]), 3), ids(&[1]));
        assert_eq!(outvoted(&said(&[(1, 8), (2, 7)]), 3), ids(&[0]));
        assert_eq!(outvoted(&said(&[(1, 8), (2, 7), (3, 6)]), 3), ids(&[0]));
        assert_eq!(outvoted(&said(&[(1, 8)]), 1), ids(&[]));
    }

    /// A false alarm stops a healthy cluster.
    #[test]
    fn peers_may_lag() {
        let own = HashKv {
            hash: 9,
            compact_revision: 5,
            hash_revision: 20,
        };
        let peer = PeerHash {
            revision: 20,
            hash: 9,
            compact_revision: 5,
            hash_revision: 20,
        };
        let check = |peer| contradiction(&own, 25, 6, &peer);
        assert_eq!(check(peer), None);
        assert_eq!(
            check(PeerHash {
                compact_revision: 4,
                hash: 1,
                ..peer
            }),
            None
        );
        assert!(check(PeerHash { hash: 1, ..peer }).is_some());
        assert!(
            check(PeerHash {
                revision: 26,
                ..peer
            })
            .is_some()
        );
        assert!(
            check(PeerHash {
                compact_revision: 7,
                ..peer
            })
            .is_some()
        );
    }
}
