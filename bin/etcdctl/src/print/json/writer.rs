//! JSON text as Go writes it: no blanks, keys in the given order, `<`, `>` and `&` escaped.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// One JSON value in the making.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    out: String,
}

/// One object in the making; fields appear in the order of the calls.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    writer: &'a mut Writer,
    empty: bool,
}

impl Writer {
    pub(crate) fn into_string(self) -> String {
        self.out
    }

    pub(crate) fn object(&mut self, fill: impl FnOnce(&mut Object<'_>)) {
        self.out.push('{');
        fill(&mut Object {
            writer: self,
            empty: true,
        });
        self.out.push('}');
    }

    pub(crate) fn array<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        self.out.push('[');
        for (at, item) in items.into_iter().enumerate() {
            if at > 0 {
                self.out.push(',');
            }
            write(self, item);
        }
        self.out.push(']');
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\x08' => self.out.push_str("\\b"),
                '\x0c' => self.out.push_str("\\f"),
                '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\x1f' => {
                    // Writing to a string cannot fail.
                    let _ = write!(self.out, "\\u{:04x}", u32::from(c));
                }
                _ => self.out.push(c),
            }
        }
        self.out.push('"');
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.out.push('"');
        STANDARD.encode_string(bytes, &mut self.out);
        self.out.push('"');
    }

    pub(crate) fn raw(&mut self, value: impl std::fmt::Display) {
        let _ = write!(self.out, "{value}");
    }
}

/// Methods ending in `_set` leave the field out when the value is zero or empty.
impl Object<'_> {
    /// Starts a field; the value is written through the returned writer.
    pub(crate) fn key(&mut self, key: &str) -> &mut Writer {
        if !std::mem::replace(&mut self.empty, false) {
            self.writer.out.push(',');
        }
        self.writer.text(key);
        self.writer.out.push(':');
        self.writer
    }

    pub(crate) fn text(&mut self, key: &str, text: &str) {
        self.key(key).text(text);
    }

    pub(crate) fn text_set(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.text(key, text);
        }
    }

    pub(crate) fn raw(&mut self, key: &str, value: impl std::fmt::Display) {
        self.key(key).raw(value);
    }

    pub(crate) fn number_set<T: std::fmt::Display + Default + PartialEq>(
        &mut self,
        key: &str,
        value: T,
    ) {
        if value != T::default() {
            self.raw(key, value);
        }
    }

    pub(crate) fn bool_set(&mut self, key: &str, value: bool) {
        if value {
            self.raw(key, value);
        }
    }

    pub(crate) fn bytes_set(&mut self, key: &str, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.key(key).bytes(bytes);
        }
    }

    pub(crate) fn object(&mut self, key: &str, fill: impl FnOnce(&mut Object<'_>)) {
        self.key(key).object(fill);
    }

    pub(crate) fn array_set<T>(
        &mut self,
        key: &str,
        items: &[T],
        write: impl FnMut(&mut Writer, &T),
    ) {
        if !items.is_empty() {
            self.key(key).array(items, write);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tools parse this, and tests compare it byte by byte.
    #[test]
    fn text_is_escaped_as_in_go() {
        let mut writer = Writer::default();
        writer.object(|object| {
            object.text("a", "\"\\\n\r\t\x08\x0c\x01<&>\u{2028}é");
            object.bytes_set("b", b"foo");
            object.number_set("zero", 0_u64);
            object.number_set("n", u64::MAX);
            object.array_set("list", &["x"], |writer, item| writer.text(item));
            object.array_set("none", &[] as &[&str], |writer, item| writer.text(item));
        });
        assert_eq!(
            writer.into_string(),
            r#"{"a":"\"\\\n\r\t\b\f\u0001\u003c\u0026\u003e\u2028é","b":"Zm9v","n":18446744073709551615,"list":["x"]}"#
        );
    }
}
