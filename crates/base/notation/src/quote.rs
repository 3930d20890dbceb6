//! Quoted text as Go's `%q` writes it.

use std::fmt::Write as _;

/// The text between double quotes, with what cannot be printed escaped.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => out.extend(['\\', char]),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            _ if !char.is_control() => out.push(char),
            // Writing into a string cannot fail.
            _ if u32::from(char) < 0x80 => drop(write!(out, "\\x{:02x}", u32::from(char))),
            _ => drop(write!(out, "\\u{:04x}", u32::from(char))),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A refused value must be shown so that blanks and control characters are seen.
    #[test]
    fn quotes() {
        assert_eq!(quote("a \"b\"\\"), r#""a \"b\"\\""#);
        assert_eq!(quote("\t\u{1}ü\u{85}"), r#""\t\x01ü\u0085""#);
    }
}
