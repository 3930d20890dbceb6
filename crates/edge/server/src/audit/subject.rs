//! What a request is about: keys and names, never values.

use bytes::Bytes;

/// Parts of one request that are told; of a larger one it is said how many more there are.
const PARTS_MAX: usize = 256;

/// What a request is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) spans: Vec<Span>,
    pub(crate) facts: Vec<(&'static str, Fact)>,
    /// Spans that are left out.
    pub(crate) more: usize,
}

/// A key, or a range of keys, and what is done with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) op: &'static str,
    pub(crate) key: Bytes,
    /// Empty for one key; one zero byte for all keys from there.
    pub(crate) end: Bytes,
}

/// Something else that a request names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    Text(String),
    Texts(Vec<String>),
    Number(i64),
    /// Shown as etcd's logs show it: in hex.
    Id(u64),
    Is(bool),
}

impl Subject {
    /// A subject of one span.
    pub(crate) fn of(op: &'static str, key: Bytes, end: Bytes) -> Self {
        let mut subject = Self::default();
        subject.span(op, key, end);
        subject
    }

    /// Adds a span.
    pub(crate) fn span(&mut self, op: &'static str, key: Bytes, end: Bytes) {
        if self.spans.len() < PARTS_MAX {
            self.spans.push(Span { op, key, end });
        } else {
            self.more += 1;
        }
    }

    /// Adds something else.
    pub(crate) fn with(mut self, name: &'static str, fact: Fact) -> Self {
        self.facts.push((name, fact));
        self
    }

    /// Adds an id that is there.
    pub(crate) fn with_id(self, name: &'static str, id: i64) -> Self {
        match id {
            0 => self,
            id => self.with(name, Fact::Id(id.cast_unsigned())),
        }
    }
}

impl Span {
    /// Whether all its keys begin so.
    pub(crate) fn is_within(&self, prefix: &[u8]) -> bool {
        if !self.key.starts_with(prefix) {
            return false;
        }
        let bound = prefix_end(prefix);
        match &self.end[..] {
            [] => true,
            [0] => bound.is_empty(),
            end => bound.is_empty() || end <= &bound[..],
        }
    }

    /// Whether one of its keys may begin so.
    pub(crate) fn touches(&self, prefix: &[u8]) -> bool {
        let after_begin = match &self.end[..] {
            [] => return self.key.starts_with(prefix),
            [0] => true,
            end => end > prefix,
        };
        let bound = prefix_end(prefix);
        after_begin && (bound.is_empty() || self.key[..] < bound[..])
    }
}

/// The first key behind all that begin so; empty for none.
fn prefix_end(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            break;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(key: &'static [u8], end: &'static [u8]) -> Span {
        let (key, end) = (Bytes::from_static(key), Bytes::from_static(end));
        Span {
            op: "range",
            key,
            end,
        }
    }

    /// A range that reaches out of a prefix must not be kept silent as if it did not.
    #[test]
    fn prefixes() {
        for (span, prefix, is_within, touches) in [
            (span(b"/a/x", b""), &b"/a/"[..], true, true),
            (span(b"/a/", b"/a0"), b"/a/", true, true),
            (span(b"/a/x", b"/a0"), b"/a/", true, true),
            (span(b"/a/x", b"/b"), b"/a/", false, true),
            (span(b"/a/", b"\0"), b"/a/", false, true),
            (span(b"/", b"/a/x"), b"/a/", false, true),
            (span(b"/", b"/a/"), b"/a/", false, false),
            (span(b"/b", b""), b"/a/", false, false),
            (span(b"/b", b"\0"), b"/a/", false, false),
            (span(b"\xff\xff", b"\0"), b"\xff", true, true),
            (span(b"x", b"\0"), b"", true, true),
            (span(b"", b""), b"", true, true),
        ] {
            assert_eq!(span.is_within(prefix), is_within, "{span:?} {prefix:?}");
            assert_eq!(span.touches(prefix), touches, "{span:?} {prefix:?}");
        }
    }

    #[test]
    fn much_is_counted() {
        let mut subject = Subject::default();
        for _ in 0..PARTS_MAX + 7 {
            subject.span("put", Bytes::new(), Bytes::new());
        }
        assert_eq!((subject.spans.len(), subject.more), (PARTS_MAX, 7));
    }
}
