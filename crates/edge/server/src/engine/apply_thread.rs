//! The apply thread: owns the write side of the state and answers whoever waits.
//!
//! For each batch of committed entries it applies them in order, hands events to the watch hub, and
//! delivers the answers with one wake-up per connection thread. Between batches it takes steps of a
//! running compaction and hands what was applied to the store thread,
//! so often as its [`CommitPolicy`] says.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use apply::{Apply, Outcome, TokenChange};
use mvcc::{CompactStep, HashJob};
use raft::Message;
use types::{Entry, Index, SnapshotMark};

use super::durations::ThreadDurations;
use super::fatal;
use super::inbox::Inbox;
use super::mailbox::{Letter, Sorter};
use super::ops::Op;
use super::raft_thread::RaftInput;
use super::shared::Engine;
use super::state::{State, StateOptions};
use super::store_thread::{Installed, StoreInput};

/// Most entries that are applied before answers leave and raft is told.
const BATCH_ENTRIES: usize = 1_000;

/// Applied bytes that wait for the store's files; more than that and new requests are refused.
const UNSTORED_BYTES_MAX: usize = 512 << 20;

/// What the apply thread is asked to do.
#[derive(Debug)]
pub(crate) enum ApplyInput {
    /// Committed entries, in order.
    Entries(Vec<Entry>),
    /// A follower needs a snapshot that holds everything applied by now.
    Snapshot(Box<Message>),
    /// The state that a leader sent takes the place of this one.
    Install(SnapshotMark),
}

/// When what was applied goes to the store's files.
#[derive(Clone, Copy, Debug)]
pub struct CommitPolicy {
    /// The longest that a change waits.
    pub interval: Duration,
    /// Changes that are enough for a commit of their own.
    pub ops: usize,
}

/// The apply thread's own state.
pub(crate) struct ApplyThread {
    pub(crate) apply: Apply,
    pub(crate) engine: Engine,
    pub(crate) raft: Inbox<RaftInput>,
    pub(crate) store: Inbox<StoreInput>,
    pub(crate) policy: CommitPolicy,
    /// The newest revision that the hub knows of.
    pub(crate) published: i64,
    /// Pause between two steps of a compaction.
    pub(crate) compaction_pause: Duration,
    /// Most keys that one step of a compaction visits while applying waits.
    pub(crate) compaction_keys: usize,
    pub(crate) options: apply::Options,
    pub(crate) state: StateOptions,
}

impl ApplyThread {
    /// Runs until the inbox is closed; everything that was applied is handed to the store before.
    pub(crate) fn run(mut self, inbox: &Inbox<ApplyInput>) {
        let mut answers = Sorter::new(self.engine.post().clone());
        let durations = self.engine.meters().thread_durations();
        let mut batch = Vec::new();
        let mut timers = Timers::default();
        while inbox.take(&mut batch, timers.next()) {
            for input in batch.drain(..) {
                match input {
                    ApplyInput::Entries(entries) => {
                        for chunk in entries.chunks(BATCH_ENTRIES) {
                            self.apply_chunk(chunk, &mut answers, &durations);
                        }
                    }
                    ApplyInput::Snapshot(message) => {
                        self.commit();
                        self.store.push(StoreInput::Snapshot(message));
                    }
                    ApplyInput::Install(mark) => {
                        tracing::info!(
                            "current-applied-index" = self.apply.applied().0,
                            "incoming-leader-snapshot-index" = mark.index.0,
                            "incoming-leader-snapshot-term" = mark.term.0,
                            "applying snapshot"
                        );
                        self.engine.meters().installing(true);
                        self.install(&mark);
                        self.engine.meters().installing(false);
                    }
                }
            }
            let now = Instant::now();
            self.compact_when_due(&mut timers, now);
            timers.commit = self.commit_when_due(timers.commit, now);
        }
        self.commit();
    }

