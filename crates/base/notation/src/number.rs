//! Numbers and truth values as Go reads them, with Go's words for what is wrong with them.

use crate::quote::quote;

/// Why a text is no number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("strconv.{function}: parsing {}: {reason}", quote(text))]
pub struct NumberError {
    function: &'static str,
    text: String,
    reason: &'static str,
}

const SYNTAX: &str = "invalid syntax";
const RANGE: &str = "value out of range";

impl NumberError {
    /// What the `flag` package says instead, which names neither function nor text.
    #[must_use]
    pub fn in_brief(&self) -> &'static str {
        match self.reason {
            SYNTAX => "parse error",
            reason => reason,
        }
    }
}

/// Reads a signed number; base 0 takes the base from the prefix and lets underscores stand between
/// digits, as flags do.
///
/// # Errors
/// [`NumberError`] in the words of Go.
pub fn parse_int(text: &str, base: u32) -> Result<i64, NumberError> {
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
///
/// # Errors
/// As [`parse_int`].
pub fn parse_uint(text: &str, base: u32) -> Result<u64, NumberError> {
    magnitude(text, base).map_err(|reason| unsigned_error(text, reason))
}

/// Reads an unsigned number of 32 bits.
///
/// # Errors
/// As [`parse_int`].
pub fn parse_uint32(text: &str, base: u32) -> Result<u32, NumberError> {
    u32::try_from(parse_uint(text, base)?).map_err(|_| unsigned_error(text, RANGE))
}

fn unsigned_error(text: &str, reason: &'static str) -> NumberError {
    NumberError {
        function: "ParseUint",
        text: text.to_owned(),
        reason,
    }
}

/// Reads a truth value.
///
/// # Errors
/// As [`parse_int`].
pub fn parse_bool(text: &str) -> Result<bool, NumberError> {
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
        0 => prefixed(text).ok_or(SYNTAX)?,
        _ => (base, text.to_owned()),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(base)) {
        return Err(SYNTAX);
    }
    u64::from_str_radix(&digits, base).map_err(|_| RANGE)
}

/// The base that the prefix names, and the digits without underscores; none where those may not be.
fn prefixed(text: &str) -> Option<(u32, String)> {
    let prefix = text.get(..2).unwrap_or_default().to_ascii_lowercase();
    let (base, digits) = match prefix.as_str() {
        "0x" => (16, &text[2..]),
        "0o" => (8, &text[2..]),
        "0b" => (2, &text[2..]),
        _ if prefix.starts_with('0') => (8, &text[1..]),
        _ => (10, text),
    };
    // One may follow the prefix.
    let leading = digits.starts_with('_') && base == 10;
    let misplaced = leading || digits.ends_with('_') || digits.contains("__");
    (!misplaced).then(|| (base, digits.replace('_', "")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
        let wide = parse_uint32("4294967296", 0).unwrap_err();
        assert_eq!(wide.in_brief(), "value out of range");
        assert_eq!(parse_bool("maybe").unwrap_err().in_brief(), "parse error");
    }

    /// A lease id that is read wrong addresses somebody else's lease.
    #[test]
    fn bases_are_kept_apart() {
        assert_eq!(parse_int("5a4aa1fd30e34541", 16), Ok(0x5a4a_a1fd_30e3_4541));
        assert_eq!(parse_int("-9223372036854775808", 10), Ok(i64::MIN));
        assert_eq!(parse_int("+0x10", 0), Ok(16));
        assert_eq!(parse_bool("T"), Ok(true));
        for text in ["0x10", "1_0", "+-1"] {
            assert!(parse_int(text, 16).is_err(), "{text}");
        }
    }

    /// A unit file that etcd reads as one number must not be read as another one here.
    #[test]
    fn prefixes_and_underscores() {
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
            assert_eq!(parse_uint(text, 0), Ok(value), "{text}");
        }
        for text in [
            "", "_1", "1_", "1__0", "08", "0x", "1.5", "-1", "+1", " 1", "é", "0é",
        ] {
            let error = parse_uint(text, 0).unwrap_err();
            assert_eq!(error.in_brief(), "parse error", "{text}");
        }
    }

    proptest! {
        /// What is written is read back, and no text makes the readers panic.
        #[test]
        fn numbers_are_read_as_written(signed: i64, unsigned: u64, text: String) {
            prop_assert_eq!(parse_int(&signed.to_string(), 0), Ok(signed));
            prop_assert_eq!(parse_uint(&unsigned.to_string(), 10), Ok(unsigned));
            prop_assert_eq!(parse_uint(&format!("{unsigned:#x}"), 0), Ok(unsigned));
            prop_assert_eq!(parse_uint(&format!("{unsigned:#b}"), 0), Ok(unsigned));
            let _ = (parse_int(&text, 0), parse_uint32(&text, 0));
        }
    }
}
