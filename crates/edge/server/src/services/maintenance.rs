//! The Maintenance service.

use std::time::Instant;

use apply::Response;
use bytes::Bytes;
use proto::error::{Code, Error};
use proto::etcdserverpb::alarm_request::AlarmAction;
use proto::etcdserverpb::{
    AlarmMember, AlarmRequest, AlarmResponse, AlarmType, DefragmentRequest, DefragmentResponse,
    DowngradeInfo, HashKvRequest, HashKvResponse, HashRequest, HashResponse, InternalRaftRequest,
    MoveLeaderRequest, MoveLeaderResponse, StatusRequest, StatusResponse,
};
use proto::limits::{CLUSTER_VERSION, SERVER_VERSION};
use rpc::Status;
use types::MemberId;

use super::identity::Identity;
use super::{Services, decode, encode, error, off_thread};

/// What is said when the new leader does not come.
const TRANSFER_TIMEOUT: &str = "etcdserver: request timed out, leader transfer took too long";
/// How a quota that does not limit is told.
const NO_QUOTA: i64 = -1;

impl Services {
    pub(super) async fn alarm(&self, caller: &Identity, request: Bytes) -> Result<Bytes, Status> {
        let request: AlarmRequest = decode(request)?;
        match AlarmAction::try_from(request.action) {
            Ok(AlarmAction::Get) => self.permit_known(caller)?,
            Ok(AlarmAction::Activate | AlarmAction::Deactivate) => self.permit_admin(caller)?,
            Err(_) => {
                self.permit_admin(caller)?;
                return Err(error::unknown_alarm_action());
            }
        }
        let request = InternalRaftRequest {
            alarm: Some(request),
            ..InternalRaftRequest::default()
        };
        let (response, revision) = self.propose(caller, request).await?;
        let Response::Alarm(alarms) = response else {
            return Err(error::mismatched());
        };
        Ok(encode(&AlarmResponse {
            header: Some(self.header(revision)),
            alarms,
        }))
    }

    pub(super) fn status(&self, request: Bytes) -> Result<Bytes, Status> {
        let StatusRequest {} = decode(request)?;
        let engine = self.engine();
        let (status, stats) = (engine.status(), engine.reader().stats());
        let membership = engine.membership();
        let downgrade = membership.downgrade();
        let storage = membership.version().map(|version| version.to_string());
        Ok(encode(&StatusResponse {
            header: Some(self.header_now()),
            version: SERVER_VERSION.to_owned(),
            db_size: size(stats.total_bytes),
            leader: status.leader().0,
            raft_index: status.committed().0,
            raft_term: status.term().0,
            raft_applied_index: status.applied().0,
            errors: self.errors(),
            db_size_in_use: size(stats.in_use_bytes),
            is_learner: status.is_learner(),
            storage_version: storage.unwrap_or_else(|| CLUSTER_VERSION.to_owned()),
            db_size_quota: engine.limits().quota_bytes.map_or(NO_QUOTA, size),
            downgrade_info: Some(DowngradeInfo {
                enabled: downgrade.enabled,
                target_version: downgrade.target_version.clone(),
            }),
        }))
    }

    /// What is wrong with the member, in the words of its status.
    fn errors(&self) -> Vec<String> {
        let engine = self.engine();
        let leader = engine
            .status()
            .leader()
            .is_none()
            .then(|| Error::NoLeader.text().to_owned());
        let alarms = engine.alarms().list();
        leader
            .into_iter()
            .chain(alarms.iter().map(alarm_text))
            .collect()
    }

    pub(super) fn defragment(&self, request: Bytes) -> Result<Bytes, Status> {
        let DefragmentRequest {} = decode(request)?;
        self.engine().defragment();
        Ok(encode(&DefragmentResponse { header: None }))
    }

    pub(super) async fn hash(&self, request: Bytes) -> Result<Bytes, Status> {
        let HashRequest {} = decode(request)?;
        let reader = self.engine().reader().clone();
        let began = Instant::now();
        let hash = off_thread::run(move || reader.hash()).await?;
        self.engine().meters().hashed(began.elapsed(), false);
        let hash = hash.map_err(|fault| error::range(fault.into()))?;
        Ok(encode(&HashResponse {
            header: Some(self.header_now()),
            hash,
        }))
    }

    pub(super) async fn hash_kv(&self, request: Bytes) -> Result<Bytes, Status> {
        let HashKvRequest { revision } = decode(request)?;
        let reader = self.engine().reader().clone();
        let began = Instant::now();
        let hash = off_thread::run(move || reader.hash_kv(revision)).await?;
        self.engine().meters().hashed(began.elapsed(), true);
        let hash = hash.map_err(error::range)?;
        Ok(encode(&HashKvResponse {
            header: Some(self.header_now()),
            hash: hash.hash,
            compact_revision: hash.compact_revision,
            hash_revision: hash.hash_revision,
        }))
    }

    pub(super) async fn move_leader(&self, request: Bytes) -> Result<Bytes, Status> {
        let MoveLeaderRequest { target_id } = decode(request)?;
        if !self.engine().is_leader() {
            return Err(Error::NotLeader.into());
        }
        match self.handle.transfer_leader(MemberId(target_id)).await {
            Ok(()) => Ok(encode(&MoveLeaderResponse { header: None })),
            Err(Error::Timeout) => Err(Status::new(Code::Unknown, TRANSFER_TIMEOUT)),
            Err(error) => Err(error.into()),
        }
    }
}

/// An alarm as protobuf's text format writes it.
fn alarm_text(alarm: &AlarmMember) -> String {
    let kind = match AlarmType::try_from(alarm.alarm) {
        Ok(kind) => kind.as_str_name().to_owned(),
        Err(_) => alarm.alarm.to_string(),
    };
    match alarm.member_id {
        0 => format!("alarm:{kind}"),
        member => format!("memberID:{member} alarm:{kind}"),
    }
}

fn size(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tools parse these lines.
    #[test]
    fn alarm_lines() {
        let line = |member_id, alarm| alarm_text(&AlarmMember { member_id, alarm });
        assert_eq!(line(5, 1), "memberID:5 alarm:NOSPACE");
        assert_eq!(line(0, 2), "alarm:CORRUPT");
        assert_eq!(line(7, 9), "memberID:7 alarm:9");
    }
}
