//! The local time zone: TZif files (RFC 9636), and the rule for the years after their last change.

use std::fs;

use super::clock::{self, Civil};

mod rule;

use self::rule::Rule;

/// Where zones are kept.
const ZONES: [&str; 3] = [
    "/usr/share/zoneinfo",
    "/usr/share/lib/zoneinfo",
    "/etc/zoneinfo",
];
/// No zone file is larger; a larger file is something else.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Offsets from UTC over time.
#[derive(Debug, Default)]
pub(super) struct Zone {
    /// Since when which offset holds, in seconds.
    changes: Vec<(i64, i64)>,
    /// What holds before the first change.
    first: i64,
    /// What holds after the last change.
    rule: Option<Rule>,
}

impl Zone {
    /// The zone that `TZ` names or the machine has; UTC if there is none.
    pub(super) fn local() -> Self {
        let data = match std::env::var("TZ") {
            Err(_) => read("/etc/localtime"),
            Ok(name) => named(name.strip_prefix(':').unwrap_or(&name)),
        };
        data.and_then(|data| Self::parse(&data)).unwrap_or_default()
    }

    /// The moment as log lines have it: `2006-01-02T15:04:05.000000Z` or with `+0200` at the end.
    pub(super) fn stamp(&self, since_epoch: std::time::Duration) -> String {
        let (offset, at) = self.civil(since_epoch);
        let micros = since_epoch.subsec_micros();
        let Civil {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = at;
        let moment =
            format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}");
        match offset {
            0 => format!("{moment}Z"),
            _ => {
                let sign = if offset < 0 { '-' } else { '+' };
                let minutes = offset.abs() / 60;
                format!("{moment}{sign}{:02}{:02}", minutes / 60, minutes % 60)
            }
        }
    }

    /// Offset, date and time of a moment.
    pub(super) fn civil(&self, since_epoch: std::time::Duration) -> (i64, Civil) {
        let seconds = i64::try_from(since_epoch.as_secs()).unwrap_or_default();
        let offset = self.offset(seconds);
        (offset, clock::civil(seconds + offset))
    }

    /// Seconds east of UTC at a moment.
    fn offset(&self, seconds: i64) -> i64 {
        let passed = self.changes.partition_point(|&(since, _)| since <= seconds);
        match (passed.checked_sub(1), self.rule) {
            (_, Some(rule)) if passed == self.changes.len() => rule.offset(seconds),
            (Some(last), _) => self.changes[last].1,
            (None, _) => self.first,
        }
    }

    /// Reads a zone file; nothing when it is none.
    fn parse(data: &[u8]) -> Option<Self> {
        let mut reader = Reader(data);
        let header = reader.header()?;
        match header.version {
            0 => reader.body(&header, 4),
            _ => {
                // The first body has short moments and is repeated with long ones.
                reader.take(header.body_bytes(4)?)?;
                let header = reader.header()?;
                let zone = reader.body(&header, 8)?;
                let footer = std::str::from_utf8(reader.0).ok()?.trim_matches('\n');
                let rule = Rule::parse(footer);
                Some(Self { rule, ..zone })
            }
        }
    }
}

fn named(name: &str) -> Option<Vec<u8>> {
    if name.is_empty() || name == "UTC" {
        return None;
    }
    if name.starts_with('/') {
        return read(name);
    }
    let inside = !name.split('/').any(|part| part == "..");
    let mut folders = ZONES.iter().filter(|_| inside);
    folders.find_map(|folder| read(&format!("{folder}/{name}")))
}

fn read(path: &str) -> Option<Vec<u8>> {
    let meta = fs::metadata(path).ok()?;
    let plausible = meta.is_file() && meta.len() <= FILE_BYTES_MAX;
    plausible.then(|| fs::read(path).ok())?
}

/// The counts of a header.
struct Header {
    version: u8,
    ut_marks: usize,
    wall_marks: usize,
    leaps: usize,
    changes: usize,
    kinds: usize,
    name_bytes: usize,
}

impl Header {
    fn body_bytes(&self, moment_bytes: usize) -> Option<usize> {
        let parts = [
            self.changes.checked_mul(moment_bytes + 1)?,
            self.kinds.checked_mul(6)?,
            self.name_bytes,
            self.leaps.checked_mul(moment_bytes + 4)?,
            self.wall_marks,
            self.ut_marks,
        ];
        parts.into_iter().try_fold(0_usize, usize::checked_add)
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }

