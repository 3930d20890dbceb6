//! Numbers as Go reads them, with Go's words for what is wrong with them.

use super::quote::quote;

/// Why a text is no number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("strconv.{function}: parsing {}: {reason}", quote(text.as_bytes()))]
pub(crate) struct NumberError {
    function: &'static str,
    text: String,
    reason: &'static str,
}

const SYNTAX: &str = "invalid syntax";
const RANGE: &str = "value out of range";

/// Reads a signed number; base 0 takes the base from the prefix, as flags do.
pub(crate) fn parse_int(text: &str, base: u32) -> Result<i64, NumberError> {
    let error = |reason| NumberError {
        function: "ParseInt",
        text: text.to_owned(),
        reason,
    };
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let magnitude = i128::from(magnitude(digits, base).map_err(error)?);
    let value = if negative { -magnitude } else { magnitude };
    i64::try_from(value).map_err(|_| error(RANGE))
}

/// Reads an unsigned number.
pub(crate) fn parse_uint(text: &str, base: u32) -> Result<u64, NumberError> {
    magnitude(text, base).map_err(|reason| NumberError {
        function: "ParseUint",
        text: text.to_owned(),
        reason,
    })
}

/// Reads a truth value.
pub(crate) fn parse_bool(text: &str) -> Result<bool, NumberError> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(NumberError {
            function: "ParseBool",
            text: text.to_owned(),
            reason: SYNTAX,
        }),
    }
}

fn magnitude(text: &str, base: u32) -> Result<u64, &'static str> {
    let (base, digits) = match base {
        0 => prefixed(text),
        _ => (base, text),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(base)) {
        return Err(SYNTAX);
    }
    u64::from_str_radix(digits, base).map_err(|_| RANGE)
}

fn prefixed(text: &str) -> (u32, &str) {
    let lower = text.to_ascii_lowercase();
    match lower.get(..2) {
        Some("0x") => (16, &text[2..]),
        Some("0o") => (8, &text[2..]),
        Some("0b") => (2, &text[2..]),
        Some(two) if two.starts_with('0') => (8, &text[1..]),
        _ => (10, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scripts match these messages.
    #[test]
    fn errors_speak_go() {
        let message = |text| parse_int(text, 10).unwrap_err().to_string();
        assert_eq!(
            message("abc"),
            r#"strconv.ParseInt: parsing "abc": invalid syntax"#
        );
        assert_eq!(
            message(""),
            r#"strconv.ParseInt: parsing "": invalid syntax"#
        );
        assert_eq!(
            message("9223372036854775808"),
            r#"strconv.ParseInt: parsing "9223372036854775808": value out of range"#
        );
        assert_eq!(
            parse_uint("zz", 16).unwrap_err().to_string(),
            r#"strconv.ParseUint: parsing "zz": invalid syntax"#
        );
    }

    /// A lease id that is read wrong addresses somebody else's lease.
    #[test]
    fn bases_are_kept_apart() {
        assert_eq!(parse_int("5a4aa1fd30e34541", 16), Ok(0x5a4a_a1fd_30e3_4541));
        assert_eq!(parse_int("-9223372036854775808", 10), Ok(i64::MIN));
        assert_eq!(parse_int("0x10", 0), Ok(16));
        assert_eq!(parse_int("010", 0), Ok(8));
        assert_eq!(parse_int("0", 0), Ok(0));
        assert!(parse_int("0x10", 16).is_err());
        assert!(parse_int("+-1", 10).is_err());
        assert!(parse_int("é", 0).is_err());
        assert_eq!(parse_bool("T"), Ok(true));
        assert!(parse_bool("maybe").is_err());
    }
}
