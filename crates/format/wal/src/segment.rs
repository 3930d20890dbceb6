//! The names of segments: `<sequence>-<first index>.wal`, each 16 lower-case hex digits.

use std::fmt;
use std::io;

use disk::Dir;
use types::Index;

use crate::error::{Action, Fault, OpenError};

/// What a segment's name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SegmentName {
    /// Its place among the segments; starts at 0 and grows by 1.
    pub sequence: u64,
    /// The lowest index that an entry in it was expected to have when it was made.
    pub index: Index,
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:016x}.wal", self.sequence, self.index.0)
    }
}

impl SegmentName {
    /// Reads a file name; anything that would not be written exactly so is none.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (sequence, index) = name.strip_suffix(".wal")?.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        let parsed = Self {
            sequence: number(sequence)?,
            index: Index(number(index)?),
        };
        (parsed.to_string() == name).then_some(parsed)
    }
}

/// Whether the directory holds a log, which alone decides between restart and bootstrap.
///
/// # Errors
/// [`Fault`] when the directory cannot be listed; a missing one holds no log.
pub fn exists(dir: &dyn Dir) -> Result<bool, Fault> {
    match dir.list("") {
        Ok(names) => Ok(names.iter().any(|name| name.ends_with(".wal"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Fault::new(Action::Directory, dir.describe(""))(error)),
    }
}

/// The segments of a directory in order of their sequence, without a gap.
pub(crate) fn list(dir: &dyn Dir) -> Result<Vec<SegmentName>, OpenError> {
    let missing = || OpenError::NotFound {
        dir: dir.describe(""),
    };
    let names = match dir.list("") {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing()),
        Err(error) => return Err(Fault::new(Action::Directory, dir.describe(""))(error).into()),
    };
    // Names sort as their numbers do.
    let segments: Vec<_> = names.iter().filter_map(|n| SegmentName::parse(n)).collect();
    for pair in segments.windows(2) {
        let sequence = pair[0].sequence.wrapping_add(1);
        if pair[1].sequence != sequence {
            return Err(OpenError::MissingSegment {
                dir: dir.describe(""),
                sequence,
            });
        }
    }
    if segments.is_empty() {
        return Err(missing());
    }
    Ok(segments)
}

/// The position of the segment from which a reader of the log after `index` starts.
pub(crate) fn position_for(segments: &[SegmentName], index: Index) -> Option<usize> {
    segments.iter().rposition(|segment| segment.index <= index)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name read wrong would take a foreign file for the log, or leave a segment out.
    #[test]
    fn names() {
        let name = SegmentName {
            sequence: 1,
            index: Index(0x4d2),
        };
        let text = "0000000000000001-00000000000004d2.wal";
        assert_eq!(name.to_string(), text);
        assert_eq!(SegmentName::parse(text), Some(name));
        for other in [
            "0.tmp",
            "0000000000000001-00000000000004D2.wal",
            "0000000000000001-00000000000004d2.wal.broken",
            "1-4d2.wal",
            "+000000000000001-00000000000004d2.wal",
            "00000000000000001-00000000000004d2.wal",
        ] {
            assert_eq!(SegmentName::parse(other), None);
        }
    }

    /// Starting too late loses entries.
    #[test]
    fn start_segment() {
        let at = |index| SegmentName {
            sequence: 0,
            index: Index(index),
        };
        let segments = [at(10), at(20), at(15), at(30)];
        assert_eq!(position_for(&segments, Index(9)), None);
        assert_eq!(position_for(&segments, Index(10)), Some(0));
        assert_eq!(position_for(&segments, Index(29)), Some(2));
        assert_eq!(position_for(&segments, Index(30)), Some(3));
    }
}
