//! One `etcd` process.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{free_port, program};

/// How long a member may take until it serves.
const START_LIMIT: Duration = Duration::from_secs(60);
/// The line that scripts wait for.
const READY: &str = "ready to serve client requests";

/// How a member is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// SIGTERM: in good order.
    Terminate,
    /// SIGKILL: as in a crash of the process.
    Kill,
}

/// A member on a directory and ports of its own; killed when dropped.
#[derive(Debug)]
pub struct Member {
    dir: PathBuf,
    port: u16,
    peer_port: u16,
    flags: Vec<String>,
    child: Option<Child>,
    log: PathBuf,
}

impl Member {
    /// Starts a member on `dir` with flags beside those for directory and URLs, and waits until it
    /// serves.
    ///
    /// # Errors
    /// When it ends or stays silent; the end of its log is part of the error.
    pub fn start(dir: &Path, flags: &[&str]) -> Result<Self> {
        Self::start_on(&dir.join("data"), dir, flags)
    }

    /// As [`Member::start`], with a data directory that may be on another disk than the log's folder, or
    /// that another member had.
    ///
    /// # Errors
    /// As [`Member::start`].
    pub fn start_on(data: &Path, dir: &Path, flags: &[&str]) -> Result<Self> {
        let mut member = Self::prepare(data, dir)?;
        member.set_flags(flags.iter().map(ToString::to_string));
        member.restart()?;
        Ok(member)
    }

    /// A member with ports of its own that is not started yet.
    ///
    /// # Errors
    /// When there are no ports.
    pub fn prepare(data: &Path, dir: &Path) -> Result<Self> {
        Ok(Self {
            dir: data.to_path_buf(),
            port: free_port()?,
            peer_port: free_port()?,
            flags: Vec::new(),
            child: None,
            log: dir.join("etcd.log"),
        })
    }

    /// The flags of the next start, beside those for directory and URLs; the last of a name counts.
    pub fn set_flags(&mut self, flags: impl IntoIterator<Item = String>) {
        self.flags = flags.into_iter().collect();
    }

    /// Starts the stopped member again, on the same directory and ports.
    ///
    /// # Errors
    /// As [`Member::start`].
    pub fn restart(&mut self) -> Result<()> {
        self.spawn()?;
        self.await_ready()
    }

    /// Starts the process without waiting for it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&mut self) -> Result<()> {
        let log = File::create(&self.log)?;
        let mut command = Command::new(program("etcd")?);
        command
            .args(self.arguments())
            .env_clear()
            .stdin(Stdio::null());
        let child = command.stdout(log.try_clone()?).stderr(log).spawn()?;
        self.child = Some(child);
        Ok(())
    }

    /// Waits until the started process serves.
    ///
    /// # Errors
    /// As [`Member::start`].
    pub fn await_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        while !self.has_logged(READY)? {
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().ok()?) {
                bail!("etcd ended with {status}\n{}", self.log_end());
            }
            ensure!(
                Instant::now() < deadline,
                "etcd is not ready\n{}",
                self.log_end()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn arguments(&self) -> Vec<String> {
        let (client, peer) = (self.endpoint(), self.peer_endpoint());
        let mut arguments = vec![
            format!("--data-dir={}", self.dir.display()),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=default={peer}"),
        ];
        arguments.extend(self.flags.iter().cloned());
        arguments
    }

    /// Where clients reach it.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme(""), self.port)
    }

    /// Where other members reach it.
    #[must_use]
    pub fn peer_endpoint(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme("peer-"), self.peer_port)
    }

    /// With a certificate there is TLS.
    fn scheme(&self, prefix: &str) -> &'static str {
        let (given, own) = (
            format!("--{prefix}cert-file="),
            format!("--{prefix}auto-tls"),
        );
        let mut flags = self.flags.iter();
        match flags.any(|flag| flag.starts_with(&given) || *flag == own) {
            true => "https",
            false => "http",
        }
    }

    /// The port for clients.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its data directory.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.dir
    }

    /// The process id.
    ///
    /// # Errors
    /// When it does not run.
    pub fn pid(&self) -> Result<u32> {
        self.child
            .as_ref()
            .map(Child::id)
            .context("the member is stopped")
    }

    /// Stops it and waits for its end.
    ///
    /// # Errors
    /// When it does not run or cannot be told.
    pub fn stop(&mut self, how: Stop) -> Result<ExitStatus> {
        let mut child = self.child.take().context("the member is stopped")?;
        match how {
            Stop::Kill => child.kill()?,
            Stop::Terminate => {
                let kill = Command::new("kill").arg(child.id().to_string()).status()?;
                ensure!(kill.success(), "kill failed");
            }
        }
        Ok(child.wait()?)
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// When it does not run, or goes on running for too long.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + limit;
        let child = self.child.as_mut().context("the member is stopped")?;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            ensure!(Instant::now() < deadline, "the member goes on running");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether a line of its log contains `text`.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn has_logged(&self, text: &str) -> Result<bool> {
        let lines = BufReader::new(File::open(&self.log)?).lines();
        Ok(lines.map_while(Result::ok).any(|line| line.contains(text)))
    }

    /// The last lines of its log.
    #[must_use]
    pub fn log_end(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
