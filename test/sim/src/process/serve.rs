//! Questions of clients: the counterpart of the server's services.

use ::apply::{Permit, Rejected};
use bytes::Bytes;
use lease::Renewed;
use mvcc::RangeQuery;
use prost::Message as _;
use proto::etcdserverpb::{
    InternalRaftRequest, LeaseCheckpoint, LeaseCheckpointRequest, RequestHeader,
};
use types::{EntryKind, LeaseId, RequestId, Term};

use super::raft::rejected;
use super::rights::Caller;
use super::{Process, RaftInput, Stop, Waiting};
use crate::bug::Bug;
use crate::sim::{Answer, Ask, CallId, Sim, User};

impl Process {
    /// Takes a question.
    pub(crate) fn ask(
        &mut self,
        call: CallId,
        user: User,
        ask: Ask,
        sim: &mut Sim,
    ) -> Result<(), Stop> {
        match ask {
            Ask::Write(request) => {
                let caller = self.identify(user);
                // Nobody's requests stay out of the log, of which some kinds are not looked at later.
                if self.rights.is_enabled() && caller.user.is_empty() {
                    sim.answer(call, Answer::Failed);
                } else {
                    self.propose(*request, caller, Some(call), sim);
                }
            }
            Ask::Change(change) => self.change(call, &change, sim),
            Ask::Range(query, is_linear) => {
                if sim.has(Bug::CheckRightsEarly) && self.may_read(user, &query.range).is_err() {
                    sim.answer(call, Answer::Failed);
                    return Ok(());
                }
                let is_free =
                    !is_linear || self.status.is_sole_leader || sim.has(Bug::SkipReadIndex);
                if is_free {
                    self.answer_range(call, user, &query, sim);
                } else {
                    self.read(Waiting::Read(call, user, query), sim);
                }
            }
            Ask::Downgrade(enabled) => self.read(Waiting::Downgrade(call, enabled), sim),
            Ask::Transfer(to) => self.tell_raft(RaftInput::Transfer(to), sim),
            Ask::KeepAlive(lease) => {
                if self.status.leader == self.id {
                    self.read(Waiting::Renew(call, user, lease), sim);
                } else {
                    sim.answer(call, Answer::Failed);
                }
            }
        }
        Ok(())
    }

    /// Proposes a request for a client, or for the member itself.
    pub(super) fn propose(
        &mut self,
        request: InternalRaftRequest,
        caller: Caller,
        call: Option<CallId>,
        sim: &mut Sim,
    ) -> RequestId {
        let (id, data) = self.number(request, caller, sim);
        if let Some(call) = call {
            self.waiting.insert(id, Waiting::Write(call));
        }
        self.tell_raft(RaftInput::Propose(id, EntryKind::Normal, data), sim);
        id
    }

    /// Proposes a request that only the leader of this term may make.
    pub(super) fn propose_in(
        &mut self,
        term: Term,
        request: InternalRaftRequest,
        sim: &mut Sim,
    ) -> RequestId {
        let (id, data) = self.number(request, self.itself(sim), sim);
        let input = match sim.has(Bug::ExpireUnconfirmed) {
            true => RaftInput::Propose(id, EntryKind::Normal, data),
            false => RaftInput::ProposeIn(term, id, data),
        };
        self.tell_raft(input, sim);
        id
    }

    /// Numbers and encodes a request.
    fn number(
        &mut self,
        mut request: InternalRaftRequest,
        caller: Caller,
        sim: &mut Sim,
    ) -> (RequestId, Bytes) {
        let id = sim.next_id(self.id);
        request.header = Some(RequestHeader {
            id: id.0,
            username: caller.user.to_owned(),
            auth_revision: caller.revision,
        });
        let slot = self.slot;
        sim.line(|| format!("{slot} proposes {id}: {}", summary(&request)));
        (id, Bytes::from(request.encode_to_vec()))
    }

