//! Errors as texts: with what they came from, and with the words of Go for the system's errors.

use std::error::Error;
use std::{fmt, io, iter};

/// An error with its sources, outermost first.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let sources = iter::successors(Some(error), |&error| error.source());
    let mut chain = String::new();
    for text in sources.map(text) {
        // Errors that show their source themselves are not followed by it once more.
        if chain.ends_with(&text) {
            continue;
        }
        if !chain.is_empty() {
            chain.push_str(": ");
        }
        chain.push_str(&text);
    }
    chain
}

fn text(error: &(dyn Error + 'static)) -> String {
    match error.downcast_ref::<io::Error>() {
        Some(error) => GoIo(error).to_string(),
        None => error.to_string(),
    }
}

/// An error of the system as Go writes it: lower case, without its number.
pub(crate) struct GoIo<'a>(pub(crate) &'a io::Error);

impl fmt::Display for GoIo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let Some(number) = self.0.raw_os_error() else {
            return f.write_str(&text);
        };
        let text = text
            .strip_suffix(&format!(" (os error {number})"))
            .unwrap_or(&text);
        let mut chars = text.chars();
        match chars.next() {
            Some(first) => write!(f, "{}{}", first.to_lowercase(), chars.as_str()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Operators search the web for Go's words.
    #[test]
    fn words_of_go() {
        let error = io::Error::from_raw_os_error(98);
        assert_eq!(GoIo(&error).to_string(), "address already in use");
        assert_eq!(chain(&error), "address already in use");
        assert_eq!(chain(&io::Error::other("x")), "x");
    }

    #[derive(Debug, thiserror::Error)]
    enum Outer {
        #[error("{0}")]
        Shown(#[source] io::Error),
        #[error("outer")]
        Plain(#[source] io::Error),
    }

    #[test]
    fn nothing_is_said_twice() {
        let inner = || io::Error::other("inner");
        assert_eq!(chain(&Outer::Shown(inner())), "inner");
        assert_eq!(chain(&Outer::Plain(inner())), "outer: inner");
    }
}
