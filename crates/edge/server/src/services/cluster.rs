//! The Cluster service: who belongs to the cluster, and changes of that.
//!
//! A change is checked here for what is wise, and again by every member for what is possible when it
//! is applied. Only the leader can promote: others pass the request on.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use cluster::{Change, derive_member_id};
use proto::etcdserverpb::{
    Member, MemberAddRequest, MemberAddResponse, MemberListRequest, MemberListResponse,
    MemberPromoteRequest, MemberPromoteResponse, MemberRemoveRequest, MemberRemoveResponse,
    MemberUpdateRequest, MemberUpdateResponse,
};
use rpc::Status;
use types::MemberId;

use super::{Services, decode, encode, error, peer_urls};
use crate::membership::promote::promote;
use crate::membership::strict;

impl Services {
    pub(super) async fn member_list(&self, request: Bytes) -> Result<Bytes, Status> {
        let MemberListRequest { linearizable } = decode(request)?;
        if linearizable {
            self.handle.linearizable().await?;
        }
        // Answers about members have no revision.
        let header = Some(self.header(0));
        let members = self.members();
        Ok(encode(&MemberListResponse { header, members }))
    }

    pub(super) async fn member_add(&self, request: Bytes) -> Result<Bytes, Status> {
        let MemberAddRequest {
            peer_ur_ls,
            is_learner,
        } = decode(request)?;
        let peer_urls = peer_urls::parse(&peer_ur_ls)?;
        strict::may_add(&self.handle, is_learner)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let seconds = now.unwrap_or_default().as_secs();
        let member = cluster::Member {
            id: derive_member_id(&peer_urls, "", Some(seconds)),
            peer_urls,
            is_learner,
            ..cluster::Member::default()
        };
        let added = wire(&member);
        let members = self.reconfigure(&Change::Add(member)).await?;
        Ok(encode(&MemberAddResponse {
            header: Some(self.header(0)),
            member: Some(added),
            members,
        }))
    }

    pub(super) async fn member_remove(&self, request: Bytes) -> Result<Bytes, Status> {
        let MemberRemoveRequest { id } = decode(request)?;
        let id = MemberId(id);
        strict::may_remove(&self.handle, id)?;
        let members = self.reconfigure(&Change::Remove(id)).await?;
        let header = Some(self.header(0));
        Ok(encode(&MemberRemoveResponse { header, members }))
    }

    pub(super) async fn member_update(&self, request: Bytes) -> Result<Bytes, Status> {
        let MemberUpdateRequest { id, peer_ur_ls } = decode(request)?;
        // Real servers look at the URLs only when they apply them, and die of bad ones.
        let peer_urls = peer_urls::parse(&peer_ur_ls)?;
        let id = MemberId(id);
        let members = self.reconfigure(&Change::Update { id, peer_urls }).await?;
        let header = Some(self.header(0));
        Ok(encode(&MemberUpdateResponse { header, members }))
    }

    /// `token` says to the leader in whose name it is asked.
    pub(super) async fn member_promote(
        &self,
        request: Bytes,
        token: Option<&str>,
    ) -> Result<Bytes, Status> {
        let MemberPromoteRequest { id } = decode(request)?;
        let members = promote(&self.handle, MemberId(id), token).await?;
        let members = members.iter().map(wire).collect();
        let header = Some(self.header(0));
        Ok(encode(&MemberPromoteResponse { header, members }))
    }

    /// Has a change carried out; the members after it.
    async fn reconfigure(&self, change: &Change) -> Result<Vec<Member>, Status> {
        let applied = self.handle.propose_conf_change(change).await?;
        applied.result.map_err(error::rejected)?;
        Ok(self.members())
    }

    fn members(&self) -> Vec<Member> {
        self.engine().membership().members().map(wire).collect()
    }
}

fn wire(member: &cluster::Member) -> Member {
    Member {
        id: member.id.0,
        name: member.name.clone(),
        peer_ur_ls: member.peer_urls.clone(),
        client_ur_ls: member.client_urls.clone(),
        is_learner: member.is_learner,
    }
}
