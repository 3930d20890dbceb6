//! Values of flags in the spellings that Go's flag parser takes.

use std::time::Duration;

/// `true`, `false` and their short forms.
pub(crate) fn go_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(format!(
            "strconv.ParseBool: parsing {text:?}: invalid syntax"
        )),
    }
}

/// A signed decimal number.
pub(crate) fn go_int(text: &str) -> Result<i64, String> {
    text.parse()
        .map_err(|_| number_error("ParseInt", text, text.strip_prefix(['-', '+'])))
}

/// An unsigned decimal number.
pub(crate) fn go_uint(text: &str) -> Result<u64, String> {
    let error = || number_error("ParseUint", text, None);
    match text.strip_prefix('+') {
        Some(_) => Err(error()),
        None => text.parse().map_err(|_| error()),
    }
}

/// Digits that do not parse are too many.
fn number_error(function: &str, text: &str, without_sign: Option<&str>) -> String {
    let digits = without_sign.unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let reason = if is_number {
        "value out of range"
    } else {
        "invalid syntax"
    };
    format!("strconv.{function}: parsing {text:?}: {reason}")
}

/// A duration such as `10s`, `1m30s`, `1.5h` or `0`; negative ones count as zero.
pub(crate) fn go_duration(text: &str) -> Result<Duration, String> {
    let error = || format!("time: invalid duration {text:?}");
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() || total.is_zero() {
        let digits = rest
            .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
            .unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().map_err(|_| error())?;
        rest = &rest[digits..];
        let unit = rest
            .find(|letter: char| letter.is_ascii_digit() || letter == '.')
            .unwrap_or(rest.len());
        let seconds = number * unit_seconds(&rest[..unit], text)?;
        rest = &rest[unit..];
        let part = Duration::try_from_secs_f64(seconds).map_err(|_| error())?;
        total = total.checked_add(part).ok_or_else(error)?;
        if rest.is_empty() {
            break;
        }
    }
    Ok(if negative { Duration::ZERO } else { total })
}

fn unit_seconds(unit: &str, text: &str) -> Result<f64, String> {
    Ok(match unit {
        "ns" => 1e-9,
        "us" | "µs" | "μs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "" => return Err(format!("time: missing unit in duration {text:?}")),
        _ => return Err(format!("time: unknown unit {unit:?} in duration {text:?}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scripts written for etcdutl must go on working.
    #[test]
    fn spellings_of_go() {
        assert_eq!(go_bool("T"), Ok(true));
        assert!(go_bool("yes").is_err());
        assert_eq!(go_int("-7"), Ok(-7));
        assert_eq!(
            go_int("x"),
            Err("strconv.ParseInt: parsing \"x\": invalid syntax".to_owned())
        );
        assert!(
            go_int("99999999999999999999")
                .unwrap_err()
                .ends_with("out of range")
        );
        assert!(go_uint("-1").unwrap_err().ends_with("invalid syntax"));
        for (text, millis) in [
            ("10s", 10_000),
            ("0", 0),
            ("0s", 0),
            ("1m30s", 90_000),
            ("1.5h", 5_400_000),
            ("250ms", 250),
            ("-3s", 0),
        ] {
            assert_eq!(
                go_duration(text),
                Ok(Duration::from_millis(millis)),
                "{text}"
            );
        }
        for text in ["", "10", "s", "1x", "1s2", "--1s", "1..5s", "-"] {
            assert!(go_duration(text).is_err(), "{text}");
        }
    }
}
