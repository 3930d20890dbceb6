//! The apply part: owns the write side of the state, publishes events and answers.

use std::sync::Arc;

use ::apply::Outcome;
use mvcc::CompactStep;
use types::{Entry, EntryKind};

use super::{Process, RaftInput, Stop, Waiting, fault};
use crate::bug::Bug;
use crate::check::Reply;
use crate::queue::MS;
use crate::sim::{Answer, CallId, Part, Sim};

/// Most keys that one step of a compaction visits.
const COMPACT_STEP_KEYS: usize = 3;

impl Process {
    /// Applies some of what waits, then answers.
    pub(super) fn turn_apply(&mut self, sim: &mut Sim) -> Result<(), Stop> {
        let most = *sim.random.pick(&[1, 3, 1000]);
        let count = self.apply_in.len().min(most);
        let chunk: Vec<Entry> = self.apply_in.drain(..count).collect();
        let mut conf_changes: Vec<cluster::ConfChange> = Vec::new();
        let mut answers = Vec::new();
        let mut are_rights_new = false;
        let hub = Arc::clone(&self.hub);
        let mut report = hub.report();
        for mut entry in chunk {
            if entry.kind == EntryKind::Normal && sim.strikes(Bug::SkipEntry, 1) {
                entry.data = bytes::Bytes::new();
            }
            let now = self.lease_now(sim);
            let outcome = self
                .apply
                .entry(&entry, now, !hub.is_idle())
                .map_err(fault)?;
            self.check(&entry, &outcome, sim)?;
            self.publish(&outcome, &mut report);
            are_rights_new |= outcome.auth_changed;
            conf_changes.extend(outcome.conf_change);
            if let Some(applied) = &outcome.applied {
                answers.extend(self.answer_to(applied));
            }
        }
        // Streams that have something to send say so when the report ends.
        drop(report);
        if are_rights_new {
            self.publish_rights(sim);
        }
        if answers.len() >= 2 && sim.has(Bug::SwapAnswers) {
            let (first, second) = (answers[0].0, answers[1].0);
            (answers[0].0, answers[1].0) = (second, first);
        }
        for (call, answer) in answers {
            sim.answer(call, answer);
        }
        let has_changes = !conf_changes.is_empty();
        self.tell_raft(RaftInput::Applied(self.apply.applied(), conf_changes), sim);
        if has_changes {
            self.commit(sim);
        }
        if !self.apply_in.is_empty() {
            self.wake(Part::Apply, sim);
        }
        self.after_apply(sim);
        Ok(())
    }

    /// What is to be done once something was applied.
    fn after_apply(&mut self, sim: &mut Sim) {
        if sim.strikes(Bug::CompactAlone, 1) {
            let revision = self.apply.writer().revision();
            let _ = self.apply.writer().compact(revision);
        }
        if self.apply.writer().is_compacting() {
            self.wake(Part::Compact, sim);
        }
        if self.apply.writer().pending_ops() >= sim.plan.commit_ops {
            self.wake(Part::Commit, sim);
        } else {
            self.wake_in(sim.plan.commit_every, Part::Commit, sim);
        }
        if self.streams.values().any(|stream| stream.is_woken()) {
            self.wake(Part::Pump, sim);
        }
    }

    /// The entry must be the one that everybody applies, with the outcome that everybody comes to.
    fn check(&mut self, entry: &Entry, outcome: &Outcome, sim: &mut Sim) -> Result<(), Stop> {
        let slot = self.slot;
        let revision = self.apply.writer().revision();
        sim.trace.digest((sim.now, slot, entry.index.0, revision));
        sim.line(|| {
            let reply = outcome.applied.as_ref().map(Reply::of);
            format!(
                "{slot} applies {} ({}): revision {revision}, {reply:?}",
                entry.index, entry.term
            )
        });
        let is_first = sim.ledger.applied(slot, entry, outcome, revision)?;
        let government = &mut sim.ledger.government;
        if outcome.auth_changed || outcome.membership_changed || outcome.alarms_changed {
            match is_first {
                true => government.changed(slot, entry.index, &self.apply)?,
                false => government.holds(slot, entry.index, &self.apply)?,
            }
        }
        if let Some(applied) = outcome.applied.as_ref().filter(|_| is_first)
            && applied.result.is_ok()
        {
            sim.leases.revoked(applied.id)?;
        }
        Ok(())
    }

    /// The answer to whoever waits for it here.
    fn answer_to(&mut self, applied: &::apply::Applied) -> Option<(CallId, Answer)> {
        match self.waiting.remove(&applied.id)? {
            Waiting::Write(call) => Some((
                call,
                Answer::Applied {
                    id: applied.id,
                    reply: Reply::of(applied),
                    revision: applied.revision,
                },
            )),
            Waiting::Change(call) => Some((call, Answer::Changed(applied.result.is_ok()))),
            _ => None,
        }
    }

    fn publish(&mut self, outcome: &Outcome, report: &mut ::watch::Report<'_>) {
        let revision = self.apply.writer().revision();
        if let Some(events) = &outcome.events {
            report.publish(events);
        } else if revision > self.published {
            report.pass(revision);
        }
        self.published = revision;
    }

    /// A step of a compaction.
    pub(super) fn compact(&mut self, sim: &mut Sim) -> Result<(), Stop> {
        match self.apply.writer().compact_step(COMPACT_STEP_KEYS) {
            CompactStep::Idle => return Ok(()),
            CompactStep::Hash(job) => {
                let hash = job.run();
                hash.map_err(fault)?;
            }
            CompactStep::Waiting | CompactStep::Swept { .. } => {}
            CompactStep::Finished { .. } => {
                self.commit(sim);
                return Ok(());
            }
        }
        self.wake_in(MS, Part::Compact, sim);
        Ok(())
    }

    /// Hands what was applied to the store.
    pub(super) fn commit(&mut self, sim: &mut Sim) {
        let Some(pending) = self.apply.writer().take_batch() else {
            return;
        };
        if sim.has(Bug::MarkEarly) {
            let (index, term) = (pending.batch().consistent_index, pending.batch().term);
            self.tell_raft(RaftInput::Stored(index, term), sim);
            self.store_in.push_back(pending);
            self.wake_in(300 * MS, Part::Store, sim);
            return;
        }
        self.store_in.push_back(pending);
        self.wake(Part::Store, sim);
    }
}
