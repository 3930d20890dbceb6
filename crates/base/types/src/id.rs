//! Identities and counters that are plain numbers on the wire but never mixed in the code.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty), $format:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, $format, self.0)
            }
        }

        impl From<$inner> for $name {
            fn from(value: $inner) -> Self {
                Self(value)
            }
        }
    };
}

number!(
    /// A raft member; zero means "none". Printed as lower-case hex without padding.
    MemberId(u64),
    "{:x}"
);
number!(
    /// A cluster. Printed as lower-case hex without padding.
    ClusterId(u64),
    "{:x}"
);
number!(
    /// A raft term.
    Term(u64),
    "{}"
);
number!(
    /// A position in the raft log; the first entry has index 1.
    Index(u64),
    "{}"
);
number!(
    /// A proposed request: the low 16 bits of the member id, then a 48-bit counter.
    RequestId(u64),
    "{:x}"
);
number!(
    /// A lease; zero means "none", negative ids are legal. Printed as 16 hex digits.
    LeaseId(i64),
    "{:016x}"
);

impl MemberId {
    /// No member: an unknown leader, an uncast vote.
    pub const NONE: Self = Self(0);

    /// Whether this names no member.
    #[must_use]
    pub fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl LeaseId {
    /// No lease: the key lives until it is deleted.
    pub const NONE: Self = Self(0);

    /// Whether this names no lease.
    #[must_use]
    pub fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl Index {
    /// The position after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}
