//! The operating system's files.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::SeekFrom;
use rustix::io::Errno;

use crate::{Dir, File, LockKind, OpenMode, lock};

/// A write of this size leaves a piece of this size in the page cache.
const PAGE_BYTES: usize = 4096;
static ZEROS: [u8; PAGE_BYTES] = [0; PAGE_BYTES];
/// Whoever reads so much at once goes through a whole file, and gives others the processor in between.
const BULK_BYTES: usize = 128 << 10;

/// A directory of the file system; files are made with mode 0600, directories with 0700.
#[derive(Clone, Debug)]
pub struct RealDir {
    root: PathBuf,
}

impl RealDir {
    /// The directory at `path`, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { root: path.into() }
    }

    /// Where the directory is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// An empty path is the directory itself.
    fn resolve(&self, path: &str) -> PathBuf {
        if path.is_empty() {
            self.root.clone()
        } else {
            self.root.join(path)
        }
    }
}

impl Dir for RealDir {
    fn open(&self, path: &str, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut options = OpenOptions::new();
        options.read(true).mode(0o600);
        match mode {
            OpenMode::Read => &mut options,
            OpenMode::Write => options.write(true),
            OpenMode::CreateNew => options.write(true).create_new(true),
            OpenMode::Truncate => options.write(true).create(true).truncate(true),
        };
        let file = options.open(self.resolve(path))?;
        Ok(Arc::new(RealFile { file }))
    }

    fn create_dir_all(&self, path: &str) -> io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(self.resolve(path))
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.resolve(path))? {
            // A name that is not UTF-8 cannot be one of ours.
            names.extend(entry?.file_name().into_string().ok());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.resolve(from), self.resolve(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.resolve(path))
    }

    fn remove_dir(&self, path: &str) -> io::Result<()> {
        fs::remove_dir(self.resolve(path))
    }

    fn exists(&self, path: &str) -> io::Result<bool> {
        self.resolve(path).try_exists()
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        fs::File::open(self.resolve(path))?.sync_all()
    }

    fn sub(&self, path: &str) -> Arc<dyn Dir> {
        Arc::new(Self::new(self.resolve(path)))
    }

    fn describe(&self, path: &str) -> String {
        self.resolve(path).display().to_string()
    }
}

#[derive(Debug)]
struct RealFile {
    file: fs::File,
}