    fn apply_chunk(&mut self, chunk: &[Entry], answers: &mut Sorter, durations: &ThreadDurations) {
        let begin = Instant::now();
        let mut entry_begin = begin;
        let now = self.engine.now();
        let mut conf_changes = Vec::new();
        let hub = Arc::clone(self.engine.hub());
        let mut report = hub.report();
        for entry in chunk {
            let outcome = self.apply.entry(entry, now, !hub.is_idle());
            let outcome =
                outcome.unwrap_or_else(|fault| fatal("an entry cannot be applied", &fault));
            self.publish(&outcome, &mut report);
            if outcome.auth_changed {
                crate::credentials::news::tell(entry);
            }
            if let Some(op) = Op::of_entry(entry) {
                let end = Instant::now();
                let succeeded = self.count(op, &outcome);
                durations.apply(op, end - entry_begin, succeeded);
                entry_begin = end;
            }
            conf_changes.extend(outcome.conf_change);
            if let Some(applied) = outcome.applied {
                if applied.over_quota {
                    self.engine.space().report_exhausted();
                }
                answers.add(applied.id, Letter::Applied(applied));
            }
        }
        // Watchers are woken once for the whole chunk.
        drop(report);
        let applied = self.apply.applied();
        // Status first: who gets an answer may ask for the applied index at once.
        self.engine.status().set_applied(applied);
        // Before anybody is answered, who may ask for it.
        self.engine.meters().timeline().applied(applied, begin);
        if conf_changes.is_empty() {
            answers.deliver();
            self.tell_raft(applied, conf_changes);
        } else {
            // Who proposes the next change must not meet this one as still under way.
            self.tell_raft(applied, conf_changes);
            answers.deliver();
            // Known as committed over a restart: whoever was removed may soon be gone, and could
            // not help to commit it again.
            self.commit();
        }
        self.engine.meters().applied(begin.elapsed(), chunk.len());
    }

    /// Counts what an entry did to leases; whether it did what it asked for. Nobody waits here for
    /// the requests of other members, so that their answers may not have been made.
    fn count(&self, op: Op, outcome: &Outcome) -> bool {
        let result = outcome.applied.as_ref().map(|applied| &applied.result);
        // What is compacted already is as it was asked to be.
        let compacted = |rejected: &apply::Rejected| matches!(rejected, apply::Rejected::Compacted);
        let succeeded = match result {
            Some(Err(rejected)) => compacted(rejected),
            Some(Ok(_)) | None => true,
        };
        let meters = self.engine.meters();
        match (op, result) {
            _ if !succeeded => {}
            (Op::LEASE_GRANT, Some(Ok(apply::Response::LeaseGrant { ttl, .. }))) => {
                meters.lease_granted(Some(*ttl));
            }
            (Op::LEASE_GRANT, _) => meters.lease_granted(None),
            (Op::LEASE_REVOKE, _) => meters.lease_revoked(),
            _ => {}
        }
        succeeded
    }

    /// Says how far applying has come. A sole leader that has nothing else to hand out hears it with
    /// the next thing that wakes it.
    fn tell_raft(&self, index: Index, conf_changes: Vec<cluster::ConfChange>) {
        let is_news = !conf_changes.is_empty() || !self.engine.status().is_sole_leader();
        self.raft.leave(RaftInput::Applied {
            index,
            conf_changes,
        });
        // Looked at after the queue: entries that were committed before raft went to sleep are seen.
        if is_news || self.engine.status().committed() > index {
            self.raft.wake();
        }
    }

    /// Shows the other threads what an entry changed, before anybody is answered.
    fn publish(&mut self, outcome: &Outcome, report: &mut watch::Report<'_>) {
        let revision = self.apply.writer().revision();
        if let Some(events) = &outcome.events {
            report.publish(events);
        } else if revision > self.published {
            report.pass(revision);
        }
        self.published = revision;
        let shared = self.engine.shared();
        if outcome.membership_changed {
            self.publish_members();
        }
        if outcome.alarms_changed {
            shared.alarms.store(Arc::new(self.apply.alarms().clone()));
        }
        if outcome.auth_changed {
            self.engine.auth_changed(self.apply.auth().clone());
        }
        if let Some(change) = &outcome.tokens {
            self.engine.credentials().take(change);
        }
    }

