//! Several members, and what is asked of them.

use std::time::{Duration, Instant};

use apply::Applied;
use bytes::Bytes;
use mvcc::RangeQuery;
use proto::error::Error;
use proto::etcdserverpb::{InternalRaftRequest, PutRequest};
use server::engine::{Handle, Join};
use types::{KeyRange, MemberId, Record};

use crate::network::Network;
use crate::node::{Node, url};

/// How long anything may take on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
    pub(crate) network: Network,
}

/// Asks until the answer is there.
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn put(key: &str, value: &str) -> InternalRaftRequest {
    let put = PutRequest {
        key: key.to_owned().into(),
        value: value.to_owned().into(),
        ..PutRequest::default()
    };
    InternalRaftRequest {
        put: Some(put),
        ..InternalRaftRequest::default()
    }
}

/// The value of a key in a member's own state.
pub(crate) fn local(handle: &Handle, key: &str) -> Option<Bytes> {
    let query = RangeQuery::of(KeyRange::Point(Bytes::copy_from_slice(key.as_bytes())));
    let found = handle.engine().reader().range(&query).unwrap();
    let record = found.kvs.first()?;
    Some(Record::decode(record).unwrap().value)
}

impl Cluster {
    /// A cluster of that many members, running and with a leader.
    pub(crate) fn start(size: usize) -> Self {
        let names: Vec<String> = (0..size).map(|n| format!("m{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let network = Network::default();
        let nodes = names
            .iter()
            .map(|name| Node::new(name, &names, None, &network));
        let mut cluster = Self {
            nodes: nodes.collect(),
            network,
        };
        for node in &mut cluster.nodes {
            node.start();
        }
        cluster.leader();
        cluster
    }

    /// The position of the member on which all that run agree.
    pub(crate) fn leader(&self) -> usize {
        let all: Vec<usize> = (0..self.nodes.len()).collect();
        self.leader_of(&all)
    }

    /// The position of the member on which these agree, as far as they run.
    pub(crate) fn leader_of(&self, positions: &[usize]) -> usize {
        until("a leader", || {
            let running = positions.iter().map(|at| &self.nodes[*at]);
            let running = running.filter(|node| node.is_running());
            let leaders: Vec<_> = running
                .map(|node| node.engine().status().leader())
                .collect();
            let leader = *leaders.first()?;
            let agree = leaders.iter().all(|other| *other == leader);
            let at = positions
                .iter()
                .find(|at| self.nodes[**at].is_running() && self.nodes[**at].id() == leader);
            at.copied().filter(|_| agree)
        })
    }

    pub(crate) fn follower(&self) -> usize {
        let leader = self.leader();
        (0..self.nodes.len())
            .find(|at| *at != leader && self.nodes[*at].is_running())
            .unwrap()
    }

    /// Puts through a member, again and again until it is acknowledged.
    pub(crate) fn put(&self, at: usize, key: &str, value: &str) -> Applied {
        until("a put", || self.try_put(at, key, value).ok())
    }

    /// Proposes through a member until there is an answer: that of a repetition says what is done already.
    pub(crate) fn propose(&self, at: usize, request: &InternalRaftRequest) -> Applied {
        until("a proposal", || {
            let request = request.clone();
            let asked = self.nodes[at].ask(async move |handle| handle.propose(request).await);
            asked.ok()
        })
    }

    pub(crate) fn try_put(&self, at: usize, key: &str, value: &str) -> Result<Applied, Error> {
        let request = put(key, value);
        self.nodes[at].ask(async move |handle| handle.propose(request).await)
    }

    /// Puts many keys `prefix0`, `prefix1`… with many requests under way.
    pub(crate) fn put_many(&self, at: usize, prefix: &str, count: usize, value: &str) {
        for chunk in (0..count).collect::<Vec<_>>().chunks(64) {
            let puts: Vec<_> = chunk
                .iter()
                .map(|n| {
                    let request = put(&format!("{prefix}{n}"), value);
                    self.nodes[at].begin(async move |handle| handle.propose(request).await)
                })
                .collect();
            for (n, answer) in chunk.iter().zip(puts) {
                if answer.recv().unwrap().is_err() {
                    self.put(at, &format!("{prefix}{n}"), value);
                }
            }
        }
    }

    /// Reads through a member, linearizably, again and again until it is answered.
    pub(crate) fn get(&self, at: usize, key: &str) -> Option<Bytes> {
        until("a read", || self.try_get(at, key).ok())
    }

    pub(crate) fn try_get(&self, at: usize, key: &str) -> Result<Option<Bytes>, Error> {
        let key = key.to_owned();
        self.nodes[at].ask(async move |handle| {
            handle.linearizable().await?;
            Ok(local(&handle, &key))
        })
    }

    /// Waits until all that run have the same applied index and the same hash.
    pub(crate) fn agree(&self) {
        let hash = |node: &Node| {
            let applied = node.engine().status().applied();
            node.engine()
                .reader()
                .hash_kv(0)
                .ok()
                .map(|hash| (applied, hash.hash, hash.hash_revision))
        };
        until("agreement", || {
            let running = self.nodes.iter().filter(|node| node.is_running());
            let mut hashes = running.map(hash);
            let first = hashes.next()??;
            hashes.all(|other| other == Some(first)).then_some(())
        });
    }

    /// Waits until a leader has noticed that nothing is heard of a member: from then on it keeps
    /// no more of the log for it than for anybody.
    pub(crate) fn forget(&self, leader: usize, id: MemberId) {
        until("the leader's notice", || {
            let progress = self.nodes[leader].engine().progress();
            let member = progress.iter().find(|member| member.id == id)?;
            (!member.is_active).then_some(())
        });
    }

    /// Stops a member for so long that its leader does not wait for it.
    pub(crate) fn stop_for_long(&mut self, leader: usize, at: usize) {
        let id = self.nodes[at].id();
        self.nodes[at].stop();
        self.forget(leader, id);
    }

    /// Puts so many keys, and waits until the leader has cut its log behind them.
    pub(crate) fn put_and_cut(&self, leader: usize, prefix: &str, count: usize) {
        self.put_many(leader, prefix, count, "v");
        let engine = self.nodes[leader].engine();
        let applied = engine.status().applied();
        until("a commit of the store", || {
            (engine.files().consistent_index().0 >= applied).then_some(())
        });
        // The raft thread hears of the commit before it hears of this.
        self.put(leader, "cut", "v");
    }

    /// Adds a member to the configuration and starts it.
    pub(crate) fn join(&mut self, at: usize, name: &str, is_learner: bool) -> MemberId {
        let urls = vec![url(name)];
        let id = cluster::derive_member_id(&urls, "", Some(1));
        let member = cluster::Member {
            id,
            peer_urls: urls,
            is_learner,
            ..cluster::Member::default()
        };
        self.change(at, &cluster::Change::Add(member));
        let engine = self.nodes[at].engine();
        let members = engine.membership();
        let others = members.members().filter(|member| member.id != id);
        let join = Join {
            member: id,
            cluster: engine.cluster_id(),
            peers: others
                .map(|member| (member.id, member.peer_urls.clone()))
                .collect(),
        };
        let mut node = Node::new(name, &[], Some(join), &self.network);
        node.start();
        self.nodes.push(node);
        id
    }

    /// Changes the membership through a member.
    pub(crate) fn change(&self, at: usize, change: &cluster::Change) {
        let change = change.clone();
        let applied =
            self.nodes[at].ask(async move |handle| handle.propose_conf_change(&change).await);
        applied.unwrap().result.unwrap();
    }
}
