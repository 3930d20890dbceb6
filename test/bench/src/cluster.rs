//! The servers as processes of their own, on one core and on fresh directories.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use proto::etcdserverpb::{RangeRequest, RangeResponse, StatusRequest, StatusResponse};
use tempfile::TempDir;
use tokio_rustls::TlsConnector;

use crate::options::{Kind, Options};
use crate::process::{Resident, pin_to};
use crate::programs::Programs;
use crate::target::Target;

/// Bytes that a store may have: more than any suite needs.
const QUOTA_BYTES: u64 = 8 << 30;
/// How long a server may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(120);
/// Pause between two attempts to reach a server that starts.
const RETRY: Duration = Duration::from_millis(1);

/// What cluster is wanted.
#[derive(Clone, Default)]
pub(crate) struct Setup {
    /// Members beside the first.
    pub(crate) others: usize,
    /// Flags that both programs know.
    pub(crate) flags: Vec<String>,
    /// How clients speak to it, where it speaks TLS.
    pub(crate) tls: Option<TlsConnector>,
}

/// Running members; killed when dropped.
pub(crate) struct Cluster {
    pub(crate) members: Vec<Member>,
    // The members end before their directories go.
    dir: TempDir,
}

/// One member.
pub(crate) struct Member {
    dir: PathBuf,
    command: Vec<String>,
    cores: [usize; 2],
    pub(crate) target: Target,
    child: Child,
}

impl Cluster {
    /// Starts the members on fresh directories, and waits until all of them answer.
    pub(crate) async fn start(
        kind: Kind,
        programs: &Programs,
        options: &Options,
        setup: &Setup,
    ) -> Result<Self> {
        Self::start_in(options.fresh_dir()?, kind, programs, options, setup).await
    }

    /// The same on directories that another cluster has left.
    pub(crate) async fn start_in(
        dir: TempDir,
        kind: Kind,
        programs: &Programs,
        options: &Options,
        setup: &Setup,
    ) -> Result<Self> {
        let program = programs.of(kind)?.display().to_string();
        let ports = (0..=setup.others).map(|_| Ok((free_port()?, free_port()?)));
        let ports: Vec<(u16, u16)> = ports.collect::<Result<_>>()?;
        let peers: Vec<String> = (0..)
            .zip(&ports)
            .map(|(n, &(_, peer))| format!("m{n}={}", url("http", peer)))
            .collect();
        let peers = peers.join(",");
        let mut members = Vec::new();
        for (n, &(client, peer)) in (0..).zip(&ports) {
            let dir = dir.path().join(format!("m{n}"));
            std::fs::create_dir_all(&dir)?;
            let mut command = vec![program.clone()];
            command.extend(flags(kind, setup, &dir, client, peer));
            command.push(format!("--name=m{n}"));
            command.push(format!("--initial-cluster={peers}"));
            command.push(format!("--quota-backend-bytes={QUOTA_BYTES}"));
            command.extend(setup.flags.iter().cloned());
            let cores = [options.server_core, options.load_core];
            let mut target = Target::plain(SocketAddr::from((Ipv4Addr::LOCALHOST, client)));
            target.tls.clone_from(&setup.tls);
            members.push(Member {
                child: spawn(&command, &dir, cores)?,
                dir,
                command,
                cores,
                target,
            });
        }
        let mut cluster = Self { members, dir };
        for member in &mut cluster.members {
            member.answers().await?;
        }
        Ok(cluster)
    }

    /// Where clients find the members.
    pub(crate) fn targets(&self) -> Vec<Target> {
        self.members
            .iter()
            .map(|member| member.target.clone())
            .collect()
    }

    /// The processes.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.members.iter().map(Member::pid).collect()
    }

    /// Who leads.
    pub(crate) async fn leader(&self) -> Result<usize> {
        for (at, member) in self.members.iter().enumerate() {
            let status = member.status().await?;
            if status
                .header
                .is_some_and(|header| header.member_id == status.leader)
            {
                return Ok(at);
            }
        }
        bail!("nobody leads")
    }

    /// The memory of all members.
    pub(crate) fn resident(&self) -> Result<Resident> {
        Resident::of_all(&self.pids())
    }

    /// Ends all members; their directories.
    pub(crate) fn stop(self) -> TempDir {
        let Self { members, dir } = self;
        drop(members);
        dir
    }
}

impl Member {
    /// Ends the process as a crash would.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts it again after it was killed, without waiting for it.
    pub(crate) fn respawn(&mut self) -> Result<()> {
        self.child = spawn(&self.command, &self.dir, self.cores)?;
        Ok(())
    }

    /// Waits until it answers a linearizable get.
    pub(crate) async fn answers(&mut self) -> Result<()> {
        let begin = Instant::now();
        let get = RangeRequest {
            key: b"answers".as_slice().into(),
            ..RangeRequest::default()
        };
        while let Err(error) = self
            .target
            .call::<RangeResponse>("/etcdserverpb.KV/Range", &get)
            .await
        {
            let program = &self.command[0];
            if let Some(status) = self.child.try_wait()? {
                bail!("{program} ended with {status}\n{}", self.log());
            }
            ensure!(
                begin.elapsed() < START_LIMIT,
                "{program} does not answer: {error:#}\n{}",
                self.log()
            );
            tokio::time::sleep(RETRY).await;
        }
        Ok(())
    }

    /// What it says of itself.
    pub(crate) async fn status(&self) -> Result<StatusResponse> {
        let path = "/etcdserverpb.Maintenance/Status";
        self.target.call(path, &StatusRequest::default()).await
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn flags(kind: Kind, setup: &Setup, dir: &Path, client: u16, peer: u16) -> Vec<String> {
    let data = dir.join("data").display().to_string();
    match kind {
        Kind::Ours => {
            let scheme = if setup.tls.is_some() { "https" } else { "http" };
            let (client, peer) = (url(scheme, client), url("http", peer));
            vec![
                format!("--data-dir={data}"),
                format!("--listen-client-urls={client}"),
                format!("--advertise-client-urls={client}"),
                format!("--listen-peer-urls={peer}"),
                format!("--initial-advertise-peer-urls={peer}"),
                "--log-level=error".to_owned(),
            ]
        }
        Kind::Reference => vec![
            format!("--data-dir={data}"),
            format!("--client-port={client}"),
            format!("--peer-port={peer}"),
        ],
    }
}

/// Starts a process on the first core; this thread stays on the second.
fn spawn(line: &[String], dir: &Path, [server, load]: [usize; 2]) -> Result<Child> {
    let log = File::create(dir.join("log"))?;
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]).stdin(Stdio::null());
    command.stdout(log.try_clone()?).stderr(log);
    // A process inherits the cores of the thread that starts it, before it looks how many it has.
    pin_to(server)?;
    let child = command.spawn();
    pin_to(load)?;
    child.with_context(|| format!("{} cannot be started", line[0]))
}

fn url(scheme: &str, port: u16) -> String {
    format!("{scheme}://127.0.0.1:{port}")
}

fn free_port() -> Result<u16> {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(socket.local_addr()?.port())
}
