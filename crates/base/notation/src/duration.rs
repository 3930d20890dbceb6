//! Durations as Go writes and reads them: `1m30s`, `500ms`, `-1h`; whole nanoseconds, signed.

use std::fmt;
use std::time::Duration;

use crate::quote::quote;

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// A duration of a flag, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct GoDuration(pub i64);

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// It does not look like one, or does not fit.
    #[error("time: invalid duration {}", quote(.0))]
    Invalid(String),
    /// A number without a unit.
    #[error("time: missing unit in duration {}", quote(.0))]
    NoUnit(String),
    /// A unit that does not exist.
    #[error("time: unknown unit {} in duration {}", quote(unit), quote(text))]
    UnknownUnit {
        /// The unit.
        unit: String,
        /// The whole text.
        text: String,
    },
}

/// Writes a time that passed.
#[must_use]
pub fn format(duration: Duration) -> String {
    let nanos = i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
    GoDuration(nanos).to_string()
}

impl GoDuration {
    /// So many milliseconds.
    pub fn from_millis(millis: u64) -> Self {
        let nanos = millis.saturating_mul(MILLISECOND);
        Self(i64::try_from(nanos).unwrap_or(i64::MAX))
    }

    /// The duration to wait; none if it is zero or negative.
    pub fn positive(self) -> Option<Duration> {
        u64::try_from(self.0)
            .ok()
            .filter(|&nanos| nanos > 0)
            .map(Duration::from_nanos)
    }

    /// Reads Go's notation.
    ///
    /// # Errors
    /// [`DurationError`] in the words of Go.
    pub fn parse(text: &str) -> Result<Self, DurationError> {
        let (negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        if unsigned == "0" {
            return Ok(Self(0));
        }
        let nanos = i128::from(sum(unsigned, text)?);
        let nanos = if negative { -nanos } else { nanos };
        i64::try_from(nanos)
            .map(Self)
            .map_err(|_| DurationError::Invalid(text.to_owned()))
    }
}

/// Adds up `<number><unit>` parts; errors name the `whole` text.
fn sum(text: &str, whole: &str) -> Result<u64, DurationError> {
    let invalid = || DurationError::Invalid(whole.to_owned());
    let mut rest = text;
    let mut total = 0_u64;
    if rest.is_empty() {
        return Err(invalid());
    }
    while !rest.is_empty() {
        let number_len = len_while(rest, |char| char.is_ascii_digit() || char == '.');
        let (number, after) = rest.split_at(number_len);
        let (whole_part, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.contains('.') || (whole_part.is_empty() && fraction.is_empty()) {
            return Err(invalid());
        }
        let unit_len = len_while(after, |char| !char.is_ascii_digit() && char != '.');
        let (unit, after) = after.split_at(unit_len);
        let part = scale(whole_part, fraction, unit, whole)?.ok_or_else(invalid)?;
        total = total.checked_add(part).ok_or_else(invalid)?;
        rest = after;
    }
    Ok(total)
}

fn len_while(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|char| !belongs(char)).unwrap_or(text.len())
}

/// One part in nanoseconds; nothing when it does not fit.
fn scale(
    whole_part: &str,
    fraction: &str,
    unit: &str,
    text: &str,
) -> Result<Option<u64>, DurationError> {
    let size = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => MICROSECOND,
        "ms" => MILLISECOND,
        "s" => SECOND,
        "m" => MINUTE,
        "h" => HOUR,
        "" => return Err(DurationError::NoUnit(text.to_owned())),
        _ => {
            let (unit, text) = (unit.to_owned(), text.to_owned());
            return Err(DurationError::UnknownUnit { unit, text });
        }
    };
    let whole = match whole_part {
        "" => Some(0),
        digits => digits.parse::<u64>().ok(),
    };
    let whole = whole.and_then(|whole| whole.checked_mul(size));
    // Digits beyond the eighteenth cannot make a nanosecond.
    let digits = &fraction[..fraction.len().min(18)];
    let shown = digits.parse::<u128>().unwrap_or(0) * u128::from(size);
    let below = shown / 10_u128.pow(u32::try_from(digits.len()).unwrap_or(18));
    Ok(whole.and_then(|whole| whole.checked_add(u64::try_from(below).ok()?)))
}

