//! An existing log, ready to be continued.

use std::sync::Arc;

use disk::Dir;

use crate::encoder::Encoder;
use crate::error::{Action, Fault, OpenError};
use crate::recovered::{Collected, Recovered, Repair, Start, collect};
use crate::repair::{clear_tail, cut_tail};
use crate::scan::{Segment, open_to_write};
use crate::segment;
use crate::writer::{Options, Position, Wal};

impl Wal {
    /// Opens the log in `dir` from its newest committed snapshot mark.
    ///
    /// A torn tail is cut off; everything that is returned is durable.
    ///
    /// # Errors
    /// [`OpenError`] when there is no log, another process has it, or it is damaged.
    pub fn open(dir: Arc<dyn Dir>, options: Options) -> Result<(Self, Recovered), OpenError> {
        Self::open_at(dir, options, Start::Newest)
    }

    /// As [`Wal::open`], from a mark that the caller chooses.
    ///
    /// # Errors
    /// As [`Wal::open`]; also when the mark is not in the log.
    pub fn open_at(
        dir: Arc<dyn Dir>,
        options: Options,
        start: Start,
    ) -> Result<(Self, Recovered), OpenError> {
        let mut segments = open_to_write(&*dir, &segment::list(&*dir)?)?;
        let mut collected = collect(&*dir, &segments, start)?;
        collected.recovered.repaired = repair(&*dir, &segments, &mut collected)?;
        let position = ready_tail(&*dir, &segments, &options, collected.end)?;
        // What is before the mark's segment is not needed: dropping it gives up its lock.
        segments.drain(..collected.first_segment);
        let wal = Self::assemble(
            dir,
            options,
            collected.raw_metadata,
            Encoder::new(collected.crc),
            segments,
            position,
            (collected.last_index, collected.recovered.state),
        );
        Ok((wal, collected.recovered))
    }
}

/// Cuts off the torn tail, if there is one.
fn repair(
    dir: &dyn Dir,
    segments: &[Segment],
    collected: &mut Collected,
) -> Result<Option<Repair>, Fault> {
    let (Some(tail), Some(damage)) = (segments.last(), collected.torn.take()) else {
        return Ok(None);
    };
    cut_tail(dir, tail, collected.end)?;
    Ok(Some(Repair {
        file: tail.path.clone(),
        offset: collected.end,
        damage,
    }))
}

/// Makes the last segment and its name durable, and all after its last record zeros.
fn ready_tail(
    dir: &dyn Dir,
    segments: &[Segment],
    options: &Options,
    end: u64,
) -> Result<Position, Fault> {
    let mut len = end;
    if let Some(tail) = segments.last() {
        len = clear_tail(tail, options, end)?;
    }
    if options.sync {
        dir.sync_dir("")
            .map_err(Fault::new(Action::Sync, dir.describe("")))?;
    }
    Ok(Position::at(end, len))
}
