//! What is left of a simulated disk when the power comes back.

use super::content::SECTOR;
use super::tree::{FileNode, Folder, Names};

/// What a crash does with all that was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Nothing un-synced survives.
    LoseAll,
    /// Everything survives, as after the end of the process alone.
    KeepAll,
    /// For every file and directory the seed decides anew: all, nothing, a beginning, or any
    /// selection of the changed sectors and names.
    Seeded(u64),
}

/// Decides for one file or directory after the other.
#[derive(Debug)]
pub(crate) struct Fate {
    crash: Crash,
    state: u64,
}

/// What becomes of the un-synced changes of one file or directory, in order.
#[derive(Clone, Copy, Debug)]
enum Keep {
    Nothing,
    All,
    First(u64),
    Any,
}

impl Fate {
    pub(crate) fn new(crash: Crash) -> Self {
        let state = match crash {
            Crash::Seeded(seed) => seed,
            Crash::LoseAll | Crash::KeepAll => 0,
        };
        Self { crash, state }
    }

    /// SplitMix64: small, and the same on every machine.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn keep(&mut self, changes: usize) -> Keep {
        match self.crash {
            Crash::LoseAll => Keep::Nothing,
            Crash::KeepAll => Keep::All,
            Crash::Seeded(_) => match self.next() % 4 {
                0 => Keep::Nothing,
                1 => Keep::All,
                2 => Keep::First(self.next() % (changes as u64 + 1)),
                _ => Keep::Any,
            },
        }
    }

    fn survives(&mut self, keep: Keep, position: usize) -> bool {
        match keep {
            Keep::Nothing => false,
            Keep::All => true,
            Keep::First(count) => (position as u64) < count,
            Keep::Any => self.next().is_multiple_of(2),
        }
    }

    /// The file as found after the crash.
    pub(crate) fn file(&mut self, file: &FileNode) -> FileNode {
        let keep = self.keep(file.dirty.len());
        let mut content = file.durable.clone();
        let mut end = 0;
        for (position, sector) in file.dirty.iter().enumerate() {
            if self.survives(keep, position) {
                content.put(&file.visible.sector(*sector), sector * SECTOR);
                end = (sector + 1) * SECTOR;
            }
        }
        let len = self.len(keep, file, end);
        // Cutting must also drop what was put past the end.
        content.set_len(u64::MAX);
        content.set_len(len);
        FileNode::durable(content)
    }

    /// The length is metadata of its own: a kept sector may be cut off again, or a grown file may
    /// hold zeros where its data is missing.
    fn len(&mut self, keep: Keep, file: &FileNode, end: u64) -> u64 {
        let (old, new) = (file.durable.len(), file.visible.len());
        match keep {
            Keep::Nothing => old,
            Keep::All => new,
            _ if old == new => old,
            Keep::First(_) if new > old => end.clamp(old, new),
            Keep::First(_) | Keep::Any => [old, new][(self.next() % 2) as usize],
        }
    }

    /// The names as found after the crash.
    pub(crate) fn folder(&mut self, folder: &Folder) -> Folder {
        let keep = self.keep(folder.pending.len());
        let mut names: Names = folder.durable.clone();
        for (position, step) in folder.pending.iter().enumerate() {
            if self.survives(keep, position) {
                for (name, node) in step {
                    match node {
                        Some(node) => names.insert(name.clone(), *node),
                        None => names.remove(name),
                    };
                }
            }
        }
        Folder {
            visible: names.clone(),
            durable: names,
            pending: Vec::new(),
        }
    }
}
