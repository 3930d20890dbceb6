//! Files of a simulated disk with given contents.

use std::sync::Arc;

use disk::{Dir, File, MemDir, OpenMode};

/// Writes a file; a simulated disk without faults does not fail.
pub(crate) fn write(dir: &dyn Dir, path: &str, bytes: &[u8]) -> Arc<dyn File> {
    let file = dir.open(path, OpenMode::Truncate).expect("a new file");
    file.write_all_at(bytes, 0).expect("a write");
    file
}

/// The contents of a file.
pub(crate) fn read(dir: &dyn Dir, path: &str) -> Vec<u8> {
    let file = dir.open(path, OpenMode::Read).expect("a file");
    let mut bytes = vec![0; file.len().expect("a length") as usize];
    file.read_exact_at(&mut bytes, 0).expect("a read");
    bytes
}

/// A disk with one file.
pub(crate) fn disk_with(path: &str, bytes: &[u8]) -> Arc<MemDir> {
    let dir = Arc::new(MemDir::new());
    write(&*dir, path, bytes);
    dir
}
