//! The Cluster service.

use bytes::Bytes;
use proto::etcdserverpb::{Member, MemberListRequest, MemberListResponse};
use rpc::Status;

use super::{Services, decode, encode};

impl Services {
    pub(super) async fn member_list(&self, request: Bytes) -> Result<Bytes, Status> {
        let MemberListRequest { linearizable } = decode(request)?;
        if linearizable {
            self.handle.linearizable().await?;
        }
        let members = self.engine().membership().members().map(wire).collect();
        // Answers about members have no revision.
        let header = Some(self.header(0));
        Ok(encode(&MemberListResponse { header, members }))
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
