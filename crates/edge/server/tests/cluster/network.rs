//! The network between the engines: it delivers at once, or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use disk::{Dir, File, MemDir, OpenMode};
use parking_lot::Mutex;
use raft::Message;
use server::engine::{Database, Inbound, Peers};
use types::MemberId;

/// All links of a cluster; clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Network(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    inbound: BTreeMap<MemberId, Inbound>,
    /// Members that nobody reaches and that reach nobody.
    isolated: BTreeSet<MemberId>,
    /// Snapshots that were delivered.
    snapshots: u64,
    members: BTreeMap<MemberId, Vec<MemberId>>,
}

/// One member's end of the network.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) from: MemberId,
    pub(crate) network: Network,
    pub(crate) since: Instant,
}

impl Network {
    pub(crate) fn connect(&self, id: MemberId, inbound: Inbound) {
        self.0.lock().inbound.insert(id, inbound);
    }

    pub(crate) fn disconnect(&self, id: MemberId) {
        self.0.lock().inbound.remove(&id);
    }

    pub(crate) fn isolate(&self, id: MemberId) {
        self.0.lock().isolated.insert(id);
    }

    pub(crate) fn heal(&self) {
        self.0.lock().isolated.clear();
    }

    pub(crate) fn snapshots(&self) -> u64 {
        self.0.lock().snapshots
    }

    /// Whom a member believes its peers to be.
    pub(crate) fn peers_of(&self, id: MemberId) -> Vec<MemberId> {
        self.0.lock().members.get(&id).cloned().unwrap_or_default()
    }

    fn receiver(&self, from: MemberId, to: MemberId) -> Option<Inbound> {
        let state = self.0.lock();
        // Of a member that was killed, nothing more is heard.
        let is_cut = state.isolated.contains(&from)
            || state.isolated.contains(&to)
            || !state.inbound.contains_key(&from);
        let found = state.inbound.get(&to).filter(|_| !is_cut);
        found.filter(|inbound| !inbound.is_removed(from)).cloned()
    }

    /// Whoever was removed, as this member knows, is told so.
    fn refuse_removed(&self, by: MemberId) {
        let state = self.0.lock();
        let reached = |id: &MemberId| !state.isolated.contains(id);
        let Some(own) = state.inbound.get(&by).filter(|_| reached(&by)) else {
            return;
        };
        for (id, inbound) in &state.inbound {
            if own.is_removed(*id) && reached(id) {
                inbound.removed_from_cluster(by);
            }
        }
    }

    fn sender(&self, from: MemberId) -> Option<Inbound> {
        self.0.lock().inbound.get(&from).cloned()
    }
}

/// The whole database, if it is made to its end.
fn keep(mut database: Database) -> Option<Arc<dyn File>> {
    let file = MemDir::new().open("db", OpenMode::CreateNew).unwrap();
    let mut len = 0;
    while let Some(piece) = database.pieces.blocking_recv() {
        file.write_all_at(&piece, len).unwrap();
        len += piece.len() as u64;
    }
    (len == database.len).then_some(file)
}

impl Peers for Link {
    fn send(&self, messages: Vec<Message>) {
        for message in messages {
            let to = message.to;
            match self.network.receiver(self.from, to) {
                Some(inbound) => inbound.message(message),
                None => {
                    if let Some(own) = self.network.sender(self.from) {
                        own.unreachable(to);
                    }
                }
            }
        }
    }

    fn send_snapshot(&self, message: Message, database: Database) {
        let to = message.to;
        let receiver = self.network.receiver(self.from, to);
        if let Some(inbound) = receiver {
            let own = self.network.sender(self.from);
            let network = self.network.clone();
            // The caller makes the database next.
            std::thread::spawn(move || {
                let file = keep(database);
                if let Some(file) = &file {
                    inbound.snapshot(message, Arc::clone(file));
                    network.0.lock().snapshots += 1;
                }
                if let Some(own) = own {
                    own.snapshot_sent(to, file.is_some());
                }
            });
        } else if let Some(own) = self.network.sender(self.from) {
            own.snapshot_sent(to, false);
        }
    }

    fn set_members(&self, peers: &[(MemberId, Vec<String>)]) {
        let peers = peers.iter().map(|(id, _)| *id).collect();
        self.network.0.lock().members.insert(self.from, peers);
        self.network.refuse_removed(self.from);
    }

    fn active_since(&self, peer: MemberId) -> Option<Instant> {
        self.network.receiver(self.from, peer).map(|_| self.since)
    }
}
