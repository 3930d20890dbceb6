//! The next segment, filled with zeros before it is needed.
//!
//! A thread of the server owns the [`Preparer`] and lets it work in small steps; the log thread
//! takes a finished file and never waits for one: if none is ready it makes a sparse file itself.
//! The two never use the same of the two temporary names at the same time; the nursery's lock guards
//! only who has which name, and no disk operation happens under it.

use std::io;
use std::sync::Arc;

use disk::{Dir, File, LockKind, OpenMode};
use parking_lot::Mutex;

use crate::error::{Action, Fault};
use crate::writer::Options;

pub(crate) const TMP_NAMES: [&str; 2] = ["0.tmp", "1.tmp"];

/// The zeros written and synced at once: small enough not to hold up the log's own syncs.
const STEP_BYTES: u64 = 1 << 20;

/// A file that can become the next segment.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) file: Arc<dyn File>,
    pub(crate) tmp: &'static str,
    /// How far the file holds written zeros; past that it is sparse.
    pub(crate) zeroed: u64,
}

/// Who uses which temporary name.
#[derive(Debug, Default)]
struct Names {
    /// Being filled, or filled and ready.
    preparing: Option<&'static str>,
    ready: Option<Fresh>,
    /// Taken by the log and not yet renamed.
    taken: Option<&'static str>,
}

/// Shared by the log and its preparer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nursery {
    names: Arc<Mutex<Names>>,
}

impl Nursery {
    /// Takes the prepared file, or makes a sparse one.
    pub(crate) fn take(&self, dir: &dyn Dir, options: &Options) -> Result<Fresh, Fault> {
        let tmp = {
            let mut names = self.names.lock();
            if let Some(fresh) = names.ready.take() {
                names.preparing = None;
                names.taken = Some(fresh.tmp);
                return Ok(fresh);
            }
            let tmp = other_than(names.preparing);
            names.taken = Some(tmp);
            tmp
        };
        let file = create(dir, tmp)?;
        if options.preallocate {
            file.set_len(options.segment_bytes)
                .map_err(Fault::new(Action::Write, dir.describe(tmp)))?;
        }
        Ok(Fresh {
            file,
            tmp,
            zeroed: 0,
        })
    }

    /// The taken file has its final name.
    pub(crate) fn named(&self) {
        self.names.lock().taken = None;
    }

    /// A name to prepare under, unless one is in preparation.
    fn begin(&self) -> Option<&'static str> {
        let mut names = self.names.lock();
        if names.preparing.is_some() {
            return None;
        }
        let tmp = other_than(names.taken);
        names.preparing = Some(tmp);
        Some(tmp)
    }

    fn finish(&self, fresh: Fresh) {
        self.names.lock().ready = Some(fresh);
    }

    fn abandon(&self) {
        self.names.lock().preparing = None;
    }
}

fn other_than(name: Option<&str>) -> &'static str {
    TMP_NAMES[usize::from(name == Some(TMP_NAMES[0]))]
}

/// Makes an empty locked file; one that is left from a crash is emptied once it is locked, so that
/// no living process loses a file of that name.
pub(crate) fn create(dir: &dyn Dir, tmp: &str) -> Result<Arc<dyn File>, Fault> {
    let open = || {
        let file = match dir.open(tmp, OpenMode::CreateNew) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                dir.open(tmp, OpenMode::Write)?
            }
            other => other?,
        };
        file.try_lock(LockKind::Ofd)?;
        if file.len()? > 0 {
            file.set_len(0)?;
        }
        Ok(file)
    };
    open().map_err(Fault::new(Action::Open, dir.describe(tmp)))
}

/// What a step of the preparer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more to fill.
    Working,
    /// A segment is ready and waits to be taken.
    Ready,
}

/// Prepares the next segment of a log; runs on a thread of its own.
#[derive(Debug)]
pub struct Preparer {
    dir: Arc<dyn Dir>,
    options: Options,
    nursery: Nursery,
    current: Option<Fresh>,
}

impl Preparer {
    pub(crate) fn new(dir: Arc<dyn Dir>, options: Options, nursery: Nursery) -> Self {
        Self {
            dir,
            options,
            nursery,
            current: None,
        }
    }

    /// Writes and syncs the next MiB of zeros. The caller paces the steps.
    ///
    /// # Errors
    /// [`Fault`] when the disk fails, for instance because it is full. The log itself is not
    /// harmed: a later call begins anew, and without a prepared segment the log makes its own.
    pub fn step(&mut self) -> Result<Progress, Fault> {
        let mut fresh = match self.current.take() {
            Some(fresh) => fresh,
            None => match self.nursery.begin() {
                None => return Ok(Progress::Ready),
                Some(tmp) => self.or_abandon(create(&*self.dir, tmp).map(|file| Fresh {
                    file,
                    tmp,
                    zeroed: 0,
                }))?,
            },
        };
        if self.options.preallocate && fresh.zeroed < self.options.segment_bytes {
            fresh.zeroed += self.or_abandon(self.fill(&fresh))?;
            self.current = Some(fresh);
            return Ok(Progress::Working);
        }
        self.nursery.finish(fresh);
        Ok(Progress::Ready)
    }

    /// Makes the next segment ready if it is not: all steps at once.
    ///
    /// # Errors
    /// As [`Preparer::step`].
    pub fn prepare(&mut self) -> Result<(), Fault> {
        while self.step()? == Progress::Working {}
        Ok(())
    }

    /// Gives the name back when a step fails.
    fn or_abandon<T>(&self, outcome: Result<T, Fault>) -> Result<T, Fault> {
        outcome.inspect_err(|_| self.nursery.abandon())
    }

    /// Writes the next zeros; returns how many.
    fn fill(&self, fresh: &Fresh) -> Result<u64, Fault> {
        let len = STEP_BYTES.min(self.options.segment_bytes - fresh.zeroed);
        let fault = |action| Fault::new(action, self.dir.describe(fresh.tmp));
        fresh
            .file
            .write_zeros_at(len as usize, fresh.zeroed)
            .map_err(fault(Action::Write))?;
        if self.options.sync {
            fresh.file.sync_data().map_err(fault(Action::Sync))?;
        }
        Ok(len)
    }
}

impl Drop for Preparer {
    /// A half-filled file is nobody's: its name is free again.
    fn drop(&mut self) {
        if self.current.take().is_some() {
            self.nursery.abandon();
        }
    }
}