    fn number(&mut self) -> Option<usize> {
        let bytes = self.take(4)?.try_into().ok()?;
        usize::try_from(u32::from_be_bytes(bytes)).ok()
    }

    fn header(&mut self) -> Option<Header> {
        if self.take(4)? != b"TZif" {
            return None;
        }
        let version = *self.take(16)?.first()?;
        Some(Header {
            version,
            ut_marks: self.number()?,
            wall_marks: self.number()?,
            leaps: self.number()?,
            changes: self.number()?,
            kinds: self.number()?,
            name_bytes: self.number()?,
        })
    }

    fn body(&mut self, header: &Header, moment_bytes: usize) -> Option<Zone> {
        let body = self.take(header.body_bytes(moment_bytes)?)?;
        let (moments, rest) = body.split_at_checked(header.changes * moment_bytes)?;
        let (indexes, rest) = rest.split_at_checked(header.changes)?;
        let kinds = rest.get(..header.kinds * 6)?.chunks_exact(6);
        let offset = |kind: &[u8]| i32::from_be_bytes([kind[0], kind[1], kind[2], kind[3]]).into();
        let offsets: Vec<i64> = kinds.map(offset).collect();
        let moments = moments.chunks_exact(moment_bytes).map(moment);
        let mut changes = Vec::with_capacity(header.changes);
        for (since, &index) in moments.zip(indexes) {
            changes.push((since, *offsets.get(usize::from(index))?));
        }
        let sorted = changes.is_sorted_by_key(|&(since, _)| since);
        sorted.then_some(Zone {
            changes,
            first: *offsets.first()?,
            rule: None,
        })
    }
}

/// A big-endian signed number of four or eight bytes.
fn moment(bytes: &[u8]) -> i64 {
    let sign = match bytes.first() {
        Some(0x80..) => -1,
        _ => 0,
    };
    bytes
        .iter()
        .fold(sign, |sum, &byte| sum << 8 | i64::from(byte))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A version 2 file with one change and a rule.
    fn file() -> Vec<u8> {
        let header = |counts: [u32; 6]| {
            let mut out = b"TZif2".to_vec();
            out.extend([0; 15]);
            for count in counts {
                out.extend(count.to_be_bytes());
            }
            out
        };
        let mut out = header([0, 0, 0, 0, 1, 1]);
        out.extend([0; 7]);
        out.extend(header([0, 0, 0, 1, 2, 4]));
        out.extend(1_000_000_000_i64.to_be_bytes());
        out.push(1);
        for offset in [0_i32, 3600] {
            out.extend(offset.to_be_bytes());
            out.extend([0, 0]);
        }
        out.extend(b"LMT\0");
        out.extend(b"\nCET-1CEST,M3.5.0,M10.5.0/3\n");
        out
    }

    /// Operators in other zones compare these stamps with their clocks.
    #[test]
    fn stamps() {
        let zone = Zone::parse(&file()).unwrap();
        let stamp = |zone: &Zone, seconds| zone.stamp(Duration::new(seconds, 191_519_999));
        assert_eq!(stamp(&zone, 999_999_999), "2001-09-09T01:46:39.191519Z");
        assert_eq!(
            stamp(&zone, 1_795_257_599),
            "2026-11-21T11:39:59.191519+0100"
        );
        assert_eq!(
            stamp(&zone, 1_785_000_000),
            "2026-07-25T19:20:00.191519+0200"
        );
        let utc = Zone::default();
        assert_eq!(stamp(&utc, 0), "1970-01-01T00:00:00.191519Z");
    }

    proptest::proptest! {
        /// A broken zone file must not keep a member from starting.
        #[test]
        fn changed_bytes(index in 0_usize..200, byte: u8, seconds: u32) {
            let mut file = file();
            let index = index % file.len();
            file[index] = byte;
            if let Some(zone) = Zone::parse(&file) {
                zone.stamp(Duration::from_secs(seconds.into()));
            }
        }
    }

    #[test]
    fn damage_is_utc() {
        let file = file();
        for len in 0..file.len() - 29 {
            assert!(Zone::parse(&file[..len]).is_none(), "{len}");
        }
        assert!(Zone::parse(&[0xff; 200]).is_none());
    }
}
