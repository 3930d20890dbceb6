//! A log from nothing.

use std::sync::Arc;

use disk::{Dir, File};
use types::{Entry, HardState, Index, SnapshotMark};

use crate::codec::Metadata;
use crate::encoder::Encoder;
use crate::error::{Action, CreateError, Fault};
use crate::prepare::{TMP_NAMES, create};
use crate::scan::Segment;
use crate::segment::{self, SegmentName};
use crate::writer::{Options, Position, Wal};

impl Wal {
    /// Creates a log in the directory `name` below `parent`, with a snapshot mark at index 0.
    ///
    /// The directory may exist, even as a mount point, as long as it holds no segment. After a
    /// crash in here there is a whole log or none.
    ///
    /// # Errors
    /// [`CreateError`] when there is a log already, or the disk fails.
    pub fn create(
        parent: &dyn Dir,
        name: &str,
        options: Options,
        metadata: &Metadata,
    ) -> Result<Self, CreateError> {
        Self::create_with(parent, name, options, metadata, &[], &HardState::default())
    }

    /// Creates a log that begins with these entries and this state: what is found of it after a crash
    /// has them, or there is no log.
    ///
    /// # Errors
    /// As [`Wal::create`].
    pub fn create_with(
        parent: &dyn Dir,
        name: &str,
        options: Options,
        metadata: &Metadata,
        entries: &[Entry],
        state: &HardState,
    ) -> Result<Self, CreateError> {
        let dir = parent.sub(name);
        check_absent(&*dir)?;
        make_dir(parent, name, options)?;
        let file = create(&*dir, TMP_NAMES[0])?;
        // Another process may have finished its log before this one got hold of the name.
        check_absent(&*dir)?;
        let raw_metadata = metadata.encode();
        let mut encoder = Encoder::default();
        encoder.put_crc();
        encoder.put_metadata(&raw_metadata);
        encoder.put_snapshot(&SnapshotMark::default());
        for entry in entries {
            encoder.put_entry(entry);
        }
        if *state != HardState::default() {
            encoder.put_state(state);
        }
        let segment = make_first(&*dir, file, options, encoder.bytes())?;
        let end = encoder.bytes().len() as u64;
        encoder.clear();
        let position = Position::sparse(&options, end);
        Ok(Self::assemble(
            dir,
            options,
            raw_metadata,
            encoder,
            vec![segment],
            position,
            (entries.last().map_or(Index(0), |entry| entry.index), *state),
        ))
    }
}

fn check_absent(dir: &dyn Dir) -> Result<(), CreateError> {
    if segment::exists(dir)? {
        return Err(CreateError::Exists {
            dir: dir.describe(""),
        });
    }
    Ok(())
}

/// Makes the directory and its name durable, before there is anything in it to find.
fn make_dir(parent: &dyn Dir, name: &str, options: Options) -> Result<(), Fault> {
    parent
        .create_dir_all(name)
        .map_err(Fault::new(Action::Directory, parent.describe(name)))?;
    if options.sync {
        parent
            .sync_dir("")
            .map_err(Fault::new(Action::Sync, parent.describe("")))?;
    }
    Ok(())
}

/// Writes the head of the first segment and gives the segment its name.
fn make_first(
    dir: &dyn Dir,
    file: Arc<dyn File>,
    options: Options,
    head: &[u8],
) -> Result<Segment, Fault> {
    let name = SegmentName {
        sequence: 0,
        index: Index(0),
    };
    let path = dir.describe(&name.to_string());
    let tmp = TMP_NAMES[0];
    let fault = |action| Fault::new(action, dir.describe(tmp));
    if options.preallocate {
        file.set_len(options.segment_bytes)
            .map_err(fault(Action::Write))?;
    }
    file.write_all_at(head, 0).map_err(fault(Action::Write))?;
    if options.sync {
        file.sync_data().map_err(fault(Action::Sync))?;
    }
    dir.rename(tmp, &name.to_string())
        .map_err(Fault::new(Action::Rename, &path))?;
    if options.sync {
        dir.sync_dir("")
            .map_err(Fault::new(Action::Sync, dir.describe("")))?;
    }
    Ok(Segment { name, path, file })
}
