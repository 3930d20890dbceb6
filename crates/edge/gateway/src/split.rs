//! Cuts a body that brings one JSON value after another, in pieces of any size, into its values.

/// What has arrived and was not taken.
#[derive(Default)]
pub(crate) struct Splitter {
    buffer: Vec<u8>,
    /// What of the buffer has been looked at.
    seen: usize,
    depth: usize,
    in_string: bool,
    is_escaped: bool,
}

impl Splitter {
    /// Adds a piece of the body.
    pub(crate) fn add(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// The bytes that wait for the rest of their value.
    pub(crate) fn len(&self) -> usize {
        self.buffer.len()
    }

    /// The next value, if all of it is there. It begins with what opens it; whether it is valid is the
    /// parser's to say.
    pub(crate) fn take(&mut self) -> Option<Vec<u8>> {
        self.skip_space();
        while let Some(&byte) = self.buffer.get(self.seen) {
            self.seen += 1;
            if self.closes(byte) {
                let rest = self.buffer.split_off(self.seen);
                self.seen = 0;
                return Some(std::mem::replace(&mut self.buffer, rest));
            }
        }
        None
    }

    /// What is left at the end of the body; nothing if it ends after a value.
    pub(crate) fn rest(mut self) -> Option<Vec<u8>> {
        self.skip_space();
        (!self.buffer.is_empty()).then_some(self.buffer)
    }

    fn skip_space(&mut self) {
        if self.seen == 0 {
            let space = self.buffer.iter().take_while(|b| b.is_ascii_whitespace());
            let space = space.count();
            self.buffer.drain(..space);
        }
    }

    /// Whether the byte ends the value. What is neither an object nor an array ends at once, and is
    /// then refused.
    fn closes(&mut self, byte: u8) -> bool {
        if self.in_string {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return false;
        }
        match byte {
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            b'"' => self.in_string = self.depth > 0,
            _ => {}
        }
        self.depth == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clients send requests when they like, and networks cut them where they like.
    #[test]
    fn values_in_pieces() {
        let text = br#" {"a":"}\"{"} {"b":[{}]}
            {}x"#;
        for size in 1..text.len() {
            let mut splitter = Splitter::default();
            let mut values = Vec::new();
            for piece in text.chunks(size) {
                splitter.add(piece);
                while let Some(value) = splitter.take() {
                    values.push(String::from_utf8(value).unwrap());
                }
            }
            assert_eq!(values, [r#"{"a":"}\"{"}"#, r#"{"b":[{}]}"#, "{}", "x"]);
            assert_eq!(splitter.rest(), None);
        }
        let mut splitter = Splitter::default();
        splitter.add(b"{\"a\":");
        assert_eq!(splitter.take(), None);
        assert_eq!(splitter.rest().as_deref(), Some(&b"{\"a\":"[..]));
    }
}
