//! Giving space back, a step at a time, between commits.

use std::ops::Range;
use std::sync::Arc;

use crate::error::StoreFault;
use crate::file::remove;
use crate::rewrite::Rewrite;
use crate::segment::Segment;
use crate::space::{BLOCK_OVERHEAD, SEGMENT_OVERHEAD, Space, Usage, Work};
use crate::store::Store;
use crate::view::View;

/// What a step of reclaiming did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reclaimed {
    /// By how much the files became smaller; 0 while a rewrite is under way.
    pub bytes_freed: u64,
    /// Whether there is more to do. Files that readers hold do not count: they are removed by a
    /// later call.
    pub more: bool,
}

impl Store {
    /// Does at most one step of about `budget_bytes` of reading and writing, if the files hold too
    /// much garbage; the caller paces the calls and repeats them while there is more.
    ///
    /// Sealing and the sync at the end of a rewrite are not split further. Readers are not held up.
    ///
    /// # Errors
    /// [`StoreFault`]: the store is stopped.
    pub fn reclaim(&mut self, budget_bytes: u64) -> Result<Reclaimed, StoreFault> {
        self.guard(|store| store.reclaim_step(budget_bytes))
    }

    /// Asks the following calls of [`Store::reclaim`] to treat any garbage as worth the work, until
    /// nothing is left to do.
    pub fn defragment(&mut self) {
        self.is_defragmenting = true;
    }

    fn reclaim_step(&mut self, budget: u64) -> Result<Reclaimed, StoreFault> {
        let before = self.sizes().total;
        if self.rewrite.is_none() {
            match self.choose() {
                Some(Work::Roll) => self.roll()?,
                Some(Work::Rewrite(run)) => self.begin_rewrite(run)?,
                None => self.is_defragmenting = false,
            }
        }
        self.continue_rewrite(budget)?;
        self.remove_doomed()?;
        self.refresh_sizes();
        Ok(Reclaimed {
            bytes_freed: before.saturating_sub(self.sizes().total),
            more: self.rewrite.is_some() || self.choose().is_some(),
        })
    }

    fn choose(&self) -> Option<Work> {
        let view = self.shared.view.load();
        let (_, sealed) = view.segments.split_last()?;
        let dirty = sealed.iter().position(|segment| segment.has_dead());
        let is_held_back = |n: usize| dirty.is_some_and(|dirty| dirty < n);
        let usages = sealed.iter().enumerate();
        let usages: Vec<Usage> = usages
            .map(|(n, segment)| usage(segment, is_held_back(n)))
            .collect();
        let space = Space {
            sealed: &usages,
            dirty,
            active: self.active_usage(dirty.is_some()),
            in_use: self.live_bytes(&view),
            segment_bytes: self.options.segment_bytes,
            is_defragmenting: self.is_defragmenting,
        };
        space.choose()
    }

    /// The active segment as if it were sealed; its base is not garbage but the buckets.
    fn active_usage(&self, is_held_back: bool) -> Usage {
        let segment = &self.active.segment;
        let len = self.active.sealed_len();
        let stuck = stuck(segment, is_held_back);
        let kept = segment.live_cost() + stuck;
        let needed = kept + self.shared.buckets.read().bytes() + overhead(segment);
        Usage {
            len,
            kept,
            stuck,
            garbage: len.saturating_sub(needed),
        }
    }

    fn begin_rewrite(&mut self, run: Range<usize>) -> Result<(), StoreFault> {
        let view = self.shared.view.load();
        let (older, rest) = view.segments.split_at(run.start);
        let drops_tombstones = !older.iter().any(|segment| segment.has_dead());
        let sources = rest[..run.len()].to_vec();
        self.generation += 1;
        let rewrite = Rewrite::begin(&*self.dir, sources, self.generation, drops_tombstones)?;
        self.rewrite = Some(rewrite);
        Ok(())
    }

    fn continue_rewrite(&mut self, budget: u64) -> Result<(), StoreFault> {
        let sync = self.options.sync;
        let Some(mut rewrite) = self.rewrite.take() else {
            return Ok(());
        };
        if !rewrite.step(budget, sync)? {
            self.rewrite = Some(rewrite);
            return Ok(());
        }
        let sources = rewrite.sources().to_vec();
        let segment = rewrite.finish(&*self.dir, sync)?;
        self.swap(sources, segment);
        Ok(())
    }

    /// Shows readers the rewritten segment in place of its sources.
    fn swap(&mut self, sources: Vec<Arc<Segment>>, segment: Arc<Segment>) {
        let view = self.shared.view.load_full();
        let is_first = |listed: &Arc<Segment>| listed.id.first == segment.id.first;
        let begin = view.segments.iter().position(is_first);
        let begin = begin.expect("only a rewrite takes segments out of the list");
        let mut segments = view.segments.clone();
        let replaced = segments.splice(begin..begin + sources.len(), [segment]);
        let is_same = replaced
            .zip(&sources)
            .all(|(old, source)| Arc::ptr_eq(&old, source));
        assert!(is_same, "the sources of a rewrite are neighbours");
        self.shared.view.store(Arc::new(View {
            segments,
            newest: view.newest,
        }));
        self.doomed.extend(sources);
    }

    /// Removes the files of replaced segments that no reader can reach any more.
    fn remove_doomed(&mut self) -> Result<(), StoreFault> {
        let doomed = std::mem::take(&mut self.doomed);
        for segment in doomed {
            // Nobody can get another reference: the segment is in no published view.
            if Arc::strong_count(&segment) == 1 {
                remove(&*self.dir, &segment.id.file_name())?;
            } else {
                self.doomed.push(segment);
            }
        }
        Ok(())
    }
}

/// What rewriting a sealed segment would save. One that was rewritten holds nothing but records;
/// one from commits also holds batch headers, bucket changes and its base.
fn usage(segment: &Segment, is_held_back: bool) -> Usage {
    let len = segment.len();
    let stuck = stuck(segment, is_held_back);
    let kept = segment.live_cost() + stuck;
    let garbage = if segment.id.is_log() {
        len.saturating_sub(kept + overhead(segment))
    } else {
        segment.dead_cost().saturating_sub(stuck)
    };
    Usage {
        len,
        kept,
        stuck,
        garbage,
    }
}

/// What the dead tombstones cost that would be copied along, because older segments have dead
/// records.
fn stuck(segment: &Segment, is_held_back: bool) -> u64 {
    if is_held_back {
        segment.dead_tombstone_cost()
    } else {
        0
    }
}

fn overhead(segment: &Segment) -> u64 {
    SEGMENT_OVERHEAD + BLOCK_OVERHEAD * segment.blocks() as u64
}
