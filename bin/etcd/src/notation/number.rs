//! Whole numbers and truth values as Go's `flag` package takes them: `10`, `-3`, `0x1f`, `1_000`.

/// Why a text is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NumberError {
    /// It does not look like one.
    #[error("parse error")]
    Syntax,
    /// It does not fit.
    #[error("value out of range")]
    Range,
}

/// Reads a signed number of 64 bits.
pub(crate) fn signed(text: &str) -> Result<i64, NumberError> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let magnitude = i128::from(unsigned(digits)?);
    let value = if negative { -magnitude } else { magnitude };
    i64::try_from(value).map_err(|_| NumberError::Range)
}

/// Reads an unsigned number of 64 bits.
pub(crate) fn unsigned(text: &str) -> Result<u64, NumberError> {
    let (base, digits, prefixed) = split_base(text);
    if !underscores_ok(digits, prefixed) {
        return Err(NumberError::Syntax);
    }
    let digits: String = digits.chars().filter(|&char| char != '_').collect();
    if digits.is_empty() || !digits.chars().all(|char| char.is_digit(base)) {
        return Err(NumberError::Syntax);
    }
    u64::from_str_radix(&digits, base).map_err(|_| NumberError::Range)
}

/// The base that the prefix names, what follows it, and whether there was one.
fn split_base(text: &str) -> (u32, &str, bool) {
    let prefix = text.get(..2).unwrap_or_default().to_ascii_lowercase();
    match prefix.as_str() {
        "0x" => (16, &text[2..], true),
        "0o" => (8, &text[2..], true),
        "0b" => (2, &text[2..], true),
        _ if text.len() > 1 && text.starts_with('0') => (8, &text[1..], true),
        _ => (10, text, false),
    }
}

/// Underscores stand between digits, or between the prefix and the first digit.
fn underscores_ok(digits: &str, prefixed: bool) -> bool {
    let leading = digits.starts_with('_') && !prefixed;
    !leading && !digits.ends_with('_') && !digits.contains("__")
}

/// Reads a truth value.
pub(crate) fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A unit file that etcd reads as one number must not be read as another one here.
    #[test]
    fn numbers() {
        for (text, value) in [
            ("0", 0),
            ("10", 10),
            ("0x1F", 31),
            ("0b11", 3),
            ("0o17", 15),
            ("017", 15),
            ("1_000", 1000),
            ("0x_ff", 255),
        ] {
            assert_eq!(unsigned(text), Ok(value), "{text}");
        }
        for text in [
            "", "_1", "1_", "1__0", "08", "0x", "1.5", "-1", "+1", " 1", "é",
        ] {
            assert_eq!(unsigned(text), Err(NumberError::Syntax), "{text}");
        }
        assert_eq!(unsigned("18446744073709551616"), Err(NumberError::Range));
        assert_eq!(signed("-9223372036854775808"), Ok(i64::MIN));
        assert_eq!(signed("9223372036854775808"), Err(NumberError::Range));
        assert_eq!(signed("+0x10"), Ok(16));
        assert_eq!(signed("--1"), Err(NumberError::Syntax));
    }

    #[test]
    fn truths() {
        assert_eq!(truth("T"), Some(true));
        assert_eq!(truth("False"), Some(false));
        assert_eq!(truth("yes"), None);
    }
}
