//! A proxy process in front of members.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use client::{Client, Config, Credentials};
use harness::{ctl, free_port, program};

/// A proxy; killed when dropped.
pub(crate) struct Front {
    child: Child,
    address: String,
}

impl Front {
    /// Starts `etcd <command> start` in front of the endpoints, and waits until it listens.
    pub(crate) fn start(
        dir: &Path,
        command: &str,
        endpoints: &[String],
        flags: &[&str],
    ) -> Result<Self> {
        let address = format!("127.0.0.1:{}", free_port()?);
        let log = File::create(dir.join(format!("{command}-{}.log", free_port()?)))?;
        let child = Command::new(program("etcd")?)
            .args([command, "start", "--listen-addr", &address])
            .arg(format!("--endpoints={}", endpoints.join(",")))
            .args(flags)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let front = Self { child, address };
        ctl::eventually("the proxy listens", || {
            Ok(TcpStream::connect(&front.address)?)
        })?;
        Ok(front)
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A client of the proxy.
    pub(crate) async fn client(&self, user: Option<&str>) -> Result<Client> {
        let credentials = user.map_or(Credentials::None, |name| Credentials::Password {
            name: name.to_owned(),
            password: "password".to_owned(),
        });
        let client = Client::connect(Config {
            endpoints: vec![self.endpoint()],
            credentials,
            dial_timeout: Duration::from_secs(60),
            ..Config::default()
        });
        Ok(client.await?.within(Duration::from_secs(120)))
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a path of a server shows.
pub(crate) fn get(address: &str, path: &str) -> Result<String> {
    let address = address.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").context("an answer")?;
    ensure!(head.starts_with("HTTP/1.1 200"), "{path}: {text}");
    Ok(body.to_owned())
}

/// A value of a server's metrics.
pub(crate) fn metric(address: &str, path: &str, name: &str) -> Result<f64> {
    let text = get(address, path)?;
    let mut lines = text.lines();
    let line = lines.find(|line| line.split(' ').next() == Some(name));
    let line = line.with_context(|| format!("{name} in {text}"))?;
    Ok(line.rsplit(' ').next().unwrap_or_default().parse()?)
}