impl File for RealFile {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        if buf.len() >= BULK_BYTES {
            std::thread::yield_now();
        }
        self.file.read_exact_at(buf, offset)
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(buf, offset)
    }

    fn write_zeros_at(&self, len: usize, offset: u64) -> io::Result<()> {
        let end = offset + len as u64;
        let mut at = offset;
        while at < end {
            let next = (at / PAGE_BYTES as u64 + 1) * PAGE_BYTES as u64;
            let next = next.min(end);
            self.file.write_all_at(&ZEROS[..(next - at) as usize], at)?;
            at = next;
            // Nobody waits for zeros, but others may for the processor.
            std::thread::yield_now();
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<u64>> {
        // Nobody reads or writes where the file stands, so that it may be moved.
        match rustix::fs::seek(&self.file, SeekFrom::Data(offset)) {
            Ok(found) => Ok(Some(found.max(offset))),
            Err(Errno::NXIO) => Ok(None),
            // A file system that knows no holes.
            Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(Some(offset)),
            Err(errno) => Err(errno.into()),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn try_lock(&self, kind: LockKind) -> io::Result<()> {
        lock::try_lock(&self.file, kind)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::MemDir;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    /// Others on the machine must not read the data.
    #[test]
    fn modes_are_private() {
        let temp = tempfile::tempdir().unwrap();
        let dir = RealDir::new(temp.path());
        dir.create_dir_all("member/wal").unwrap();
        dir.open("member/f", OpenMode::CreateNew).unwrap();
        assert_eq!(mode(&temp.path().join("member/wal")), 0o700);
        assert_eq!(mode(&temp.path().join("member/f")), 0o600);
    }

    /// Whatever the file system says of holes: what was written is in none, be it on the disk or not yet.
    #[test]
    fn holes_hide_nothing() {
        const AT: u64 = 3 << 20;
        let temp = tempfile::tempdir().unwrap();
        let dir = RealDir::new(temp.path());
        let file = dir.open("f", OpenMode::CreateNew).unwrap();
        file.set_len(8 << 20).unwrap();
        file.write_all_at(b"x", AT).unwrap();
        for _ in 0..2 {
            let first = file.next_data(0).unwrap();
            assert!(first.is_some_and(|first| first <= AT), "{first:?}");
            assert_eq!(file.next_data(AT).unwrap(), Some(AT));
            let rest = file.next_data(AT + (1 << 20)).unwrap();
            assert!(rest.is_none_or(|rest| rest > AT), "{rest:?}");
            file.sync_data().unwrap();
        }
        assert_eq!(file.next_data(8 << 20).unwrap_or(None), None);
    }

    /// The simulator proves nothing unless both implementations agree.
    #[test]
    fn both_implementations_agree() {
        let temp = tempfile::tempdir().unwrap();
        let real = check_dir(&RealDir::new(temp.path()));
        assert_eq!(real, check_dir(&MemDir::new()));
    }

    /// Runs one script and writes down what each step answered.
    fn check_dir(dir: &dyn Dir) -> Vec<String> {
        let kind = |outcome: io::Result<()>| format!("{:?}", outcome.map_err(|e| e.kind()));
        let open = |path, mode| dir.open(path, mode).map(drop);
        let mut answers = vec![
            kind(dir.create_dir_all("a/b")),
            kind(dir.create_dir_all("a/b")),
            kind(open("a/x", OpenMode::Read)),
            kind(open("a/x", OpenMode::CreateNew)),
            kind(open("a/x", OpenMode::CreateNew)),
            kind(open("none/x", OpenMode::Truncate)),
            kind(dir.rename("a/x", "a/y")),
            kind(dir.rename("a/x", "a/y")),
            kind(dir.rename("a/b", "a/c")),
            kind(dir.remove_dir("a")),
            kind(dir.remove_dir("a/y")),
            kind(dir.remove_dir("a/none")),
            kind(dir.create_dir_all("a/d")),
            kind(dir.remove_dir("a/d")),
            kind(dir.sync_dir("a")),
            kind(dir.sync_dir("")),
            kind(dir.sub("a").remove("z")),
            format!("{:?}", dir.list("a")),
            format!("{:?}", dir.sub("a").exists("y")),
            format!("{:?}", dir.exists("y")),
        ];
        let file = dir.open("a/y", OpenMode::Write).unwrap();
        let other = dir.open("a/y", OpenMode::Write).unwrap();
        let mut buf = [7; 6];
        answers.extend([
            kind(file.write_zeros_at(9000, 5000)),
            kind(file.write_zeros_at(0, 20_000)),
            format!("{:?}", file.len()),
            kind(file.write_all_at(b"abc", 3)),
            kind(file.set_len(8)),
            kind(file.sync_data()),
            kind(other.read_exact_at(&mut buf, 1)),
            format!("{buf:?} {:?}", other.len()),
            kind(other.read_exact_at(&mut buf, 3)),
            kind(file.try_lock(LockKind::Ofd)),
            kind(file.try_lock(LockKind::Flock)),
            kind(other.try_lock(LockKind::Ofd)),
            kind(other.try_lock(LockKind::Flock)),
        ]);
        drop(file);
        answers.push(kind(other.try_lock(LockKind::Ofd)));
        answers.push(kind(other.try_lock(LockKind::Flock)));
        answers.push(kind(
            dir.open("a/y", OpenMode::Read)
                .and_then(|f| f.write_all_at(b"x", 0))
                .or(Err(io::ErrorKind::PermissionDenied.into())),
        ));
        answers.push(kind(dir.remove("a/y")));
        answers
    }
}
