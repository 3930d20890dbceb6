//! Go's quoted strings: what `%q` writes, and what it reads.

use std::fmt::Write as _;

/// Writes text or bytes as a double-quoted Go string. Valid printable text stays as it is.
#[must_use]
pub fn quote(text: impl AsRef<[u8]>) -> String {
    let bytes = text.as_ref();
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|c| push_char(&mut out, c));
        for byte in chunk.invalid() {
            push_hex(&mut out, u32::from(*byte));
        }
    }
    out.push('"');
    out
}

fn push_char(out: &mut String, c: char) {
    let code = u32::from(c);
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\x07' => out.push_str("\\a"),
        '\x08' => out.push_str("\\b"),
        '\x0c' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\x0b' => out.push_str("\\v"),
        _ if is_printable(c) => out.push(c),
        _ if code < 0x20 || code == 0x7f => push_hex(out, code),
        // Writing to a string cannot fail.
        _ if code < 0x1_0000 => write!(out, "\\u{code:04x}").unwrap_or_default(),
        _ => write!(out, "\\U{code:08x}").unwrap_or_default(),
    }
}

fn push_hex(out: &mut String, code: u32) {
    write!(out, "\\x{code:02x}").unwrap_or_default();
}

/// Whether Go shows the character as it is. The standard library knows the same classes, but
/// escapes combining marks at the start of a text, hence the letter in front; and single quotes.
fn is_printable(c: char) -> bool {
    let text: String = ['x', c].iter().collect();
    c == '\'' || text.escape_debug().count() == 2
}

/// Reads a quoted string at the start of `text`; returns its bytes and what follows it.
pub fn unquote_prefix(text: &str) -> Option<(Vec<u8>, &str)> {
    if let Some(raw) = text.strip_prefix('`') {
        let (inside, rest) = raw.split_once('`')?;
        return Some((inside.as_bytes().to_vec(), rest));
    }
    let mut rest = text.strip_prefix('"')?;
    let mut out = Vec::new();
    loop {
        let c = rest.chars().next()?;
        rest = &rest[c.len_utf8()..];
        match c {
            '"' => return Some((out, rest)),
            '\n' => return None,
            '\\' => rest = unescape(rest, &mut out)?,
            _ => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// Reads what follows a backslash.
fn unescape<'a>(text: &'a str, out: &mut Vec<u8>) -> Option<&'a str> {
    let c = text.chars().next()?;
    let rest = &text[c.len_utf8()..];
    let simple = match c {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '\\' => b'\\',
        '"' => b'"',
        'x' => return byte(rest, 2, 16, out),
        '0'..='7' => return byte(text, 3, 8, out),
        'u' => return rune(rest, 4, out),
        'U' => return rune(rest, 8, out),
        _ => return None,
    };
    out.push(simple);
    Some(rest)
}

fn byte<'a>(text: &'a str, digits: usize, radix: u32, out: &mut Vec<u8>) -> Option<&'a str> {
    let (value, rest) = code(text, digits, radix)?;
    out.push(u8::try_from(value).ok()?);
    Some(rest)
}

fn rune<'a>(text: &'a str, digits: usize, out: &mut Vec<u8>) -> Option<&'a str> {
    let (value, rest) = code(text, digits, 16)?;
    let c = char::from_u32(value)?;
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    Some(rest)
}

fn code(text: &str, digits: usize, radix: u32) -> Option<(u32, &str)> {
    let (number, rest) = text.split_at_checked(digits)?;
    if !number.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    Some((u32::from_str_radix(number, radix).ok()?, rest))
}

/// Splits a line of words as `txn` and interactive `watch` read them: blanks separate, `'…'` is
/// literal, `"…"` is a Go string, and `None` is the outcome when it is none. A quote without an
/// end is left out.
pub fn split_words(line: &str) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        let after = match (first, quoted_end(rest)) {
            ('\'', Some(end)) => {
                words.push(rest.as_bytes()[1..end].to_vec());
                &rest[end + 1..]
            }
            ('"', Some(_)) => {
                let (word, after) = unquote_prefix(rest)?;
                words.push(word);
                after
            }
            ('\'' | '"', None) => &rest[1..],
            _ => {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                words.push(rest.as_bytes()[..end].to_vec());
                &rest[end..]
            }
        };
        rest = after.trim_start();
    }
    Some(words)
}

/// Where the quote that `text` begins with ends.
fn quoted_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let quote = *bytes.first()?;
    let mut at = 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            _ if byte == quote => return Some(at),
            b'\\' if quote == b'"' => at += 2,
            _ => at += 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Scripts read these texts back with Go's or a shell's rules.
    #[test]
    fn quotes_are_go_quotes() {
        for (bytes, text) in [
            (&b"foo"[..], r#""foo""#),
            (b"a\x01b", r#""a\x01b""#),
            (b"\"\\'", r#""\"\\'""#),
            (b"\x07\x08\x0c\n\r\t\x0b", r#""\a\b\f\n\r\t\v""#),
            (b"\xff\x00\x7f", r#""\xff\x00\x7f""#),
            ("é\u{301}世".as_bytes(), "\"é\u{301}世\""),
            ("\u{a0}".as_bytes(), r#""\u00a0""#),
            ("\u{200b}\u{e0001}".as_bytes(), r#""\u200b\U000e0001""#),
        ] {
            assert_eq!(quote(bytes), text);
        }
    }

    /// A transaction must write the bytes that its author meant.
    #[test]
    fn words_are_split_as_a_shell_would() {
        let words = |line: &str| split_words(line).unwrap();
        assert_eq!(words("put  a b"), [&b"put"[..], b"a", b"b"]);
        assert_eq!(
            words(r#"put 'a "b' "c\n\x00""#),
            [&b"put"[..], b"a \"b", b"c\n\0"]
        );
        assert_eq!(words(" "), Vec::<Vec<u8>>::new());
        assert_eq!(words("put 'a"), [&b"put"[..], b"a"]);
        assert_eq!(words(r#""put a""b"c'd '"#), [&b"put a"[..], b"b", b"c'd"]);
        assert_eq!(words(r#"put "a\""#), [&b"put"[..], b"a\\\""]);
        assert_eq!(split_words(r#"put "a\q""#), None);
        assert_eq!(
            unquote_prefix(r#""\101\u00e9" x"#),
            Some(("A\u{e9}".into(), " x"))
        );
        assert_eq!(unquote_prefix("`a\\n`)"), Some((b"a\\n".to_vec(), ")")));
        assert_eq!(unquote_prefix(r#""\400""#), None);
        assert_eq!(unquote_prefix(r#""\x+1""#), None);
        assert_eq!(unquote_prefix(r#""\é""#), None);
    }

    proptest! {
        /// What is printed with quotes can be given back in a transaction.
        #[test]
        fn quoting_round_trips(bytes: Vec<u8>) {
            let text = quote(&bytes);
            prop_assert_eq!(unquote_prefix(&text), Some((bytes, "")));
        }

        /// Any line from a terminal or a file is split or refused.
        #[test]
        fn splitting_never_panics(line: String) {
            let _ = split_words(&line);
        }
    }
}
