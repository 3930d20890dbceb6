//! `Maintenance.Downgrade`: preparing the cluster for older members.

use bytes::Bytes;
use cluster::{DowngradeError, Version};
use proto::error::Error;
use proto::etcdserverpb::downgrade_request::DowngradeAction;
use proto::etcdserverpb::{DowngradeRequest, DowngradeResponse, InternalRaftRequest};
use proto::membershippb::DowngradeInfoSetRequest;
use rpc::Status;

use super::identity::Identity;
use super::{Services, decode, encode};

impl Services {
    pub(super) async fn downgrade(
        &self,
        caller: &Identity,
        request: Bytes,
    ) -> Result<Bytes, Status> {
        let request: DowngradeRequest = decode(request)?;
        match DowngradeAction::try_from(request.action) {
            Ok(DowngradeAction::Validate) => {
                self.check_downgrade(&request.version).await?;
            }
            Ok(DowngradeAction::Enable) => {
                let target = self.check_downgrade(&request.version).await?;
                self.set_downgrade(caller, Some(target)).await?;
            }
            Ok(DowngradeAction::Cancel) => {
                // As in etcd, nobody is told when there is nothing to end or it cannot be ended.
                if let Err(status) = self.cancel_downgrade(caller).await {
                    tracing::warn!(%status, "failed to cancel the downgrade");
                }
            }
            Err(_) => return Err(Error::UnknownMethod.into()),
        }
        let version = self.engine().membership().version();
        Ok(encode(&DowngradeResponse {
            header: Some(self.header_now()),
            version: version.map(minor).unwrap_or_default(),
        }))
    }

    async fn check_downgrade(&self, target: &str) -> Result<Version, Status> {
        // The verdict counts for what the whole cluster knows.
        self.handle.linearizable().await?;
        let checked = self.engine().membership().check_downgrade(target);
        checked.map_err(|error| refusal(error).into())
    }

    async fn cancel_downgrade(&self, caller: &Identity) -> Result<(), Status> {
        self.handle.linearizable().await?;
        match self.engine().membership().downgrade().enabled {
            true => self.set_downgrade(caller, None).await,
            false => Err(Error::NoInflightDowngrade.into()),
        }
    }

    async fn set_downgrade(
        &self,
        caller: &Identity,
        target: Option<Version>,
    ) -> Result<(), Status> {
        let set = DowngradeInfoSetRequest {
            enabled: target.is_some(),
            ver: target.map(|target| target.to_string()).unwrap_or_default(),
        };
        let request = InternalRaftRequest {
            downgrade_info_set: Some(set),
            ..InternalRaftRequest::default()
        };
        self.propose(caller, request).await.map(drop)
    }
}

fn refusal(error: DowngradeError) -> Error {
    match error {
        DowngradeError::Format => Error::WrongDowngradeVersionFormat,
        DowngradeError::NoVersion => Error::ClusterVersionUnavailable,
        DowngradeError::Target => Error::InvalidDowngradeTargetVersion,
        DowngradeError::InProgress => Error::DowngradeInProcess,
    }
}

/// The version as clients are told it.
fn minor(version: Version) -> String {
    format!("{}.{}", version.major, version.minor)
}
