//! A small disk of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::tool;

/// A file system in memory, of a size of its own; unmounted when dropped.
#[derive(Debug)]
pub struct Tmpfs(PathBuf);

impl Tmpfs {
    /// Mounts one on a folder; `size` is as `mount` takes it.
    ///
    /// # Errors
    /// When this process may not.
    pub fn mount(path: &Path, size: &str) -> Result<Self> {
        let text = path.to_str().context("the folder's path")?;
        let size = format!("size={size}");
        tool::run(
            Path::new("/"),
            "mount",
            &["-t", "tmpfs", "-o", &size, "tmpfs", text],
        )
        .context("this test mounts a file system, which needs root or user namespaces")?;
        Ok(Self(path.to_path_buf()))
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazily: a failed test may still have a member on it.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
