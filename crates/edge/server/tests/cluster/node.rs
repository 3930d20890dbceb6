//! One member: its disk, its engine, and a thread from which it is asked.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use disk::{Crash, Dir as _, MemDir};
use prometheus::Registry;
use server::engine::{self, CommitPolicy, Config, Engine, Handle, Join, Limits, Meters, Running};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use types::MemberId;

use crate::network::{Link, Network};

/// Long enough for elections not to be lost to a loaded machine.
const HEARTBEAT: Duration = Duration::from_millis(50);

type Task = Box<dyn FnOnce(Handle) -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// What a member is, running or not.
pub(crate) struct Node {
    config: Config,
    disk: MemDir,
    network: Network,
    running: Option<Live>,
}

struct Live {
    running: Running,
    tasks: UnboundedSender<Task>,
    thread: JoinHandle<()>,
}

pub(crate) fn url(name: &str) -> String {
    format!("http://{name}:2380")
}

pub(crate) fn config(
    name: &str,
    members: BTreeMap<String, Vec<String>>,
    join: Option<Join>,
) -> Config {
    let disk = MemDir::new();
    Config {
        member_dir: disk.sub("member"),
        wal_parent: disk.sub("member"),
        wal_name: "wal".to_owned(),
        name: name.to_owned(),
        initial_cluster: members,
        initial_cluster_token: "token".to_owned(),
        join,
        credentials: server::credentials::CredentialsConfig::default(),
        client_urls: vec![format!("http://{name}:2379")],
        wal: wal::Options {
            segment_bytes: 1 << 20,
            ..wal::Options::default()
        },
        store: store::Options::default(),
        mvcc: mvcc::Options::default(),
        membership: cluster::Options::default(),
        leases: lease::Options {
            checkpoint_every: Some(Duration::from_millis(500)),
            ..lease::Options::for_election_timeout(Duration::from_secs(1))
        },
        limits: Limits {
            max_request_bytes: 1 << 20,
            max_txn_ops: 128,
            quota_bytes: None,
            request_timeout: Duration::from_secs(2),
            election_timeout: Duration::from_millis(500),
            watch_progress_interval: Duration::from_secs(600),
            strict_reconfig: false,
        },
        commit: CommitPolicy {
            interval: Duration::from_millis(10),
            ops: 10_000,
        },
        compaction: None,
        compaction_pause: Duration::from_millis(1),
        compaction_keys: 1000,
        early_election: true,
        heartbeat: HEARTBEAT,
        election_ticks: 10,
        pre_vote: true,
        snapshot_count: 50,
        catch_up_entries: 20,
        max_wals: 5,
        force_new_cluster: false,
        corruption: server::membership::CorruptionChecks::default(),
        downgrade_check: Duration::from_secs(5),
        threads: 1,
    }
}

impl Node {
    pub(crate) fn new(name: &str, members: &[&str], join: Option<Join>, network: &Network) -> Self {
        let members = members.iter();
        let members = members.map(|name| ((*name).to_owned(), vec![url(name)]));
        Self {
            config: config(name, members.collect(), join),
            disk: MemDir::new(),
            network: network.clone(),
            running: None,
        }
    }

    pub(crate) fn start(&mut self) {
        // As the program does it before it starts the engine.
        self.disk.create_dir_all("member").unwrap();
        self.disk.sync_dir("").unwrap();
        let dir = self.disk.sub("member");
        self.config.member_dir = Arc::clone(&dir);
        self.config.wal_parent = dir;
        let meters = Arc::new(Meters::new(&Registry::new(), Duration::from_secs(1)).unwrap());
        let opened = engine::open(&self.config, meters).unwrap();
        let id = opened.engine().member_id();
        self.network.connect(id, opened.engine().inbound());
        let link = Link {
            from: id,
            network: self.network.clone(),
            since: Instant::now(),
        };
        let running = opened.start(Arc::new(link)).unwrap();
        let (ready, _) = sync_channel(1);
        let (tasks, thread) = self.serve(&running, ready);
        self.running = Some(Live {
            running,
            tasks,
            thread,
        });
    }

    /// A thread with the keeper and a handle, as in the server.
    fn serve(
        &self,
        running: &Running,
        ready: SyncSender<()>,
    ) -> (UnboundedSender<Task>, JoinHandle<()>) {
        let keeper = running.keeper(&self.config, ready);
        let engine = running.engine().clone();
        let (tasks, mut inbox) = unbounded_channel::<Task>();
        let thread = std::thread::spawn(move || {
            let runtime = Builder::new_current_thread()
                .enable_all()
                .build_local(LocalOptions::default())
                .unwrap();
            runtime.block_on(async {
                keeper.start();
                let handle = Handle::start(engine, 0);
                while let Some(task) = inbox.recv().await {
                    tokio::task::spawn_local(task(handle.clone()));
                }
            });
        });
        (tasks, thread)
    }

    fn live(&self) -> &Live {
        self.running.as_ref().unwrap()
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.live().running.engine()
    }

    pub(crate) fn id(&self) -> MemberId {
        self.engine().member_id()
    }

    /// Runs something on the member's thread and waits for its answer.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        ask: impl AsyncFnOnce(Handle) -> T + Send + 'static,
    ) -> T {
        self.begin(ask).recv().unwrap()
    }

    /// Runs something on the member's thread; its answer comes later.
    pub(crate) fn begin<T: Send + 'static>(
        &self,
        ask: impl AsyncFnOnce(Handle) -> T + Send + 'static,
    ) -> std::sync::mpsc::Receiver<T> {
        let (answer, answered) = sync_channel(1);
        let task: Task = Box::new(move |handle| {
            Box::pin(async move {
                // Whoever asked may have gone away.
                let _ = answer.send(ask(handle).await);
            })
        });
        assert!(self.live().tasks.send(task).is_ok());
        answered
    }

    /// Stops in good order.
    pub(crate) fn stop(&mut self) {
        let Some(live) = self.running.take() else {
            return;
        };
        let id = live.running.engine().member_id();
        drop(live.tasks);
        live.thread.join().unwrap();
        live.running.stop();
        self.network.disconnect(id);
    }

    /// Stops as a power loss does: what was not synced is gone.
    pub(crate) fn kill(&mut self) {
        let id = self.id();
        self.network.disconnect(id);
        self.disk = {
            let crashed = self.disk.crash(Crash::LoseAll);
            // What the old engine still does goes to the old disk.
            self.stop();
            crashed
        };
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop();
    }
}
