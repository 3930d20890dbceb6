//! How many files and connections the process may have open.

use rustix::process::{Resource, getrlimit, setrlimit};

/// What is kept for files and connections of the member itself.
const RESERVED: u64 = 150;

/// So few descriptors that there is none left for clients.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "file descriptor limit of etcd process is too low; please set higher (limit {limit}, recommended at least {RESERVED})"
)]
pub(crate) struct TooFew {
    limit: u64,
}

/// Connections that a listener may have.
///
/// The limit is raised as far as the process may, as Go's runtime does.
pub(crate) fn connections_max() -> Result<usize, TooFew> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where that is not allowed, the limit stays what it was.
    let _ = setrlimit(Resource::Nofile, limit);
    // No limit is no limit.
    for_limit(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
}

fn for_limit(limit: u64) -> Result<usize, TooFew> {
    match limit.checked_sub(RESERVED) {
        None | Some(0) => Err(TooFew { limit }),
        Some(left) => Ok(usize::try_from(left).unwrap_or(usize::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A member that cannot accept anybody must say so at its start.
    #[test]
    fn limits() {
        assert_eq!(for_limit(150), Err(TooFew { limit: 150 }));
        assert_eq!(for_limit(151), Ok(1));
    }
}
