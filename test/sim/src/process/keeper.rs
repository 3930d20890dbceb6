//! The keeper: what a member does by itself. It publishes the member, ends leases whose time is up,
//! notes how long others have left, and has old segments of the log removed.

use std::time::Duration;

use proto::etcdserverpb::{
    InternalRaftRequest, LeaseCheckpoint, LeaseCheckpointRequest, LeaseRevokeRequest,
};
use proto::membershippb::{Attributes, ClusterMemberAttrSetRequest};
use types::{LeaseId, Term};

use super::rights::Caller;
use super::{LogInput, Process, RaftInput, Stop, Waiting};
use crate::bug::Bug;
use crate::queue::MS;
use crate::sim::{Part, Sim};

/// Most leases that are looked at in one round.
const LEASES_MAX: usize = 100;

impl Process {
    /// Looks around.
    pub(super) fn turn_keeper(&mut self, sim: &mut Sim) -> Result<(), Stop> {
        let pause = sim.random.between(20, 150) * MS;
        self.wake_in(pause, Part::Keeper, sim);
        let is_known = self.apply.membership().member(self.id);
        if is_known.is_some_and(|member| !member.is_started()) && !self.status.leader.is_none() {
            self.publish_member(sim);
        }
        if self.status.leader == self.id && sim.plan.extras.versions && sim.random.percent(20) {
            self.watch_versions(sim);
        }
        if self.status.leader == self.id {
            self.expire_leases(sim);
        }
        for stream in self.streams.values_mut() {
            stream.tick();
        }
        self.wake(Part::Pump, sim);
        if sim.random.percent(5) {
            self.log_in.push(LogInput::Purge(sim.plan.keep_segments));
            self.wake(Part::Log, sim);
        }
        Ok(())
    }

    /// The time for deadlines.
    pub(super) fn lease_now(&self, sim: &Sim) -> lease::Instant {
        lease::Instant(Duration::from_micros(sim.clock(self.slot)))
    }

    fn publish_member(&mut self, sim: &mut Sim) {
        let attributes = Attributes {
            name: format!("m{}", self.slot),
            client_urls: vec![format!("http://m{}:2379", self.slot)],
        };
        let set = ClusterMemberAttrSetRequest {
            member_id: self.id.0,
            member_attributes: Some(attributes),
        };
        let request = InternalRaftRequest {
            cluster_member_attr_set: Some(Box::new(set)),
            ..InternalRaftRequest::default()
        };
        self.propose(request, Caller::default(), None, sim);
    }

    /// A leader that has made sure that it still is one ends the leases whose time is up.
    fn expire_leases(&mut self, sim: &mut Sim) {
        if sim.has(Bug::NeverExpire) {
            return;
        }
        let mut now = self.lease_now(sim);
        if sim.has(Bug::ExpireEarly) {
            now.0 += Duration::from_millis(1000);
        }
        let expired = self.leases.lock().expired(now, LEASES_MAX);
        if sim.has(Bug::ExpireUnconfirmed) {
            self.expire_confirmed(self.status.term, expired, sim);
        } else if !expired.is_empty() {
            let id = sim.next_id(self.id);
            self.waiting
                .insert(id, Waiting::Expire(self.status.term, expired));
            self.tell_raft(RaftInput::Read(id), sim);
        }
        let due = self.leases.lock().checkpoints_due(now, LEASES_MAX);
        if !due.is_empty() {
            let checkpoints = due.into_iter().map(|(id, remaining_ttl)| LeaseCheckpoint {
                id: id.0,
                remaining_ttl,
            });
            let request = LeaseCheckpointRequest {
                checkpoints: checkpoints.collect(),
            };
            let request = InternalRaftRequest {
                lease_checkpoint: Some(request),
                ..InternalRaftRequest::default()
            };
            self.propose_in(self.status.term, request, sim);
        }
    }

    /// The leader is the leader still: its deadlines count.
    pub(super) fn expire_confirmed(&mut self, term: Term, leases: Vec<LeaseId>, sim: &mut Sim) {
        if (self.status.leader, self.status.term) != (self.id, term) {
            return;
        }
        let clocks = sim.all_clocks();
        let clock = sim.clock(self.slot);
        for lease in leases {
            let request = InternalRaftRequest {
                lease_revoke: Some(LeaseRevokeRequest { id: lease.0 }),
                ..InternalRaftRequest::default()
            };
            let id = self.propose_in(term, request, sim);
            let slot = self.slot;
            sim.leases.expires(id, lease.0, slot, &clocks);
            sim.line(|| format!("{slot} ends lease {lease} at its {} ms", clock / MS));
        }
    }
}
