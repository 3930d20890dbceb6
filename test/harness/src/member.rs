//! One `etcd` process.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::net::Home;
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

/// Whether a process goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// SIGSTOP: it stands still, and its sockets stay open.
    Begin,
    /// SIGCONT.
    End,
}

/// A member on a directory and ports of its own; killed when dropped.
#[derive(Debug)]
pub struct Member {
    dir: PathBuf,
    home: Home,
    program: Option<PathBuf>,
    port: u16,
    peer_port: u16,
    flags: Vec<String>,
    environment: Vec<(String, String)>,
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
            home: Home {
                host: Ipv4Addr::LOCALHOST,
                launcher: Vec::new(),
                advertised_peer: None,
            },
            program: None,
            port: free_port()?,
            peer_port: free_port()?,
            flags: Vec::new(),
            environment: Vec::new(),
            child: None,
            log: dir.join("etcd.log"),
        })
    }

    /// Puts a member that was never started somewhere else.
    pub fn settle(&mut self, home: Home) {
        self.home = home;
    }

    /// The program of the next start: one with etcd's flags, or ours for none.
    pub fn set_program(&mut self, program: Option<PathBuf>) {
        self.program = program;
    }

    /// The flags of the next start, beside those for directory and URLs; the last of a name counts.
    pub fn set_flags(&mut self, flags: impl IntoIterator<Item = String>) {
        self.flags = flags.into_iter().collect();
    }

    /// A variable of the environment of the next starts, which have none of this process's.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
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
        let etcd = match &self.program {
            Some(other) => other.clone(),
            None => program("etcd")?,
        };
        let mut command = match self.home.launcher.split_first() {
            None => Command::new(etcd),
            Some((launcher, arguments)) => {
                let mut command = Command::new(launcher);
                command.args(arguments).arg(etcd);
                command
            }
        };
        command
            .args(self.arguments())
            .env_clear()
            .envs(self.environment.iter().cloned())
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
        let peer_listen = self.peer_url(self.peer_port);
        let mut arguments = vec![
            format!("--data-dir={}", self.dir.display()),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer_listen}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=default={peer}"),
        ];
        arguments.extend(self.flags.iter().cloned());
        arguments
    }

    /// Where clients reach it.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("{}://{}:{}", self.scheme(""), self.home.host, self.port)
    }

    /// Where other members reach it.
    #[must_use]
    pub fn peer_endpoint(&self) -> String {
        self.peer_url(self.home.advertised_peer.unwrap_or(self.peer_port))
    }

    fn peer_url(&self, port: u16) -> String {
        format!("{}://{}:{port}", self.scheme("peer-"), self.home.host)
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

    /// The port for peers that it listens on.
    #[must_use]
    pub fn peer_port(&self) -> u16 {
        self.peer_port
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
            Stop::Terminate => signal(&child, "-TERM")?,
        }
        Ok(child.wait()?)
    }

    /// Makes it stand still, or go on.
    ///
    /// # Errors
    /// When it does not run or cannot be told.
    pub fn pause(&self, pause: Pause) -> Result<()> {
        let child = self.child.as_ref().context("the member is stopped")?;
        signal(
            child,
            match pause {
                Pause::Begin => "-STOP",
                Pause::End => "-CONT",
            },
        )
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

fn signal(child: &Child, signal: &str) -> Result<()> {
    let id = child.id().to_string();
    let kill = Command::new("kill").args([signal, &id]).status()?;
    ensure!(kill.success(), "kill failed");
    Ok(())
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
