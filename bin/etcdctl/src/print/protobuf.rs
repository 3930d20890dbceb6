//! The protobuf format: the bytes of the message, and nothing else.

use prost::Message as _;
use proto::etcdserverpb::ResponseHeader;

use super::Unsupported;
use super::answer::Answer;

const NO_REVOKE: &str = "*clientv3.LeaseRevokeResponse";

/// Writes an answer as its message. Of lease answers, only the header is written.
pub(super) fn render(answer: &Answer) -> Result<Vec<u8>, Unsupported> {
    Ok(match answer {
        Answer::Range(answer, _) => answer.encode_to_vec(),
        Answer::Put(answer) => answer.encode_to_vec(),
        Answer::Delete(answer) => answer.encode_to_vec(),
        Answer::Txn(answer) => answer.encode_to_vec(),
        Answer::Watch(answer) => answer.encode_to_vec(),
        Answer::LeaseGrant(answer) => header(answer.header.as_ref()),
        Answer::LeaseRevoke(..) => return Err(Unsupported::Message(NO_REVOKE)),
        Answer::LeaseTimeToLive(answer, _) => header(answer.header.as_ref()),
        Answer::LeaseList(answer) => header(answer.header.as_ref()),
        Answer::LeaseKeepAlive(answer) => header(answer.header.as_ref()),
        Answer::MemberAdd(answer, _) => answer.encode_to_vec(),
        Answer::MemberRemove(_, answer) => answer.encode_to_vec(),
        Answer::MemberUpdate(_, answer) => answer.encode_to_vec(),
        Answer::MemberPromote(_, answer) => answer.encode_to_vec(),
        Answer::MemberList(answer) => answer.encode_to_vec(),
        Answer::Health(_) | Answer::Status(_) | Answer::HashKv(_) => {
            return Err(Unsupported::Format("protobuf"));
        }
        Answer::MoveLeader(_, _, answer) => answer.encode_to_vec(),
        Answer::Alarms(answer) => answer.encode_to_vec(),
        Answer::Downgrade(_, answer) => answer.encode_to_vec(),
        Answer::AuthStatus(answer) => answer.encode_to_vec(),
        Answer::UserAdd(_, answer) => answer.encode_to_vec(),
        Answer::UserDelete(_, answer) => answer.encode_to_vec(),
        Answer::UserGet(_, answer) => answer.encode_to_vec(),
        Answer::UserList(answer) => answer.encode_to_vec(),
        Answer::UserPassword(answer) => answer.encode_to_vec(),
        Answer::UserGrantRole(_, _, answer) => answer.encode_to_vec(),
        Answer::UserRevokeRole(_, _, answer) => answer.encode_to_vec(),
        Answer::RoleAdd(_, answer) => answer.encode_to_vec(),
        Answer::RoleDelete(_, answer) => answer.encode_to_vec(),
        Answer::RoleGet(_, answer) => answer.encode_to_vec(),
        Answer::RoleList(answer) => answer.encode_to_vec(),
        Answer::RoleGrantPermission(_, answer) => answer.encode_to_vec(),
        Answer::RoleRevokePermission(_, _, answer) => answer.encode_to_vec(),
    })
}

fn header(header: Option<&ResponseHeader>) -> Vec<u8> {
    header
        .map(ResponseHeader::encode_to_vec)
        .unwrap_or_default()
}
