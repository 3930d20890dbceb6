//! The leader's watch over versions, and the operator's wish to go back to an older one: the
//! counterpart of the server's `membership/versions.rs` and of its downgrade service.

use ::cluster::{Version, Versions};
use proto::etcdserverpb::InternalRaftRequest;
use proto::membershippb::{ClusterVersionSetRequest, DowngradeInfoSetRequest};

use super::Process;
use super::rights::Caller;
use crate::sim::{Answer, CallId, Sim};

/// What a downgrade leads to.
pub(crate) const OLD: &str = "3.6.0";

impl Process {
    /// The leader asks all members for their versions, and proposes what follows from them.
    pub(super) fn watch_versions(&mut self, sim: &mut Sim) {
        let members = self.apply.membership().members();
        let versions: Versions = members
            .map(|member| (member.id, sim.version(self.slot, member.id)))
            .collect();
        if let Some(version) = self.apply.membership().decide_version(&versions) {
            let set = ClusterVersionSetRequest {
                ver: version.to_string(),
            };
            let request = InternalRaftRequest {
                cluster_version_set: Some(set),
                ..InternalRaftRequest::default()
            };
            self.propose(request, Caller::default(), None, sim);
        }
        if self.apply.membership().is_downgraded(&versions) {
            self.set_downgrade(None, None, sim);
        }
    }

    /// The operator's wish, once this member knows all that others have been told.
    pub(super) fn downgrade(&mut self, call: CallId, enabled: bool, sim: &mut Sim) {
        let membership = self.apply.membership();
        match (enabled, membership.downgrade().enabled) {
            (true, _) => match membership.check_downgrade(OLD) {
                Ok(target) => self.set_downgrade(Some(target), Some(call), sim),
                Err(_) => sim.answer(call, Answer::Failed),
            },
            (false, true) => self.set_downgrade(None, Some(call), sim),
            (false, false) => sim.answer(call, Answer::Failed),
        }
    }

    fn set_downgrade(&mut self, target: Option<Version>, call: Option<CallId>, sim: &mut Sim) {
        let set = DowngradeInfoSetRequest {
            enabled: target.is_some(),
            ver: target.map(|target| target.to_string()).unwrap_or_default(),
        };
        let request = InternalRaftRequest {
            downgrade_info_set: Some(set),
            ..InternalRaftRequest::default()
        };
        self.propose(request, Caller::default(), call, sim);
    }
}
