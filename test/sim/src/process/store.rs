//! The store part: writes what was applied to the files, and gives space back.

use super::{Process, Stop, fault};
use crate::queue::MS;
use crate::sim::{Part, Sim};

/// Bytes that one step of reclaiming copies: little, so that much happens in between.
const RECLAIM_STEP_BYTES: u64 = 2048;

impl Process {
    /// Writes one batch; that it is written is told later.
    pub(super) fn turn_store(&mut self, sim: &mut Sim) -> Result<(), Stop> {
        let Some(pending) = self.store_in.pop_front() else {
            return Ok(());
        };
        let (index, term) = (pending.batch().consistent_index, pending.batch().term);
        let has_garbage = !pending.dead().is_empty();
        pending.write(&mut self.store).map_err(fault)?;
        let slot = self.slot;
        sim.line(|| format!("{slot} stores up to {index}"));
        sim.trace
            .digest((sim.now, slot, index.0, self.store.sizes().total));
        let time = self.disk_time(sim);
        self.wake_in(time, Part::Stored(index, term), sim);
        if has_garbage || sim.random.percent(2) {
            self.wake_in(time + MS, Part::Reclaim, sim);
        }
        if !self.store_in.is_empty() {
            self.wake_in(time, Part::Store, sim);
        }
        Ok(())
    }

    /// One step of giving space back.
    pub(super) fn reclaim(&mut self, sim: &mut Sim) -> Result<(), Stop> {
        if sim.random.percent(3) {
            self.store.defragment();
        }
        let reclaimed = self.store.reclaim(RECLAIM_STEP_BYTES).map_err(fault)?;
        if reclaimed.more {
            self.wake_in(2 * MS, Part::Reclaim, sim);
        }
        Ok(())
    }
}
