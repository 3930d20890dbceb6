//! Where in a file a key stands: found by its name, as whoever wrote the file would.

use std::fmt;

/// A key and its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    line: usize,
    path: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, key {}", self.line, self.path)
    }
}

impl Place {
    /// Looks for keys, each behind the one that it lies in; dots stand between them. Of a key that
    /// stands twice the last one counts, as for the value.
    pub(super) fn of(path: &str, text: &str) -> Option<Self> {
        let lower = text.to_lowercase();
        let mut at = 0;
        for (depth, key) in path.split('.').enumerate() {
            let mut places = keys(&lower, at, key);
            at = match depth {
                0 => places.last()?,
                _ => places.next()?,
            };
        }
        let line = 1 + lower[..at].matches('\n').count();
        Some(Self {
            line,
            path: path.to_owned(),
        })
    }
}

/// Where a key ends that is followed by a colon, from a place on.
fn keys<'a>(text: &'a str, from: usize, key: &'a str) -> impl Iterator<Item = usize> + 'a {
    let found = text[from..].match_indices(key);
    found.filter_map(move |(place, _)| {
        let (begin, end) = (from + place, from + place + key.len());
        let is_begin = text[..begin]
            .chars()
            .next_back()
            .is_none_or(|before| " \n\t{,\"'".contains(before));
        let behind = text[end..].trim_start_matches(['"', '\'', ' ']);
        let is_comment = text[..begin]
            .rsplit('\n')
            .next()
            .is_some_and(|line| line.contains('#'));
        (is_begin && behind.starts_with(':') && !is_comment).then_some(end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever is told the wrong line looks for long.
    #[test]
    fn lines() {
        let text = "# name: no\nname: a\nlist: [x]\nclient-transport-security:\n  Cert-File: b\n\
                    peer-transport-security: {cert-file: c, \"key-file\": d}\nname: e\n";
        let line = |path| Place::of(path, text).map(|place| place.line);
        assert_eq!(line("name"), Some(7));
        assert_eq!(line("list"), Some(3));
        assert_eq!(line("client-transport-security.cert-file"), Some(5));
        assert_eq!(line("peer-transport-security.cert-file"), Some(6));
        assert_eq!(line("peer-transport-security.key-file"), Some(6));
        assert_eq!(line("none"), None);
        let text = Place::of("list", text).unwrap().to_string();
        assert_eq!(text, "line 3, key list");
    }
}
