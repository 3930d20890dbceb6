//! The tail of the last segment before the log goes on: torn bytes off, zeros behind.

use disk::{Dir, OpenMode};

use crate::error::{Action, Fault};
use crate::frame::is_zero;
use crate::scan::Segment;
use crate::writer::Options;

/// How much is copied or looked at at once.
const CHUNK_BYTES: u64 = 1 << 20;

/// Copies the segment as it is to `<name>.broken`, then cuts it at `end`, durably.
///
/// Always synced, whatever the options: it happens once, and the copy is evidence.
pub(crate) fn cut_tail(dir: &dyn Dir, segment: &Segment, end: u64) -> Result<(), Fault> {
    keep_copy(dir, segment)?;
    segment
        .file
        .set_len(end)
        .map_err(Fault::new(Action::Write, &segment.path))?;
    segment
        .file
        .sync_data()
        .map_err(Fault::new(Action::Sync, &segment.path))
}

fn keep_copy(dir: &dyn Dir, segment: &Segment) -> Result<(), Fault> {
    let name = format!("{}.broken", segment.name);
    let fault = |action| Fault::new(action, dir.describe(&name));
    let copy = dir
        .open(&name, OpenMode::Truncate)
        .map_err(fault(Action::Open))?;
    let len = for_each_chunk(segment, 0, |offset, chunk| {
        // Zeros stay a hole in the copy.
        if is_zero(chunk) {
            return Ok(());
        }
        copy.write_all_at(chunk, offset)
            .map_err(fault(Action::Write))
    })?;
    copy.set_len(len).map_err(fault(Action::Write))?;
    copy.sync_data().map_err(fault(Action::Sync))?;
    dir.sync_dir("")
        .map_err(Fault::new(Action::Sync, dir.describe("")))
}

/// Makes all after `end` zeros up to the segment's full size; returns the length of the file.
///
/// Blocks that hold zeros already are left alone, so that a prepared segment stays allocated. The
/// segment is synced in any case: what was read from it counts as durable from here on, though a
/// process that died may not have synced it.
pub(crate) fn clear_tail(segment: &Segment, options: &Options, end: u64) -> Result<u64, Fault> {
    let write = || Fault::new(Action::Write, &segment.path);
    let mut len = for_each_chunk(segment, end, |offset, chunk| {
        if is_zero(chunk) {
            return Ok(());
        }
        segment
            .file
            .write_all_at(&vec![0; chunk.len()], offset)
            .map_err(write())
    })?;
    if options.preallocate && len < options.segment_bytes {
        len = options.segment_bytes;
        segment.file.set_len(len).map_err(write())?;
    }
    if options.sync {
        segment
            .file
            .sync_data()
            .map_err(Fault::new(Action::Sync, &segment.path))?;
    }
    Ok(len)
}

/// Shows the bytes of a segment from `offset` to its end, which is returned, but for holes.
fn for_each_chunk(
    segment: &Segment,
    mut offset: u64,
    mut visit: impl FnMut(u64, &[u8]) -> Result<(), Fault>,
) -> Result<u64, Fault> {
    let read = || Fault::new(Action::Read, &segment.path);
    let len = segment.file.len().map_err(read())?;
    let mut chunk = Vec::new();
    while offset < len {
        match segment.file.next_data(offset).map_err(read())? {
            Some(next) if next < len => offset = next,
            _ => break,
        }
        chunk.resize((len - offset).min(CHUNK_BYTES) as usize, 0);
        segment
            .file
            .read_exact_at(&mut chunk, offset)
            .map_err(read())?;
        visit(offset, &chunk)?;
        offset += chunk.len() as u64;
    }
    Ok(len)
}