    /// Proposes a change of the members, if it is wise.
    fn change(&mut self, call: CallId, change: &cluster::Change, sim: &mut Sim) {
        let membership = self.apply.membership();
        let is_wise = membership.validate(change).is_ok()
            && match change {
                cluster::Change::Add(member) => member.is_learner || membership.may_add_voter(),
                cluster::Change::Promote(_) => membership.may_promote(),
                cluster::Change::Remove(id) => membership.may_remove(*id),
                cluster::Change::Update { .. } => true,
            };
        if !is_wise {
            sim.answer(call, Answer::Failed);
            return;
        }
        let id = sim.next_id(self.id);
        let data = change.to_conf_change(id).encode();
        self.waiting.insert(id, Waiting::Change(call));
        let slot = self.slot;
        sim.line(|| format!("{slot} proposes {id}: {change:?}"));
        self.tell_raft(RaftInput::Propose(id, EntryKind::ConfChange, data), sim);
    }

    fn read(&mut self, waiting: Waiting, sim: &mut Sim) {
        let id = sim.next_id(self.id);
        self.waiting.insert(id, waiting);
        self.tell_raft(RaftInput::Read(id), sim);
    }

    /// A read may be answered.
    pub(super) fn read_confirmed(&mut self, id: RequestId, sim: &mut Sim) {
        match self.waiting.remove(&id) {
            Some(Waiting::Read(call, user, query)) => self.answer_range(call, user, &query, sim),
            Some(Waiting::Renew(call, user, lease)) => self.renew(call, user, lease, sim),
            Some(Waiting::Downgrade(call, enabled)) => self.downgrade(call, enabled, sim),
            Some(Waiting::Expire(term, leases)) => self.expire_confirmed(term, leases, sim),
            Some(other) => drop(self.waiting.insert(id, other)),
            None => {}
        }
    }

    fn answer_range(&mut self, call: CallId, user: User, query: &RangeQuery, sim: &mut Sim) {
        let applied = self.apply.applied();
        let permitted = match sim.has(Bug::CheckRightsEarly) {
            true => Ok(()),
            false => self.may_read(user, &query.range),
        };
        if let Err(error) = permitted {
            let result = Err(Rejected::Auth(error));
            sim.answer(call, Answer::Range { applied, result });
            return;
        }
        let result = match self.reader.range(query) {
            Ok(result) => Ok(result),
            Err(error) => match rejected(&error) {
                Some(rejected) => Err(rejected),
                None => {
                    sim.answer(call, Answer::Failed);
                    return;
                }
            },
        };
        let slot = self.slot;
        sim.line(|| format!("{slot} answers a read at entry {applied}"));
        sim.answer(call, Answer::Range { applied, result });
    }

    fn renew(&mut self, call: CallId, user: User, lease: LeaseId, sim: &mut Sim) {
        let caller = self.identify(user);
        let permit = Permit {
            auth: &self.rights,
            who: caller.who(),
            leases: &self.leases,
        };
        if permit.lease_write(lease).is_err() {
            sim.answer(call, Answer::Failed);
            return;
        }
        let now = self.lease_now(sim);
        if sim.has(Bug::IgnoreKeepAlive) {
            let left = self.leases.lock().time_to_live(lease, now);
            if let Some(left) = left {
                sim.answer(call, Answer::Renewed(left.granted));
            }
            return;
        }
        let renewed = self.leases.lock().renew(lease, now);
        match renewed {
            Ok(Renewed {
                ttl,
                clears_checkpoint: false,
            }) => sim.answer(call, Answer::Renewed(ttl)),
            Ok(_) => self.clear_checkpoint(call, lease, sim),
            Err(_) => sim.answer(call, Answer::Failed),
        }
    }

    /// A stored rest that says less than the lease has must go before the client may count on it.
    fn clear_checkpoint(&mut self, call: CallId, lease: LeaseId, sim: &mut Sim) {
        let checkpoints = vec![LeaseCheckpoint {
            id: lease.0,
            remaining_ttl: 0,
        }];
        let request = InternalRaftRequest {
            lease_checkpoint: Some(LeaseCheckpointRequest { checkpoints }),
            ..InternalRaftRequest::default()
        };
        self.propose(request, Caller::default(), Some(call), sim);
    }
}

fn summary(request: &InternalRaftRequest) -> String {
    let text = format!("{request:?}");
    // Most of the message is fields that are not set.
    let set = text.split(", ").filter(|field| !field.ends_with(": None"));
    let text = set.collect::<Vec<_>>().join(", ");
    text.chars().take(300).collect()
}
