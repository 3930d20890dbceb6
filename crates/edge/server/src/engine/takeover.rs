//! Taking over the data directory of an etcd at the first start on it; see `convert::takeover`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use convert::{MemberDirs, Progress, TakeoverError, takeover};

use super::running::Config;

/// How often a long takeover says how far it is.
const REPORT_EVERY: Duration = Duration::from_secs(2);

/// Does it if there is something to take over; the log is opened afterwards as always.
pub(super) fn run(config: &Config) -> Result<(), TakeoverError> {
    let dirs = MemberDirs {
        member: Arc::clone(&config.member_dir),
        wal_parent: Arc::clone(&config.wal_parent),
        wal_name: config.wal_name.clone(),
    };
    let begin = Instant::now();
    let mut reported = begin;
    let mut progress = |progress: Progress| {
        if reported.elapsed() >= REPORT_EVERY {
            reported = Instant::now();
            report(&progress);
        }
    };
    if let Some(taken) = takeover(&dirs, config.store.clone(), &mut progress)? {
        let imported = &taken.imported;
        tracing::info!(
            original = taken.original,
            records = imported.records,
            bytes = imported.bytes,
            revision = imported.current_revision,
            consistent_index = imported.consistent_index.0,
            storage_version = imported.storage_version.as_deref().unwrap_or("3.5.0"),
            took = format!("{:?}", begin.elapsed()),
            "took over the data directory of etcd; the original database is kept until you remove it"
        );
    }
    Ok(())
}

fn report(progress: &Progress) {
    // A database of nothing is never reported.
    let percent = progress.bytes.min(progress.total_bytes) * 100 / progress.total_bytes.max(1);
    tracing::info!(
        records = progress.records,
        bytes = progress.bytes,
        total_bytes = progress.total_bytes,
        percent,
        "taking over the data directory of etcd"
    );
}
