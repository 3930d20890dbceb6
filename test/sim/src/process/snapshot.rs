//! Snapshots: a member that lacks what the leader's log no longer has is sent the whole state.
//!
//! The database travels as etcd's: exported by the sender, imported by the receiver into a
//! directory beside its store. The directory counts once the log holds a mark at its index; a start
//! takes the newest one that counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::apply::{Alarms, Apply, SharedLeases};
use ::raft::{Message, MessageKind, Ticket};
use ::store::{Bucket, Store};
use auth::AuthState;
use bytes::Bytes;
use cluster::Membership;
use disk::{Dir, MemDir, OpenMode};
use member::Input;
use mvcc::{Reader, Writer};
use types::{ClusterId, Index, SnapshotMark};

use super::boot::load_leases;
use super::{Process, RaftInput, Stop, fault};
use crate::bug::Bug;
use crate::queue::MS;
use crate::sim::{Event, Part, Sim};
use crate::violation::ensure;

/// The directory that a member begins with.
const FIRST: &str = "store";
/// What the names of directories begin with that came by snapshots; the index follows.
const INSTALLED: &str = "store-";

/// A snapshot that was received and is durable, but not yet in use.
#[derive(Debug)]
pub(crate) struct Installing {
    ticket: Ticket,
    index: Index,
}

/// A store and all that is read from it at the start.
pub(super) struct Opened {
    pub(super) writer: Writer,
    pub(super) reader: Reader,
    pub(super) store: Store,
    pub(super) consistent: Index,
    pub(super) membership: Membership,
    pub(super) alarms: Alarms,
    pub(super) auth: AuthState,
    pub(super) leases: SharedLeases,
}

/// The directory with the newest state, of those up to the mark that the log begins with: beyond it
/// the log does not follow.
pub(super) fn newest(disk: &MemDir, mark: Index, sim: &Sim) -> Result<String, Stop> {
    let names = disk.list("").map_err(fault)?;
    let index = |name: &String| name.strip_prefix(INSTALLED)?.parse::<u64>().ok();
    let counts = |name: &String| index(name).is_some_and(|index| index <= mark.0);
    let mut newest = (Index(0), FIRST.to_owned());
    for name in names.into_iter().filter(counts) {
        newest = newest.max((consistent_index(disk, &name, sim)?, name));
    }
    if consistent_index(disk, FIRST, sim)? > newest.0 {
        return Ok(FIRST.to_owned());
    }
    Ok(newest.1)
}

fn consistent_index(disk: &MemDir, name: &str, sim: &Sim) -> Result<Index, Stop> {
    let store = Store::open(disk.sub(name), sim.plan.store.clone(), &mut |_| {});
    Ok(store.map_err(fault)?.consistent_index().0)
}

/// Opens a store and reads everything.
pub(super) fn open(
    disk: &MemDir,
    name: &str,
    cluster: ClusterId,
    sim: &mut Sim,
) -> Result<Opened, Stop> {
    let options = mvcc::Options {
        value_cache_bytes: sim.plan.cache_bytes,
    };
    let (writer, reader, store) =
        mvcc::open(disk.sub(name), sim.plan.store.clone(), options).map_err(fault)?;
    let files = store.reader();
    let bucket = |bucket| files.bucket(bucket);
    let membership = membership(cluster, bucket, sim)?;
    let auth = auth(bucket, sim)?;
    let leases = load_leases(&bucket(Bucket::Lease), &writer, sim)?;
    Ok(Opened {
        writer,
        reader,
        consistent: store.consistent_index().0,
        membership,
        alarms: match sim.has(Bug::ForgetAlarms) {
            true => Alarms::default(),
            false => Alarms::load(&bucket(Bucket::Alarm)),
        },
        auth,
        leases: SharedLeases::new(leases),
        store,
    })
}

fn membership(
    cluster: ClusterId,
    bucket: impl Fn(Bucket) -> BTreeMap<Bytes, Bytes>,
    sim: &Sim,
) -> Result<Membership, Stop> {
    let versions = match sim.has(Bug::ForgetVersion) {
        true => BTreeMap::new(),
        false => bucket(Bucket::Cluster),
    };
    Membership::load(
        cluster,
        cluster::Options::default(),
        &bucket(Bucket::Members),
        &bucket(Bucket::MembersRemoved),
        &versions,
    )
    .map_err(fault)
}

fn auth(bucket: impl Fn(Bucket) -> BTreeMap<Bytes, Bytes>, sim: &Sim) -> Result<AuthState, Stop> {
    if sim.has(Bug::ForgetUsers) {
        return Ok(AuthState::default());
    }
    AuthState::load(
        &bucket(Bucket::Auth),
        &bucket(Bucket::AuthUsers),
        &bucket(Bucket::AuthRoles),
    )
    .map_err(fault)
}

