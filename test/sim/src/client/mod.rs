//! Clients: they ask, wait for a while, and check what they are told.

mod govern;
mod watcher;
mod workload;

use types::LeaseId;

use crate::check::{Asked, Moment, Reply};
use crate::network::Slot;
use crate::sim::{Answer, Ask, CallId, Sim, User};
use crate::violation::Checked;

pub(crate) use govern::user;
pub(crate) use watcher::Watcher;
pub(crate) use workload::{Known, Workload, write};

/// A question under way.
#[derive(Debug)]
pub(crate) struct Call {
    /// Who asks; none for the operator.
    pub(crate) client: Option<usize>,
    pub(crate) slot: Slot,
    pub(crate) ask: Ask,
    asked: Asked,
    /// The clocks of all members when it was asked.
    clocks: Moment,
}

/// A client: one question at a time.
#[derive(Debug, Default)]
pub(crate) struct Client {
    pub(crate) waits_for: Option<CallId>,
    /// Whom it asked last.
    pub(crate) slot: Slot,
    /// In the calm at the end: whom it has still to ask, to see that everybody serves.
    pub(crate) errands: Vec<Errand>,
}

/// Something that must work in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    /// A put through this member.
    Put(Slot),
    /// A linearizable read of this member.
    Get(Slot),
}

impl Call {
    pub(crate) fn new(client: Option<usize>, slot: Slot, user: User, ask: Ask, sim: &Sim) -> Self {
        Self {
            client,
            slot,
            ask,
            asked: sim.ledger.asked(user),
            clocks: sim.all_clocks(),
        }
    }

    /// Checks an answer; says whether it was one.
    pub(crate) fn answered(
        &self,
        answer: &Answer,
        known: &mut Known,
        sim: &mut Sim,
    ) -> Checked<bool> {
        match (answer, &self.ask) {
            (Answer::Failed, _) => Ok(false),
            (
                Answer::Applied {
                    id,
                    reply,
                    revision,
                },
                ask,
            ) => {
                sim.ledger.answered(&self.asked, *id, reply, *revision)?;
                self.learn(ask, reply, *revision, known, sim)?;
                Ok(true)
            }
            (Answer::Range { applied, result }, Ask::Range(query, is_linear)) => {
                let result = result.as_ref().map_err(|rejected| *rejected);
                sim.ledger
                    .read(&self.asked, query, *is_linear, *applied, result)?;
                Ok(true)
            }
            (Answer::Renewed(ttl), Ask::KeepAlive(lease)) => {
                sim.leases.promised(lease.0, *ttl, &self.clocks)?;
                Ok(true)
            }
            (Answer::Changed(is_done), _) => Ok(*is_done),
            _ => Ok(false),
        }
    }

    /// What an answer teaches the clients about leases and revisions.
    fn learn(
        &self,
        ask: &Ask,
        reply: &Reply,
        revision: i64,
        known: &mut Known,
        sim: &mut Sim,
    ) -> Checked {
        known.revision = known.revision.max(revision);
        match (ask, reply) {
            (_, Reply::Grant(id, ttl)) => {
                known.leases.push((LeaseId(*id), *ttl));
                sim.leases.promised(*id, *ttl, &self.clocks)
            }
            (Ask::KeepAlive(lease), Reply::Done) => {
                let ttl = known.leases.iter().find(|(id, _)| id == lease);
                let ttl = ttl.map_or(0, |(_, ttl)| *ttl);
                sim.leases.promised(lease.0, ttl, &self.clocks)
            }
            _ => Ok(()),
        }
    }
}