impl fmt::Display for GoDuration {
    /// The largest unit that fits, without trailing zeros.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        match nanos {
            0 => f.write_str("0s"),
            1..MICROSECOND => write!(f, "{nanos}ns"),
            MICROSECOND..MILLISECOND => decimal(f, nanos, MICROSECOND, "µs"),
            MILLISECOND..SECOND => decimal(f, nanos, MILLISECOND, "ms"),
            _ => {
                let (hours, minutes) = (nanos / HOUR, nanos % HOUR / MINUTE);
                if hours > 0 {
                    write!(f, "{hours}h")?;
                }
                if nanos >= MINUTE {
                    write!(f, "{minutes}m")?;
                }
                decimal(f, nanos % MINUTE, SECOND, "s")
            }
        }
    }
}

fn decimal(f: &mut fmt::Formatter<'_>, nanos: u64, size: u64, unit: &str) -> fmt::Result {
    write!(f, "{}", nanos / size)?;
    if !nanos.is_multiple_of(size) {
        let width = usize::try_from(size.ilog10()).unwrap_or_default();
        let digits = format!("{:0width$}", nanos % size);
        write!(f, ".{}", digits.trim_end_matches('0'))?;
    }
    f.write_str(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A timeout read ten times too long is an outage.
    #[test]
    fn reads_and_writes() {
        for (text, nanos, shown) in [
            ("0", 0, "0s"),
            ("1h30m", 5_400_000_000_000, "1h30m0s"),
            ("500ms", 500_000_000, "500ms"),
            ("1.5s", 1_500_000_000, "1.5s"),
            (".5s", 500_000_000, "500ms"),
            ("1.s", 1_000_000_000, "1s"),
            ("-2m", -120_000_000_000, "-2m0s"),
            ("+3us", 3_000, "3µs"),
            ("1µs500ns", 1_500, "1.5µs"),
            ("0.1000000000000000000001h", 360_000_000_000, "6m0s"),
            (
                "2540400h10m10s",
                9_145_440_610_000_000_000,
                "2540400h10m10s",
            ),
            (
                "-9223372036854775808ns",
                i64::MIN,
                "-2562047h47m16.854775808s",
            ),
        ] {
            let duration = GoDuration::parse(text).unwrap();
            assert_eq!(duration, GoDuration(nanos), "{text}");
            assert_eq!(duration.to_string(), shown);
        }
    }

    #[test]
    fn refuses() {
        for (text, error) in [
            ("", "time: invalid duration \"\""),
            ("5", "time: missing unit in duration \"5\""),
            ("xyz", "time: invalid duration \"xyz\""),
            ("3x", "time: unknown unit \"x\" in duration \"3x\""),
            (".s", "time: invalid duration \".s\""),
            ("1..5s", "time: invalid duration \"1..5s\""),
            ("9999999999h", "time: invalid duration \"9999999999h\""),
            (
                "9223372036854775808ns",
                "time: invalid duration \"9223372036854775808ns\"",
            ),
            ("-", "time: invalid duration \"-\""),
        ] {
            assert_eq!(GoDuration::parse(text).unwrap_err().to_string(), error);
        }
    }

    /// `took` fields are parsed by scripts.
    #[test]
    fn what_passed() {
        assert_eq!(format(Duration::from_nanos(2_350_086)), "2.350086ms");
        assert_eq!(format(Duration::from_millis(3_723_500)), "1h2m3.5s");
    }

    proptest::proptest! {
        /// No text makes the reader panic, and what is written is read back.
        #[test]
        fn round_trips(nanos: i64, text: String) {
            let shown = GoDuration(nanos).to_string();
            proptest::prop_assert_eq!(GoDuration::parse(&shown), Ok(GoDuration(nanos)));
            let _ = GoDuration::parse(&text);
        }
    }
}
