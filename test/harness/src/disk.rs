//! Small disks of their own.

use std::fs::File;
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

/// The file system of an image, which can stand still; goes on and is unmounted when dropped.
#[derive(Debug)]
pub struct Loop(PathBuf);

/// Where the tools of file systems are, also for who has no such path.
const FSFREEZE: &str = "/usr/sbin/fsfreeze";
const MKFS: &str = "/usr/sbin/mkfs.ext4";

impl Loop {
    /// Makes an image beside a folder and mounts it there.
    ///
    /// # Errors
    /// When this process may not, or has no loop devices.
    pub fn mount(path: &Path) -> Result<Self> {
        let image = path.with_extension("image");
        File::create(&image)?.set_len(400 << 20)?;
        let (text, image) = (path.to_str(), image.to_str());
        let (text, image) = (text.context("a path")?, image.context("a path")?);
        let root = Path::new("/");
        tool::run(root, MKFS, &["-q", image])?;
        tool::run(root, "mount", &["-o", "loop", image, text])
            .context("this test mounts an image, which needs root and loop devices")?;
        // What came with it is in nobody's way but a member's, who wants an empty folder.
        std::fs::remove_dir(path.join("lost+found"))?;
        Ok(Self(path.to_path_buf()))
    }

    /// From now on no write is finished.
    ///
    /// # Errors
    /// When this process may not.
    pub fn freeze(&self) -> Result<()> {
        self.set("--freeze")
    }

    /// Everything goes on.
    ///
    /// # Errors
    /// When it does not stand still.
    pub fn thaw(&self) -> Result<()> {
        self.set("--unfreeze")
    }

    fn set(&self, state: &str) -> Result<()> {
        let path = self.0.to_str().context("the folder's path")?;
        tool::run(Path::new("/"), FSFREEZE, &[state, path]).map(drop)
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        // It may go on already.
        let _ = self.thaw();
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
