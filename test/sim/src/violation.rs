//! What is said when a promise is broken.

use std::fmt;

/// A promise that did not hold, or a member that failed without a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The promise, in a word or two.
    pub promise: &'static str,
    /// What was seen.
    pub what: String,
}

impl Violation {
    /// A broken promise.
    pub(crate) fn new(promise: &'static str, what: impl Into<String>) -> Self {
        Self {
            promise,
            what: what.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.what)
    }
}

/// Nothing, or a broken promise.
pub(crate) type Checked<T = ()> = Result<T, Violation>;

/// A violation unless `holds`.
pub(crate) fn ensure(holds: bool, promise: &'static str, what: impl FnOnce() -> String) -> Checked {
    if holds {
        Ok(())
    } else {
        Err(Violation::new(promise, what()))
    }
}
