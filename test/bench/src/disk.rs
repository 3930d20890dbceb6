//! The disk that the servers write to. A machine in a cloud may write in bursts and is slowed down after
//! them, so what one server wrote would be paid by the next.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use anyhow::Result;
use tempfile::TempDir;

/// Syncs that are looked at.
const SYNCS: u64 = 64;
/// What each of them writes.
const BLOCK: [u8; 4096] = [0; 4096];
/// A median so short is calm whatever was seen before.
const SHORT: Duration = Duration::from_micros(100);
/// Pause between two looks, in which the disk may recover.
const PAUSE: Duration = Duration::from_secs(5);
/// A disk that stays slow for so long is taken as it is.
const LIMIT: Duration = Duration::from_mins(2);

/// How fast the disk has been at its best.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    best: Option<Duration>,
}

impl Disk {
    /// Writes back what others have left, and waits until a sync takes no longer than half as much
    /// again as at its best.
    pub(crate) async fn settle(&mut self, dir: &TempDir) -> Result<()> {
        rustix::fs::sync();
        let begin = Instant::now();
        loop {
            let median = median_of_syncs(dir)?;
            let best = self.best.map_or(median, |best| best.min(median));
            self.best = Some(best);
            if median <= SHORT.max(best * 3 / 2) {
                return Ok(());
            }
            if begin.elapsed() > LIMIT {
                eprintln!("the disk stays slow: a sync takes {median:?}, and took {best:?}");
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn median_of_syncs(dir: &TempDir) -> Result<Duration> {
    let file = File::create(dir.path().join("syncs"))?;
    file.set_len(SYNCS * BLOCK.len() as u64)?;
    let took = (0..SYNCS).map(|n| {
        let begin = Instant::now();
        file.write_all_at(&BLOCK, n * BLOCK.len() as u64)?;
        file.sync_data()?;
        anyhow::Ok(begin.elapsed())
    });
    let mut took = took.collect::<Result<Vec<_>>>()?;
    took.sort_unstable();
    Ok(took[took.len() / 2])
}
