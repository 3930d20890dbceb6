//! The two programs that are compared.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::options::{Kind, Options};

/// Where the programs are.
#[derive(Debug)]
pub(crate) struct Programs {
    ours: PathBuf,
    reference: Option<PathBuf>,
}

impl Programs {
    /// Finds ours and builds the reference, where it is wanted.
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
        let reference = match &options.reference {
            Some(path) => Some(path.clone()),
            None if options.needs_reference() => Some(build_reference(folder)?),
            None => None,
        };
        Ok(Self { ours, reference })
    }

    /// The program of a kind.
    pub(crate) fn of(&self, kind: Kind) -> Result<&Path> {
        match kind {
            Kind::Ours => Ok(&self.ours),
            Kind::Reference => self.reference.as_deref().context("no reference"),
        }
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
