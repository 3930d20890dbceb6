//! `migrate`: sets the version that the storage says it has, step by step.
//!
//! The forms of 3.5, 3.6 and 3.7 differ only in that version, which 3.5 does not have. What the log
//! holds after its newest mark decides how far down one may go.

mod content;
mod target;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use bytes::Bytes;
use cluster::Version;
use serde_json::json;
use store::Bucket;

use crate::cli;
use crate::failure::Failure;
use crate::hand_back;
use crate::log::{info, warn};
use crate::place;
use target::Target;

const PLACE: &str = "etcdutl/migrate";
/// What this program knows.
const NEWEST: Version = Version::minor(3, 7);
/// The oldest version that can be gone back to; it has no version in its storage.
const OLDEST: Version = Version::minor(3, 5);

/// Runs the command.
pub(crate) fn run(arguments: &cli::Migrate, timeout: Duration) -> Result<(), Failure> {
    if let Some(to) = &arguments.to_etcd {
        let order = hand_back::Order {
            data_dir: &arguments.data.data_dir,
            wal_dir: arguments.wal_dir.as_deref(),
            to,
            to_wal_dir: arguments.to_wal_dir.as_deref(),
        };
        return Ok(hand_back::run(&order)?);
    }
    let target = parse(arguments.target_version.as_deref().unwrap_or_default())?;
    Ok(migrate(arguments, target, timeout)?)
}

/// Reads `X.Y`.
fn parse(text: &str) -> Result<Version, Failure> {
    let wrong = |text| Failure::Argument(text);
    if text.matches('.').count() != 1 {
        return Err(wrong(format!(
            "wrong target version format, expected \"X.Y\", got {text:?}"
        )));
    }
    let version: Version = format!("{text}.0").parse().map_err(|_| {
        wrong(format!(
            "failed to parse target version: {text}.0 is not in dotted-tri format"
        ))
    })?;
    if version < OLDEST {
        return Err(wrong(format!(
            "target version {text:?} not supported. Minimal \"3.5\""
        )));
    }
    Ok(version)
}

fn migrate(arguments: &cli::Migrate, to: Version, timeout: Duration) -> Result<()> {
    let dir = &arguments.data.data_dir;
    let mut target = Target::open(dir, timeout)?;
    let from = current(&target.meta()?)?;
    if from == to {
        info(
            PLACE,
            "storage version up-to-date",
            &[("storage-version", json!(from.to_string()))],
        );
        return Ok(());
    }
    let planned = plan(from, to).and_then(|steps| {
        check_log(dir, arguments.wal_dir.as_deref(), to, from)?;
        Ok(steps)
    });
    let steps = match planned {
        Ok(steps) => steps,
        Err(error) if arguments.force => {
            let details = [("error", json!(format!("{error:#}")))];
            warn(PLACE, "normal migrate failed, trying with force", &details);
            return force(&mut target, to);
        }
        Err(error) => return Err(error),
    };
    target.set(stored(to))?;
    for step in steps {
        let details = [("new-storage-version", json!(step.to_string()))];
        info(PLACE, "updated storage version", &details);
    }
    Ok(())
}

fn force(target: &mut Target, to: Version) -> Result<()> {
    target.set(stored(to))?;
    match stored(to) {
        Some(_) => {
            let details = [("storage-version", json!(to.to_string()))];
            info(PLACE, "forcefully set storage version", &details);
        }
        None => info(PLACE, "forcefully cleared storage version", &[]),
    }
    Ok(())
}

/// What the storage says at that version.
fn stored(version: Version) -> Option<Bytes> {
    (version > OLDEST).then(|| Bytes::from(version.to_string()))
}

/// The version of the storage; 3.5 has none, but the term of the last entry.
fn current(meta: &BTreeMap<Bytes, Bytes>) -> Result<Version> {
    match meta.get(&b"storageVersion"[..]) {
        Some(version) => std::str::from_utf8(version)
            .ok()
            .and_then(|text| text.parse::<Version>().ok())
            .map(Version::without_patch)
            .ok_or_else(|| anyhow!("storage version {version:?} is none")),
        None => {
            let term = meta.get(&b"term"[..]);
            let has_term = term.is_some_and(|term| term.iter().any(|byte| *byte != 0));
            match has_term {
                true => Ok(OLDEST),
                false => bail!("missing term information"),
            }
        }
    }
}

/// The versions on the way.
fn plan(from: Version, to: Version) -> Result<Vec<Version>> {
    for version in [from, to] {
        if version.major != NEWEST.major || version > NEWEST {
            bail!("cannot create migration plan: version \"{version}\" is not supported");
        }
    }
    let minor = |minor| Version::minor(from.major, minor);
    Ok(match from < to {
        true => (from.minor + 1..=to.minor).map(minor).collect(),
        false => (to.minor..from.minor).rev().map(minor).collect(),
    })
}

/// Entries that an older version does not know must not be left to it.
fn check_log(dir: &str, wal_dir: Option<&str>, to: Version, from: Version) -> Result<()> {
    let dirs = place::member_dirs(Path::new(dir), wal_dir.map(Path::new));
    let needed = content::version(&*dirs.wal()).context("failed to get the lastest snapshot")?;
    if to < from && to < needed {
        bail!(
            "cannot downgrade storage, WAL contains newer entries, as the target version ({to}) is \
             lower than the version ({needed}) detected from WAL logs"
        );
    }
    Ok(())
}

/// The bucket that has the version.
const META: Bucket = Bucket::Meta;
