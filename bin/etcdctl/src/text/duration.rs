//! Durations as Go writes and reads them: `1m30s`, `2.350086ms`, `1h`.

use std::time::Duration;

use super::quote::quote;

const SECOND: u128 = 1_000_000_000;
const MINUTE: u128 = 60 * SECOND;
const HOUR: u128 = 60 * MINUTE;

/// Writes a duration with the largest unit that fits, without trailing zeros.
pub(crate) fn format(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => fraction(nanos, 1_000, "µs"),
        1_000_000..SECOND => fraction(nanos, 1_000_000, "ms"),
        SECOND..MINUTE => fraction(nanos, SECOND, "s"),
        _ => {
            let (hours, minutes) = (nanos / HOUR, nanos % HOUR / MINUTE);
            let seconds = fraction(nanos % MINUTE, SECOND, "s");
            match hours {
                0 => format!("{minutes}m{seconds}"),
                _ => format!("{hours}h{minutes}m{seconds}"),
            }
        }
    }
}

fn fraction(value: u128, unit: u128, name: &str) -> String {
    let (whole, rest) = (value / unit, value % unit);
    if rest == 0 {
        return format!("{whole}{name}");
    }
    let width = unit.ilog10() as usize;
    let digits = format!("{rest:0width$}");
    format!("{whole}.{}{name}", digits.trim_end_matches('0'))
}

/// Reads a duration; a negative one is nothing that this program could wait for, and reads as 0.
pub(crate) fn parse(text: &str) -> Result<Duration, DurationError> {
    let invalid = || DurationError::Invalid(text.to_owned());
    let (negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if unsigned == "0" {
        return Ok(Duration::ZERO);
    }
    if unsigned.is_empty() {
        return Err(invalid());
    }
    let mut rest = unsigned;
    let mut total = 0_u128;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'));
        let (number, after) = match digits {
            None => return Err(DurationError::NoUnit(text.to_owned())),
            Some(0) => return Err(invalid()),
            Some(at) => rest.split_at(at),
        };
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.');
        let (name, next) = after.split_at(end.unwrap_or(after.len()));
        let unit = unit(name).ok_or_else(|| DurationError::Unit {
            unit: name.to_owned(),
            text: text.to_owned(),
        })?;
        let nanos = scaled(number, unit).ok_or_else(invalid)?;
        total = total.checked_add(nanos).ok_or_else(invalid)?;
        rest = next;
    }
    if negative {
        return Ok(Duration::ZERO);
    }
    let nanos = i64::try_from(total).map_err(|_| invalid())?;
    Ok(Duration::from_nanos(nanos.unsigned_abs()))
}

fn unit(name: &str) -> Option<u128> {
    Some(match name {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => SECOND,
        "m" => MINUTE,
        "h" => HOUR,
        _ => return None,
    })
}

/// `number` (digits with at most one point) times `unit`.
fn scaled(number: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole: u128 = match whole {
        "" => 0,
        digits => digits.parse().ok()?,
    };
    let mut nanos = whole.checked_mul(unit)?;
    let mut scale = unit;
    for digit in fraction.bytes() {
        scale /= 10;
        nanos = nanos.checked_add(u128::from(digit - b'0') * scale)?;
    }
    Some(nanos)
}

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DurationError {
    /// It is not made of numbers and units.
    #[error("time: invalid duration {}", quote(.0.as_bytes()))]
    Invalid(String),
    /// A number has no unit.
    #[error("time: missing unit in duration {}", quote(.0.as_bytes()))]
    NoUnit(String),
    /// A unit is unknown.
    #[error("time: unknown unit {} in duration {}", quote(unit.as_bytes()), quote(text.as_bytes()))]
    Unit {
        /// What stands for a unit.
        unit: String,
        /// The whole text.
        text: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `took` fields are parsed by scripts.
    #[test]
    fn durations_print_as_in_go() {
        for (nanos, text) in [
            (0, "0s"),
            (7, "7ns"),
            (1_500, "1.5µs"),
            (2_350_086, "2.350086ms"),
            (5_001_003_821, "5.001003821s"),
            (60_000_000_000, "1m0s"),
            (3_723_500_000_000, "1h2m3.5s"),
        ] {
            assert_eq!(format(Duration::from_nanos(nanos)), text);
            assert_eq!(parse(text), Ok(Duration::from_nanos(nanos)));
        }
    }

    /// A timeout that is misread makes a script hang or fail.
    #[test]
    fn durations_are_read_as_in_go() {
        assert_eq!(parse("1.5h"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse("0"), Ok(Duration::ZERO));
        assert_eq!(parse(".5s"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("-3s"), Ok(Duration::ZERO));
        let message = |text| parse(text).unwrap_err().to_string();
        assert_eq!(message("abc"), r#"time: invalid duration "abc""#);
        assert_eq!(message("5"), r#"time: missing unit in duration "5""#);
        assert_eq!(message("5x"), r#"time: unknown unit "x" in duration "5x""#);
        assert_eq!(message(""), r#"time: invalid duration """#);
        assert_eq!(
            message("99999999999h"),
            r#"time: invalid duration "99999999999h""#
        );
    }

    proptest! {
        /// No text makes the reader panic, and what is written is read back.
        #[test]
        fn durations_round_trip(nanos in 0..i64::MAX.unsigned_abs(), text: String) {
            let duration = Duration::from_nanos(nanos);
            prop_assert_eq!(parse(&format(duration)), Ok(duration));
            let _ = parse(&text);
        }
    }
}
