//! A copy of a member, with everything in its log agreed on.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use types::HardState;
use wal::Wal;

use crate::place::{directory, member_dirs};

/// Copies the files of a member, and makes them durable.
pub(super) fn copy(from: &Path, to: &Path) -> Result<()> {
    tree(&from.join("member"), &to.join("member"))?;
    for path in [to, to.parent().unwrap_or(Path::new(""))] {
        directory(path)
            .sync_dir("")
            .with_context(|| format!("sync {}", path.display()))?;
    }
    Ok(())
}

fn tree(from: &Path, to: &Path) -> Result<()> {
    directory(to)
        .create_dir_all("")
        .with_context(|| format!("mkdir {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            tree(&entry.path(), &target)?;
            continue;
        }
        let failed = || format!("copy {}", entry.path().display());
        fs::copy(entry.path(), &target).with_context(failed)?;
        fs::File::open(&target)?.sync_all().with_context(failed)?;
    }
    directory(to)
        .sync_dir("")
        .with_context(|| format!("sync {}", to.display()))
}

/// Marks the whole log as agreed on; the last entry.
pub(super) fn agree(dir: &Path) -> Result<u64> {
    let dirs = member_dirs(dir, None);
    let opened = Wal::open(dirs.wal(), wal::Options::default());
    let (mut log, recovered) = opened.context("the copied log cannot be opened")?;
    let commit = log.last_index().max(recovered.snapshot.index);
    let state = HardState {
        commit: recovered.state.commit.max(commit),
        ..recovered.state
    };
    log.append(&[], Some(&state))
        .context("the copied log cannot be written")?;
    log.flush(true)
        .context("the copied log cannot be written")?;
    Ok(state.commit.0)
}
