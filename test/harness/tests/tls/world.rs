//! An authority and what it signs for, and a member that believes it.

use std::path::{Path, PathBuf};

use certificates::{Authority, Files, Wish};
use harness::{Member, ctl};
use tls::{ClientFiles, Pair};

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// The password of every user.
pub(crate) const PASSWORD: &str = "correct horse";

/// An authority, a folder, and the flags of a member that trusts the authority.
pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) authority: Authority,
    pub(crate) flags: Vec<String>,
}

impl World {
    pub(crate) fn new() -> Outcome<Self> {
        let mut world = Self {
            dir: tempfile::tempdir()?,
            authority: Authority::new("good")?,
            flags: Vec::new(),
        };
        let server = world.issue("server", &Wish::default())?;
        let ca = world.ca()?;
        world.flag("cert-file", &server.cert);
        world.flag("key-file", &server.key);
        world.flag("trusted-ca-file", &ca);
        world.flags.push("--client-cert-auth".to_owned());
        Ok(world)
    }

    pub(crate) fn flag(&mut self, name: &str, value: &Path) {
        self.flags.push(format!("--{name}={}", value.display()));
    }

    pub(crate) fn ca(&self) -> Outcome<PathBuf> {
        Ok(self.authority.write(&self.dir.path().join("ca.pem"))?)
    }

    pub(crate) fn issue(&self, name: &str, wish: &Wish) -> Outcome<Files> {
        Ok(self.authority.issue(wish)?.write(self.dir.path(), name)?)
    }

    pub(crate) fn start(&self) -> Outcome<Member> {
        let flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
        Ok(Member::start(self.dir.path(), &flags)?)
    }

    /// A client with a certificate that the member believes.
    pub(crate) fn client(&self, wish: &Wish) -> Outcome<ClientFiles> {
        let Files { cert, key } = self.issue("client", wish)?;
        Ok(ClientFiles {
            pair: Some(Pair { cert, key }),
            trusted_ca: Some(self.ca()?),
            ..ClientFiles::default()
        })
    }

    /// The flags of `etcdctl` that make it believed.
    pub(crate) fn ctl_flags(&self) -> Outcome<Vec<String>> {
        let files = self.issue("ctl", &Wish::default())?;
        Ok(vec![
            format!("--cacert={}", text(&self.ca()?)),
            format!("--cert={}", text(&files.cert)),
            format!("--key={}", text(&files.key)),
        ])
    }

    /// Runs `etcdctl` against members.
    pub(crate) fn ctl(&self, endpoints: &[String], words: &[&str]) -> Outcome<String> {
        let flags = self.ctl_flags()?;
        let flags = flags.iter().map(String::as_str);
        let line: Vec<&str> = flags.chain(words.iter().copied()).collect();
        Ok(ctl::run(endpoints, &line)?)
    }

    /// Makes the user `root` and turns authentication on.
    pub(crate) fn enable_users(&self, member: &Member) -> Outcome {
        let endpoints = [member.endpoint()];
        let root = format!("root:{PASSWORD}");
        self.ctl(&endpoints, &["user", "add", &root])?;
        self.ctl(&endpoints, &["user", "grant-role", "root", "root"])?;
        self.ctl(&endpoints, &["auth", "enable"])?;
        Ok(())
    }
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
