//! The two servers as processes of their own, each alone on its core and on a fresh directory.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

use crate::load;
use crate::options::{Kind, Options};
use crate::process::pin_to;

/// Bytes that a store may have: more than any scenario needs.
const QUOTA_BYTES: u64 = 8 << 30;
/// How long a server may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(120);
/// Pause between two attempts to reach a server that starts.
const RETRY: Duration = Duration::from_millis(1);

/// Where the programs are.
#[derive(Debug)]
pub(crate) struct Programs {
    ours: PathBuf,
    reference: Option<PathBuf>,
}

impl Programs {
    /// Finds ours and builds the reference.
    pub(crate) fn find(options: &Options) -> Result<Self> {
        let own = std::env::current_exe().context("this program's own path")?;
        let folder = own.parent().context("the folder of this program")?;
        let ours = options.etcd.clone();
        let ours = ours.unwrap_or_else(|| folder.join("etcd"));
        ensure!(
            ours.exists(),
            "{} is missing: cargo build --release -p etcd",
            ours.display()
        );
        let wants_reference = options.kinds().contains(&Kind::Reference);
        let reference = match &options.reference {
            Some(path) => Some(path.clone()),
            None if wants_reference => Some(build_reference(folder)?),
            None => None,
        };
        Ok(Self { ours, reference })
    }
}

/// Builds the Go program around the published etcd.
fn build_reference(folder: &Path) -> Result<PathBuf> {
    let program = folder.join("etcd-embed");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../interop/embed");
    let built = Command::new("go")
        .args(["build", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(source)
        .status();
    let status = built.context("`go` is missing: the real etcd is built with it")?;
    ensure!(status.success(), "test/interop/embed cannot be built");
    Ok(program)
}

/// A running server; killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    dir: TempDir,
    command: Vec<String>,
    cores: [usize; 2],
    address: SocketAddr,
    child: Child,
}

impl Server {
    /// Starts a server on a fresh directory, and waits until it answers.
    pub(crate) async fn start(kind: Kind, programs: &Programs, options: &Options) -> Result<Self> {
        let dir = match &options.dir {
            Some(parent) => TempDir::with_prefix_in("bench-", parent)?,
            None => TempDir::with_prefix("bench-")?,
        };
        let (client, peer) = (free_port()?, free_port()?);
        let command = command(kind, programs, dir.path(), client, peer)?;
        let cores = [options.server_core, options.load_core];
        let mut server = Self {
            child: spawn(&command, dir.path(), cores)?,
            dir,
            command,
            cores,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, client)),
        };
        server.answers(Instant::now()).await?;
        Ok(server)
    }

    /// Kills it as a crash would, starts it again, and says how long it took until it answered.
    pub(crate) async fn crash_and_start(&mut self) -> Result<Duration> {
        self.child.kill()?;
        self.child.wait()?;
        let begin = Instant::now();
        self.child = spawn(&self.command, self.dir.path(), self.cores)?;
        self.answers(begin).await?;
        Ok(begin.elapsed())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    async fn answers(&mut self, begin: Instant) -> Result<()> {
        while let Err(error) = load::get_once(self.address).await {
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

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(
    kind: Kind,
    programs: &Programs,
    dir: &Path,
    client: u16,
    peer: u16,
) -> Result<Vec<String>> {
    let data = dir.join("data").display().to_string();
    let (program, flags) = match kind {
        Kind::Ours => {
            let (client, peer) = (url(client), url(peer));
            let flags = vec![
                format!("--data-dir={data}"),
                format!("--listen-client-urls={client}"),
                format!("--advertise-client-urls={client}"),
                format!("--listen-peer-urls={peer}"),
                format!("--initial-advertise-peer-urls={peer}"),
                format!("--initial-cluster=default={peer}"),
                format!("--quota-backend-bytes={QUOTA_BYTES}"),
                "--log-level=error".to_owned(),
            ];
            (&programs.ours, flags)
        }
        Kind::Reference => {
            let flags = vec![
                format!("-data-dir={data}"),
                format!("-client-port={client}"),
                format!("-peer-port={peer}"),
                format!("-quota={QUOTA_BYTES}"),
            ];
            (programs.reference.as_ref().context("no reference")?, flags)
        }
    };
    let mut line = vec![program.display().to_string()];
    line.extend(flags);
    Ok(line)
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

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn free_port() -> Result<u16> {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(socket.local_addr()?.port())
}
