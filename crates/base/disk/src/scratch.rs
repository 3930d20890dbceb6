//! Files of a moment: made, read and gone.

use std::io;
use std::sync::Arc;

use crate::{Dir, File, LockKind, OpenMode};

/// A new file in `dir` whose name is gone at once: whatever happens, nothing of it is left behind.
///
/// Syncs of it do nothing. Nobody could read after a crash what they make durable, and a large sync
/// holds up everybody else's: the log's, above all.
///
/// # Errors
/// As [`Dir`] has them.
pub fn scratch(dir: &dyn Dir, name: &str) -> io::Result<Arc<dyn File>> {
    dir.create_dir_all("")?;
    let file = dir.open(name, OpenMode::Truncate)?;
    dir.remove(name)?;
    Ok(Arc::new(Scratch(file)))
}

#[derive(Debug)]
struct Scratch(Arc<dyn File>);

impl File for Scratch {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buf, offset)
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(buf, offset)
    }

    fn write_zeros_at(&self, len: usize, offset: u64) -> io::Result<()> {
        self.0.write_zeros_at(len, offset)
    }

    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn try_lock(&self, kind: LockKind) -> io::Result<()> {
        self.0.try_lock(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemDir;

    /// A name that stays would fill the disk with what crashes leave; a sync would hold up the log.
    #[test]
    fn nothing_is_left_and_nothing_synced() {
        let dir = MemDir::new();
        let before = dir.counts().syncs;
        let file = scratch(&*dir.sub("tmp"), "a").unwrap();
        file.write_all_at(b"moment", 0).unwrap();
        file.sync_data().unwrap();
        let mut read = [0; 6];
        file.read_exact_at(&mut read, 0).unwrap();
        assert_eq!(&read, b"moment");
        assert_eq!(dir.sub("tmp").list("").unwrap(), Vec::<String>::new());
        assert_eq!(dir.counts().syncs, before);
    }
}