    /// Goes on with the state of a received snapshot. Readers and watchers follow at once: what
    /// lies between is history to them.
    fn install(&mut self, mark: &SnapshotMark) {
        let (done, installed) = sync_channel(1);
        self.store.push(StoreInput::Install(mark.index, done));
        // A store thread that has ended has said why.
        let Ok(installed) = installed.recv() else {
            return;
        };
        let Installed {
            writer,
            reader,
            files,
        } = installed;
        let State {
            membership,
            leases,
            alarms,
            auth,
        } = State::load(self.state, &files, &writer)
            .unwrap_or_else(|fault| fatal("a received snapshot cannot be read", &fault));
        let shared = self.engine.shared();
        *shared.leases.lock() = leases;
        self.apply = Apply::new(
            writer,
            shared.leases.clone(),
            alarms,
            membership,
            mark.index,
            self.options,
        )
        .with_auth(auth);
        let revisions = reader.revisions();
        // Who may read comes before what can be read. A token may have ended in what was skipped.
        self.engine.auth_changed(self.apply.auth().clone());
        self.engine.credentials().take(&TokenChange::RevokeAll);
        shared.reader.store(Arc::new(reader));
        shared.files.store(Arc::new(files));
        shared.alarms.store(Arc::new(self.apply.alarms().clone()));
        self.publish_members();
        shared.compaction.set_finished(revisions.compacted);
        shared.hub.pass(revisions.current);
        self.published = revisions.current;
        shared.status.set_applied(mark.index);
        self.raft.push(RaftInput::Applied {
            index: mark.index,
            conf_changes: Vec::new(),
        });
        self.raft.push(RaftInput::Stored(mark.index, mark.term));
        self.engine.received();
        tracing::info!(
            "current-applied-index" = mark.index.0,
            "incoming-leader-snapshot-index" = mark.index.0,
            "incoming-leader-snapshot-term" = mark.term.0,
            "applied snapshot"
        );
    }

    fn publish_members(&self) {
        let members = self.apply.membership();
        let shared = self.engine.shared();
        let own = members.member(shared.member);
        shared
            .status
            .set_learner(own.is_some_and(|own| own.is_learner));
        let before = shared.membership.swap(Arc::new(members.clone()));
        crate::membership::news::tell(shared.member, &before, members);
        self.engine.announce_members();
    }

    /// Takes a step of a running compaction when it is time, and says when the next one is due.
    fn compact_when_due(&mut self, timers: &mut Timers, now: Instant) {
        if !self.apply.writer().is_compacting() {
            timers.compaction = None;
            return;
        }
        if timers.compaction.is_some_and(|due| due > now) {
            return;
        }
        let began = *timers.compaction_began.get_or_insert(now);
        timers.compaction = Some(now + self.compaction_pause);
        match self.apply.writer().compact_step(self.compaction_keys) {
            CompactStep::Idle => timers.compaction = None,
            CompactStep::Hash(job) => hash_aside(job),
            CompactStep::Waiting => {}
            CompactStep::Swept { .. } => self.engine.meters().compaction_stepped(now.elapsed()),
            CompactStep::Finished { revision, .. } => {
                timers.compaction = None;
                timers.compaction_began = None;
                // The mark and the dead records go to the files at once: space comes back sooner.
                self.commit();
                self.engine.compaction().set_finished(revision);
                self.engine.meters().compaction_finished(began.elapsed());
                tracing::info!(
                    "scheduled-compact-revision" = revision,
                    "finished scheduled compaction"
                );
            }
        }
    }

    /// Hands what was applied to the store thread when it is time; when the next time is.
    fn commit_when_due(&mut self, due: Option<Instant>, now: Instant) -> Option<Instant> {
        let ops = self.apply.writer().pending_ops();
        // While the store lags, requests are refused: whether it still does must be looked at.
        if ops == 0 && !self.engine.status().is_store_lagging() {
            return None;
        }
        let due = due.unwrap_or(now + self.policy.interval);
        if due > now && ops < self.policy.ops {
            return Some(due);
        }
        self.commit();
        None
    }

    fn commit(&mut self) {
        let waiting = self.apply.writer().pending_bytes();
        self.engine
            .status()
            .set_store_lagging(waiting > UNSTORED_BYTES_MAX);
        if let Some(pending) = self.apply.writer().take_batch() {
            self.store.push(StoreInput::Commit(pending));
        }
    }
}

/// Computes a compaction's hash on a thread of its own: it reads every record, and steps of the
/// compaction wait for it, but applying does not.
fn hash_aside(job: HashJob) {
    let run = move || {
        if let Err(fault) = job.run() {
            fatal("the store cannot be read", &fault);
        }
    };
    let spawned = std::thread::Builder::new()
        .name("etcd-hash".to_owned())
        .spawn(run);
    if let Err(error) = spawned {
        // Dropping the job lets the compaction go on without its hash.
        tracing::warn!(%error, "cannot start a thread for the compaction's hash");
    }
}

/// When the thread has something to do without being asked.
#[derive(Debug, Default)]
struct Timers {
    commit: Option<Instant>,
    compaction: Option<Instant>,
    /// When the running compaction took its first step.
    compaction_began: Option<Instant>,
}

impl Timers {
    fn next(&self) -> Option<Instant> {
        [self.commit, self.compaction].into_iter().flatten().min()
    }
}
