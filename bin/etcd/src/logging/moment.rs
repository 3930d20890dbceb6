//! The moment of a line, in local time.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A moment as log lines have it: `2006-01-02T15:04:05.000000Z` or with `+0200` at the end.
pub(super) fn stamp(moment: Timestamp, zone: &TimeZone) -> String {
    let moment = moment.to_zoned(zone.clone());
    let text = moment.strftime("%Y-%m-%dT%H:%M:%S%.6f");
    match moment.offset().seconds() {
        0 => format!("{text}Z"),
        _ => format!("{text}{}", moment.strftime("%z")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Operators in other zones compare these stamps with their clocks.
    #[test]
    fn stamps() {
        let stamp =
            |zone: &TimeZone, seconds| stamp(Timestamp::new(seconds, 191_519_999).unwrap(), zone);
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        assert_eq!(
            stamp(&berlin, 1_795_257_599),
            "2026-11-21T11:39:59.191519+0100"
        );
        assert_eq!(
            stamp(&berlin, 1_785_000_000),
            "2026-07-25T19:20:00.191519+0200"
        );
        let west = TimeZone::posix("NST3:30").unwrap();
        assert_eq!(stamp(&west, 0), "1969-12-31T20:30:00.191519-0330");
        assert_eq!(stamp(&TimeZone::UTC, 0), "1970-01-01T00:00:00.191519Z");
    }
}
