//! A published etcd as one of two members.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use harness::{free_port, repository, tool};

/// How long the member may take until it serves clients.
const START_LIMIT: Duration = Duration::from_secs(120);

/// The process; killed when dropped.
pub(crate) struct Real {
    child: Child,
    client_port: u16,
    ready: mpsc::Receiver<()>,
}

/// The flag that all members are started with.
pub(crate) fn initial_cluster(real_port: u16, half_port: u16) -> [(String, Vec<String>); 2] {
    let urls = |port| vec![format!("http://127.0.0.1:{port}")];
    [
        ("real".to_owned(), urls(real_port)),
        ("half".to_owned(), urls(half_port)),
    ]
}

impl Real {
    pub(crate) fn start(scratch: &Path, real_port: u16, half_port: u16) -> Result<Self> {
        tool::require("go", "version")?;
        let program = scratch.join("etcd-embed");
        let output = program.to_str().context("the scratch folder's path")?;
        let module = repository("test/interop/embed");
        tool::run(&module, "go", &["build", "-o", output, "."])?;
        let client_port = free_port()?;
        let members = initial_cluster(real_port, half_port);
        let members: Vec<String> = members
            .iter()
            .map(|(name, urls)| format!("{name}={}", urls[0]))
            .collect();
        let mut child = Command::new(program)
            .arg(format!("-data-dir={}", scratch.join("real").display()))
            .args(["-name=real", "-snapshot-count=10", "-catch-up=1"])
            .arg(format!("-client-port={client_port}"))
            .arg(format!("-peer-port={real_port}"))
            .arg(format!("-initial-cluster={}", members.join(",")))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let lines = BufReader::new(child.stdout.take().context("its output")?).lines();
        let (told, ready) = mpsc::channel();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if line.starts_with("READY") {
                    let _ = told.send(());
                }
            }
        });
        Ok(Self {
            child,
            client_port,
            ready,
        })
    }

    pub(crate) fn wait_ready(&mut self) {
        self.ready.recv_timeout(START_LIMIT).unwrap();
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.client_port)
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
