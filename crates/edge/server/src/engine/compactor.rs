//! Automatic compaction: by age or by number of revisions.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use proto::etcdserverpb::{CompactionRequest, InternalRaftRequest};

use super::handle::Handle;

/// How often a compactor by revision looks.
const REVISION_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// A compactor by period samples the revision this often within its period, at the most hourly.
const SAMPLES_PER_PERIOD: u32 = 10;
/// The longest step between two compactions by period.
const PERIOD_STEP_MAX: Duration = Duration::from_secs(60 * 60);

/// What history is kept (`--auto-compaction-mode` and `--auto-compaction-retention`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompactionPolicy {
    /// The history of so long.
    Period(Duration),
    /// So many revisions.
    Revisions(i64),
}

pub(super) async fn run(handle: Handle, policy: CompactionPolicy) {
    match policy {
        CompactionPolicy::Revisions(keep) => by_revision(&handle, keep).await,
        CompactionPolicy::Period(period) => by_period(&handle, period).await,
    }
}

async fn by_revision(handle: &Handle, keep: i64) {
    loop {
        tokio::time::sleep(REVISION_INTERVAL).await;
        let revision = handle.engine().reader().revisions().current - keep;
        compact(handle, "revision", revision).await;
    }
}

/// Remembers the revision at steps of a tenth of the period; compacts to the one a period ago.
async fn by_period(handle: &Handle, period: Duration) {
    let step = period.min(PERIOD_STEP_MAX) / SAMPLES_PER_PERIOD;
    let needed = period.as_nanos().div_ceil(step.as_nanos().max(1));
    let mut samples = VecDeque::new();
    let mut steps_since = 0;
    loop {
        samples.push_back(handle.engine().reader().revisions().current);
        tokio::time::sleep(step).await;
        steps_since += 1;
        while samples.len() as u128 > needed {
            samples.pop_front();
        }
        if samples.len() as u128 == needed && steps_since >= SAMPLES_PER_PERIOD {
            compact(handle, "periodic", samples[0]).await;
            steps_since = 0;
        }
    }
}

/// Compacts on the leader; a refusal only means that it was done already.
async fn compact(handle: &Handle, kind: &str, revision: i64) {
    let engine = handle.engine();
    let is_leader = engine.status().leader() == engine.member_id();
    if !is_leader || revision <= engine.reader().revisions().compacted.max(0) {
        return;
    }
    let request = InternalRaftRequest {
        compaction: Some(CompactionRequest {
            revision,
            physical: false,
        }),
        ..InternalRaftRequest::default()
    };
    tracing::info!(revision, "starting auto {kind} compaction");
    let begin = Instant::now();
    match handle.propose(request).await {
        Ok(_) => {
            let took = begin.elapsed();
            tracing::info!(revision, ?took, "completed auto {kind} compaction");
        }
        Err(error) => tracing::warn!(revision, %error, "failed auto {kind} compaction"),
    }
}
