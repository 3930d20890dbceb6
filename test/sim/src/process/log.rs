//! The log part: one write and one sync for everything that waits; that it is done is told later.

use types::Index;
use wal::Progress;

use super::{LogInput, Process, RaftInput, Stop, fault};
use crate::bug::Bug;
use crate::queue::MS;
use crate::sim::{Part, Sim};

impl Process {
    /// Writes what waits, unless the last write is still under way.
    pub(super) fn turn_log(&mut self, sim: &mut Sim) -> Result<(), Stop> {
        if sim.now < self.log_busy_until {
            let rest = self.log_busy_until - sim.now;
            self.wake_in(rest, Part::Log, sim);
            return Ok(());
        }
        let mut group = std::mem::take(&mut self.log_in);
        if sim.has(Bug::AckBeforeSync) {
            // What was acknowledged last time is written now, and what waits now is acknowledged.
            group = std::mem::replace(&mut self.unwritten, group);
            let tickets = self.unwritten.iter().filter_map(ticket).max();
            if let Some(ticket) = tickets {
                self.tell_raft(RaftInput::Persisted(ticket), sim);
            }
            if !self.unwritten.is_empty() {
                self.wake_in(20 * MS, Part::Log, sim);
            }
        }
        let mut must_sync = false;
        let (mut newest, mut release, mut purge) = (None, None, None);
        for input in &group {
            match input {
                LogInput::Write(write) => {
                    let state = write.hard_state.as_ref();
                    if let Some(snapshot) = &write.snapshot {
                        self.wal.append_snapshot(&snapshot.mark).map_err(fault)?;
                        // The mark counts once a state commits it, which no entry may precede.
                        self.wal.append(&[], state).map_err(fault)?;
                    }
                    self.wal.append(&write.entries, state).map_err(fault)?;
                    must_sync |= write.must_sync;
                    newest = Some(write.ticket);
                }
                LogInput::Mark(mark) => {
                    self.wal.append_snapshot(mark).map_err(fault)?;
                    must_sync = true;
                    release = Some(mark.index);
                }
                LogInput::Purge(keep) => purge = Some(*keep),
            }
        }
        let flushed = self.wal.flush(must_sync).map_err(fault)?;
        let slot = self.slot;
        sim.trace
            .digest((sim.now, slot, flushed.bytes, flushed.synced));
        sim.line(|| {
            format!(
                "{slot} writes {} bytes, acknowledges {newest:?}",
                flushed.bytes
            )
        });
        let time = self.disk_time(sim);
        self.log_busy_until = sim.now + time;
        if let Some(ticket) = newest.filter(|_| !sim.has(Bug::AckBeforeSync)) {
            self.wake_in(time, Part::Persisted(ticket), sim);
        }
        self.tidy_up(release, purge)
    }

    fn tidy_up(&mut self, release: Option<Index>, purge: Option<usize>) -> Result<(), Stop> {
        if let Some(index) = release {
            self.wal.release(index);
        }
        if let Some(keep) = purge {
            wal::purge(&*self.wal_dir, keep).map_err(fault)?;
        }
        Ok(())
    }

    /// A step of filling the next segment ahead of time.
    pub(super) fn prepare(&mut self, sim: &mut Sim) -> Result<(), Stop> {
        let pause = match self.preparer.step().map_err(fault)? {
            Progress::Working => MS,
            Progress::Ready => 50 * MS,
        };
        let pause = sim.random.between(pause, 3 * pause);
        self.wake_in(pause, Part::Prepare, sim);
        Ok(())
    }
}

fn ticket(input: &LogInput) -> Option<::raft::Ticket> {
    match input {
        LogInput::Write(write) => Some(write.ticket),
        LogInput::Mark(_) | LogInput::Purge(_) => None,
    }
}
