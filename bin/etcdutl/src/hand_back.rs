//! `migrate --to-etcd`: a data directory that etcd starts from, with the same data and ids.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use crate::log::{Meter, info};
use crate::place::{directory, member_dirs, store_options};

const PLACE: &str = "etcdutl/migrate";

/// Where from and where to.
pub(crate) struct Order<'a> {
    /// The data directory of ours.
    pub(crate) data_dir: &'a str,
    /// Its log, if that is elsewhere.
    pub(crate) wal_dir: Option<&'a str>,
    /// The data directory for etcd.
    pub(crate) to: &'a str,
    /// Its log, if that is to be elsewhere.
    pub(crate) to_wal_dir: Option<&'a str>,
}

/// Runs the command.
pub(crate) fn run(order: &Order<'_>) -> Result<()> {
    let begin = Instant::now();
    let to = Path::new(order.to);
    let is_free = fs::read_dir(to).map_or_else(
        |error| error.kind() == std::io::ErrorKind::NotFound,
        |mut entries| entries.next().is_none(),
    );
    if !is_free {
        bail!("{to:?} is not empty or could not be read");
    }
    let from = member_dirs(Path::new(order.data_dir), order.wal_dir.map(Path::new));
    let target = member_dirs(to, order.to_wal_dir.map(Path::new));
    let details = [("data-dir", json!(order.data_dir)), ("to", json!(order.to))];
    info(PLACE, "writing a data directory for etcd", &details);
    let mut meter = Meter::new("writing");
    let mut progress =
        |revision: i64, of: i64| meter.step(revision.unsigned_abs(), of.unsigned_abs());
    let handed = convert::hand_back(
        &from,
        &target,
        store_options(),
        wal::Options::default(),
        &mut progress,
    )?;
    drop(meter);
    for path in [to, to.parent().unwrap_or(Path::new(""))] {
        directory(path)
            .sync_dir("")
            .with_context(|| format!("sync {}", path.display()))?;
    }
    let details = [
        ("to", json!(order.to)),
        ("revision", json!(handed.current_revision)),
        ("consistent-index", json!(handed.consistent_index.0)),
        ("entries-after", json!(handed.entries)),
        ("db-size-bytes", json!(handed.bytes)),
        ("took", json!(format!("{:?}", begin.elapsed()))),
    ];
    info(PLACE, "wrote a data directory for etcd", &details);
    Ok(())
}