impl Process {
    /// Builds a snapshot that holds at least what the message asks for, and sends it.
    pub(super) fn send_snapshot(
        &mut self,
        mut message: Message,
        sim: &mut Sim,
    ) -> Result<(), Stop> {
        let (to, slot) = (message.to, self.slot);
        self.store_everything()?;
        let snapshot = self.store.reader().snapshot();
        let (index, term) = snapshot.consistent_index();
        let wanted = message.snapshot.as_ref().map_or(Index(0), |s| s.mark.index);
        ensure(index >= wanted, "snapshots", || {
            format!("member {slot} has stored {index}, but a snapshot of {wanted} is wanted")
        })?;
        let bucket = |bucket| snapshot.bucket(bucket).clone();
        let conf = membership(self.cluster, bucket, sim)?.conf_state();
        let file = MemDir::new()
            .open("db", OpenMode::CreateNew)
            .map_err(fault)?;
        let len = convert::export(&snapshot, Arc::clone(&file)).map_err(fault)?;
        let mut database = vec![0; usize::try_from(len).unwrap_or(0)];
        file.read_exact_at(&mut database, 0).map_err(fault)?;
        if let Some(snapshot) = &mut message.snapshot {
            snapshot.mark = SnapshotMark {
                index,
                term,
                conf: Some(conf),
            };
            snapshot.data = Bytes::from(database);
        }
        sim.line(|| format!("{slot} sends a snapshot at {index} ({len} bytes)"));
        let time = sim.random.between(5, 300) * MS;
        let is_delivered = sim
            .network
            .slot(to)
            .is_some_and(|to| sim.network.carries(slot, to))
            && !sim.random.basis_points(sim.network.loss);
        let part = Part::SnapshotSent(to, is_delivered);
        if let Some(to) = sim.network.slot(to).filter(|_| is_delivered) {
            sim.trace.digest((sim.now, slot, to, index.0, len));
            let message = Box::new(message);
            sim.queue
                .push(sim.now + time, Event::Deliver { to, message });
        }
        self.wake_in(time, part, sim);
        Ok(())
    }

    /// Everything that is applied goes to the store's files now.
    fn store_everything(&mut self) -> Result<(), Stop> {
        let last = self.apply.writer().take_batch();
        for pending in self.store_in.drain(..).chain(last) {
            pending.write(&mut self.store).map_err(fault)?;
        }
        Ok(())
    }

    /// A snapshot has arrived: its database is made a store of, durably.
    pub(super) fn receive(&mut self, mut message: Box<Message>, sim: &mut Sim) -> Result<(), Stop> {
        let Some(snapshot) = &mut message.snapshot else {
            return Ok(());
        };
        let index = snapshot.mark.index;
        if self.receiving.is_some() || index <= self.member.committed() {
            return Ok(());
        }
        let name = format!("{INSTALLED}{index}");
        // What an earlier attempt has left counts just as well, or not at all.
        if !self.disk.exists(&name).map_err(fault)? {
            let database = std::mem::take(&mut snapshot.data);
            let file = MemDir::new()
                .open("db", OpenMode::CreateNew)
                .map_err(fault)?;
            file.write_all_at(&database, 0).map_err(fault)?;
            let incoming = format!("incoming-{}-{}", self.life, sim.now);
            self.disk.create_dir_all(&incoming).map_err(fault)?;
            let options = sim.plan.store.clone();
            let dir = self.disk.sub(&incoming);
            let imported = convert::import(file, dir, options, &mut |_| {}).map_err(fault)?;
            ensure(imported.consistent_index == index, "snapshots", || {
                format!("a snapshot of {index} holds {}", imported.consistent_index)
            })?;
            self.disk.rename(&incoming, &name).map_err(fault)?;
            self.disk.sync_dir("").map_err(fault)?;
        }
        snapshot.data = Bytes::new();
        self.receiving = Some(message);
        self.member.handle(Input::Receiving(true));
        let time = self.disk_time(sim);
        self.wake_in(time, Part::Received, sim);
        Ok(())
    }

    /// The database of the snapshot is at hand: consensus may have its message.
    pub(super) fn received(&mut self, sim: &mut Sim) -> Result<(), Stop> {
        if let Some(message) = self.receiving.take() {
            self.member.handle(Input::Receiving(false));
            self.raft_in.push(RaftInput::Message(message));
            self.wake(Part::Raft, sim);
        }
        Ok(())
    }

    /// Consensus takes the snapshot: what waits to be applied is in it.
    pub(super) fn begin_install(&mut self, ticket: Ticket, index: Index) {
        self.apply_in.clear();
        self.installing = Some(Installing { ticket, index });
    }

    /// The log is durable up to a ticket: a snapshot behind it is taken into use.
    pub(super) fn install_when_durable(
        &mut self,
        ticket: Ticket,
        sim: &mut Sim,
    ) -> Result<(), Stop> {
        let due = self
            .installing
            .take_if(|installing| installing.ticket <= ticket);
        let Some(Installing { index, .. }) = due else {
            return Ok(());
        };
        let slot = self.slot;
        sim.line(|| format!("{slot} installs the snapshot of {index}"));
        // What is on its way to the old store is in the new one.
        self.store_in.clear();
        let opened = open(
            &self.disk,
            &format!("{INSTALLED}{index}"),
            self.cluster,
            sim,
        )?;
        ensure(opened.consistent == index, "snapshots", || {
            format!("a store of {index} holds {}", opened.consistent)
        })?;
        let revision = opened.reader.revisions().current;
        sim.ledger.installed(slot, index, revision)?;
        let options = ::apply::Options { quota_bytes: None };
        self.apply = Apply::new(
            opened.writer,
            opened.leases.clone(),
            opened.alarms,
            opened.membership,
            index,
            options,
        )
        .with_auth(opened.auth);
        sim.ledger.government.holds(slot, index, &self.apply)?;
        self.rights = self.apply.auth().clone();
        self.reader = opened.reader;
        self.store = opened.store;
        self.leases = opened.leases;
        self.hub.pass(revision);
        self.published = revision;
        self.wake(Part::Pump, sim);
        self.tell_raft(RaftInput::Applied(index, Vec::new()), sim);
        Ok(())
    }

    /// Whether a message is a snapshot.
    pub(super) fn is_snapshot(message: &Message) -> bool {
        message.kind == MessageKind::Snapshot
    }
}
