//! JSON with the bytes that Go's encoder writes, since stored JSON is hashed and compared.

use serde::Serialize;

/// Encodes a value; the order of keys and what is left out is the value's own business.
///
/// Go escapes five characters inside strings for the sake of browsers. They occur in JSON only
/// inside strings, so replacing them afterwards is safe.
pub(crate) fn encode(value: &impl Serialize) -> String {
    // Our values are structs of strings, numbers and lists: they have no key that is not text.
    let plain = serde_json::to_string(value).expect("plain structs encode");
    let mut text = String::with_capacity(plain.len());
    for letter in plain.chars() {
        match letter {
            '<' => text.push_str("\\u003c"),
            '>' => text.push_str("\\u003e"),
            '&' => text.push_str("\\u0026"),
            '\u{2028}' => text.push_str("\\u2028"),
            '\u{2029}' => text.push_str("\\u2029"),
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Another spelling of the same name would make hashes of members differ.
    #[test]
    fn escapes_as_go() {
        assert_eq!(
            encode(&"<a>&\u{2028}\u{2029}é\"\\\n\u{1}\u{7f}"),
            "\"\\u003ca\\u003e\\u0026\\u2028\\u2029é\\\"\\\\\\n\\u0001\u{7f}\""
        );
    }
}
