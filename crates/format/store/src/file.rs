//! A segment's file: reads and writes whose faults name file and offset.

use std::sync::Arc;

use disk::{Dir, File, OpenMode};

use crate::cursor::Damage;
use crate::error::StoreFault;

/// An open file of the store and the name to use in messages.
#[derive(Clone, Debug)]
pub(crate) struct SegmentFile {
    file: Arc<dyn File>,
    shown: Arc<str>,
}

impl SegmentFile {
    pub(crate) fn open(dir: &dyn Dir, name: &str, mode: OpenMode) -> Result<Self, StoreFault> {
        let shown = dir.describe(name);
        match dir.open(name, mode) {
            Ok(file) => Ok(Self {
                file,
                shown: shown.into(),
            }),
            Err(source) => Err(StoreFault::Name {
                action: "open",
                file: shown,
                source,
            }),
        }
    }

    /// The same file under another name.
    pub(crate) fn renamed(self, dir: &dyn Dir, name: &str) -> Self {
        Self {
            file: self.file,
            shown: dir.describe(name).into(),
        }
    }

    pub(crate) fn read(&self, buf: &mut [u8], offset: u64) -> Result<(), StoreFault> {
        self.file
            .read_exact_at(buf, offset)
            .map_err(|source| StoreFault::Read {
                file: self.shown.to_string(),
                offset,
                source,
            })
    }

    pub(crate) fn len(&self) -> Result<u64, StoreFault> {
        self.file.len().map_err(|source| StoreFault::Read {
            file: self.shown.to_string(),
            offset: 0,
            source,
        })
    }

    pub(crate) fn write(&self, buf: &[u8], offset: u64) -> Result<(), StoreFault> {
        self.file
            .write_all_at(buf, offset)
            .map_err(|source| self.write_fault(offset, source))
    }

    pub(crate) fn cut(&self, len: u64) -> Result<(), StoreFault> {
        self.file
            .set_len(len)
            .map_err(|source| self.write_fault(len, source))
    }

    /// Makes everything durable; `offset` is where the un-synced bytes begin.
    pub(crate) fn sync(&self, offset: u64) -> Result<(), StoreFault> {
        self.file
            .sync_data()
            .map_err(|source| self.write_fault(offset, source))
    }

    fn write_fault(&self, offset: u64, source: std::io::Error) -> StoreFault {
        StoreFault::Write {
            file: self.shown.to_string(),
            offset,
            source,
        }
    }

    /// Damage in bytes that were read at `offset`.
    pub(crate) fn damaged(&self, offset: u64, damage: Damage) -> StoreFault {
        StoreFault::Damaged {
            file: self.shown.to_string(),
            offset: offset + damage.at as u64,
            what: damage.what,
        }
    }

    pub(crate) fn shown(&self) -> String {
        self.shown.to_string()
    }
}

/// A change of names in the store's directory, with the name in the fault.
pub(crate) fn rename(dir: &dyn Dir, from: &str, to: &str) -> Result<(), StoreFault> {
    dir.rename(from, to)
        .map_err(|source| name_fault(dir, "rename", from, source))
}

/// Removes a file of the store.
pub(crate) fn remove(dir: &dyn Dir, name: &str) -> Result<(), StoreFault> {
    dir.remove(name)
        .map_err(|source| name_fault(dir, "remove", name, source))
}

/// Makes the names in the store's directory durable.
pub(crate) fn sync_names(dir: &dyn Dir) -> Result<(), StoreFault> {
    dir.sync_dir("")
        .map_err(|source| name_fault(dir, "sync the directory", "", source))
}

pub(crate) fn name_fault(
    dir: &dyn Dir,
    action: &'static str,
    name: &str,
    source: std::io::Error,
) -> StoreFault {
    StoreFault::Name {
        action,
        file: dir.describe(name),
        source,
    }
}
