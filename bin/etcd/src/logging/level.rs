//! The levels of log lines, as zap names them.

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// For those who look for a defect.
    Debug,
    /// What happens.
    Info,
    /// What should not be so.
    Warn,
    /// What failed.
    Error,
    /// What should never happen.
    Dpanic,
    /// What broke a thread.
    Panic,
    /// What ends the process.
    Fatal,
}

impl Level {
    /// All levels, least first.
    pub(crate) const ALL: [Self; 7] = [
        Self::Debug,
        Self::Info,
        Self::Warn,
        Self::Error,
        Self::Dpanic,
        Self::Panic,
        Self::Fatal,
    ];

    /// The level's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Dpanic => "dpanic",
            Self::Panic => "panic",
            Self::Fatal => "fatal",
        }
    }

    /// The level of that name, in lower or upper case; an empty name is `info`.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let is_named =
            |level: &Self| name == level.name() || name == level.name().to_ascii_uppercase();
        match name {
            "" => Some(Self::Info),
            _ => Self::ALL.into_iter().find(is_named),
        }
    }
}

impl From<tracing::Level> for Level {
    fn from(level: tracing::Level) -> Self {
        match level {
            tracing::Level::ERROR => Self::Error,
            tracing::Level::WARN => Self::Warn,
            tracing::Level::INFO => Self::Info,
            _ => Self::Debug,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A wrong word must not silence a member.
    #[test]
    fn names() {
        for level in Level::ALL {
            assert_eq!(Level::parse(level.name()), Some(level));
        }
        assert_eq!(Level::parse("WARN"), Some(Level::Warn));
        assert_eq!(Level::parse("Warn"), None);
        assert_eq!(Level::parse("warning"), None);
    }
}
