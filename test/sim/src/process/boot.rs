//! From a disk to a running member: the counterpart of the server's start.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use ::apply::Apply;
use bytes::Bytes;
use cluster::Bootstrap;
use disk::{Dir, MemDir};
use lease::{LeaseRecord, LeaseTable};
use member::Member;
use mvcc::Writer;
use types::{ClusterId, HardState, Index, MemberId, SnapshotMark, Term};
use wal::{Metadata, Recovered, Wal};

use super::{Process, Status, Stop, fault, snapshot};
use crate::bug::Bug;
use crate::network::Slot;
use crate::queue::MS;
use crate::sim::{Part, Sim};

/// What a member is told when it starts.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) slot: Slot,
    pub(crate) id: MemberId,
    pub(crate) cluster: ClusterId,
    /// The first members, unless it joins a cluster that exists.
    pub(crate) initial: Option<Bootstrap>,
}

impl Process {
    /// Opens or creates everything on the disk, and starts all parts.
    pub(crate) fn start(
        identity: &Identity,
        life: u32,
        disk: &MemDir,
        sim: &mut Sim,
    ) -> Result<Self, Stop> {
        let slot = identity.slot;
        disk.create_dir_all("store").map_err(fault)?;
        disk.sync_dir("").map_err(fault)?;
        let wal_dir = disk.sub("wal");
        let (wal, mut recovered) = if wal::exists(&*wal_dir).map_err(fault)? {
            Wal::open(Arc::clone(&wal_dir), sim.plan.wal).map_err(fault)?
        } else {
            create_log(identity, disk, sim)?
        };
        if life > 1 {
            plant(&mut recovered, sim);
        }
        let mark = recovered.snapshot.index;
        let name = snapshot::newest(disk, mark, sim)?;
        let opened = snapshot::open(disk, &name, identity.cluster, sim)?;
        let mut consistent = opened.consistent;
        let last = recovered.entries.last().map_or(mark, |entry| entry.index);
        if consistent < mark || consistent > last {
            let text = format!("the store ends at {consistent}, the log is {mark} to {last}");
            return Err(Stop::Fault(text));
        }
        if consistent > mark && sim.strikes(Bug::ApplyTwice, 50) {
            consistent = Index(consistent.0 - 1);
        }
        sim.line(|| {
            format!("{slot} starts: store at {consistent}, log {mark} to {last}, life {life}")
        });
        sim.trace
            .digest((sim.now, slot, consistent.0, mark.0, last.0));
        let conf = opened.membership.conf_state();
        let is_removed = opened.membership.is_removed(identity.id);
        let options = ::apply::Options { quota_bytes: None };
        let apply = Apply::new(
            opened.writer,
            opened.leases.clone(),
            opened.alarms,
            opened.membership,
            consistent,
            options,
        )
        .with_auth(opened.auth);
        sim.ledger
            .government
            .holds(slot, opened.consistent, &apply)?;
        let restored = member::Restored {
            raft: ::raft::Restored {
                hard_state: recovered.state,
                snapshot: recovered.snapshot,
                conf,
                entries: recovered.entries,
                applied: consistent,
            },
            mark,
            is_removed,
        };
        let member = Member::new(member_config(identity.id, sim), restored).map_err(fault)?;
        let published = opened.reader.revisions().current;
        let mut process = Self {
            slot,
            id: identity.id,
            life,
            cluster: identity.cluster,
            disk: disk.clone(),
            member,
            preparer: wal.preparer(),
            wal,
            wal_dir,
            rights: apply.auth().clone(),
            apply,
            reader: opened.reader,
            store: opened.store,
            leases: opened.leases,
            hub: Arc::new(::watch::Hub::new(published, sim.random.next())),
            raft_in: Vec::new(),
            log_in: Vec::new(),
            apply_in: VecDeque::new(),
            store_in: VecDeque::new(),
            due: BTreeSet::new(),
            log_busy_until: 0,
            unwritten: Vec::new(),
            status: Status::default(),
            waiting: BTreeMap::new(),
            streams: BTreeMap::new(),
            published,
            receiving: None,
            installing: None,
            slowness: 0,
        };
        process.wake(Part::Raft, sim);
        for part in [Part::Tick, Part::Keeper] {
            let delay = sim.random.between(1, 20 * MS);
            process.wake_in(delay, part, sim);
        }
        if sim.plan.prepares {
            process.wake_in(MS, Part::Prepare, sim);
        }
        Ok(process)
    }
}

fn member_config(id: MemberId, sim: &mut Sim) -> member::Config {
    let raft = ::raft::Config {
        election_ticks: sim.plan.election_ticks,
        pre_vote: sim.plan.pre_vote,
        max_message_bytes: sim.plan.max_message_bytes,
        max_inflight_messages: sim.plan.max_inflight,
        ..::raft::Config::new(id, sim.random.next())
    };
    member::Config {
        mark_every: sim.plan.mark_every,
        catch_up_entries: sim.plan.catch_up,
        lag_bytes: sim.plan.lag_bytes,
        snapshot_grace_ticks: 30,
        request_ticks: sim.plan.patience / sim.plan.tick,
        ..member::Config::new(raft)
    }
}

/// A log that begins with the first members, or empty where the cluster will send everything.
fn create_log(identity: &Identity, disk: &MemDir, sim: &mut Sim) -> Result<(Wal, Recovered), Stop> {
    let metadata = Metadata {
        member: identity.id,
        cluster: identity.cluster,
    };
    let mut wal = Wal::create(disk, "wal", sim.plan.wal, &metadata).map_err(fault)?;
    let entries = identity
        .initial
        .as_ref()
        .map(Bootstrap::entries)
        .unwrap_or_default();
    let mut state = HardState::default();
    if let Some(last) = entries.last() {
        state = HardState {
            term: Term(1),
            vote: MemberId::NONE,
            commit: last.index,
        };
        wal.append(&entries, Some(&state)).map_err(fault)?;
        wal.flush(true).map_err(fault)?;
    }
    Ok((
        wal,
        Recovered {
            metadata,
            state,
            snapshot: SnapshotMark::default(),
            entries,
            repaired: None,
        },
    ))
}

/// Spoils what was recovered, where a bug is planted.
fn plant(recovered: &mut Recovered, sim: &mut Sim) {
    if sim.has(Bug::ForgetHardState) {
        let last = recovered.entries.last().map_or(Term(1), |entry| entry.term);
        recovered.state.term = last;
        recovered.state.vote = MemberId::NONE;
    }
    if sim.has(Bug::LoseLogTail) {
        let keep = recovered.entries.len().saturating_sub(3);
        recovered.entries.truncate(keep);
        let last = recovered
            .entries
            .last()
            .map_or(recovered.snapshot.index, |e| e.index);
        recovered.state.commit = recovered.state.commit.min(last);
    }
}

pub(super) fn load_leases(
    bucket: &BTreeMap<Bytes, Bytes>,
    writer: &Writer,
    sim: &Sim,
) -> Result<LeaseTable, Stop> {
    let mut table = LeaseTable::new(sim.plan.leases);
    if sim.has(Bug::LoseLeases) {
        return Ok(table);
    }
    for (key, value) in bucket {
        let record = LeaseRecord::decode(key, value).map_err(fault)?;
        table.restore(record.id, record.ttl, record.remaining);
    }
    if sim.has(Bug::LoseAttachments) {
        return Ok(table);
    }
    for (key, lease) in writer.attached_leases() {
        if table.attach(key, lease).is_err() {
            return Err(Stop::Fault(format!(
                "a key hangs on lease {lease}, which is not there"
            )));
        }
    }
    Ok(table)
}
