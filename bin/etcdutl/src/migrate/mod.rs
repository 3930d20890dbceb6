//! `migrate`: sets the version that the storage says it has, step by step.
//!
//! The forms of 3.5, 3.6 and 3.7 differ only in that version, which 3.5 does not have. What the log
//! holds after its newest mark decides how far down one may go.

mod content;
mod target;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use bytes::Bytes;
use cluster::Version;
use notation::number;
use serde_json::json;
use store::Bucket;

use crate::cli::{Arguments, Command, Flag, Run, given, timeout};
use crate::failure::Failure;
use crate::hand_back;
use crate::log::{self, info};
use crate::place;
use target::Target;

const PLACE: &str = "etcdutl/migrate";
/// What this program knows.
const NEWEST: Version = Version::minor(3, 7);
/// The oldest version that can be gone back to; it has no version in its storage.
const OLDEST: Version = Version::minor(3, 5);

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "migrate",
    about: "Sets the version of a data directory's storage, or writes a data directory for etcd",
    flags: &[
        Flag::text(
            "data-dir",
            "",
            "data directory of the member that is not running (required)",
        ),
        Flag::text(
            "target-version",
            "",
            "version that the storage is to have, X.Y, from 3.5 (required without --to-etcd)",
        ),
        Flag::switch(
            "force",
            "set the version although the migration to it is refused",
        ),
        Flag::text(
            "wal-dir",
            "",
            "directory of the log, if it is not in the data directory",
        ),
        Flag::text(
            "to-etcd",
            "",
            "write a data directory for etcd here, with the same data and ids",
        ),
        Flag::text(
            "to-wal-dir",
            "",
            "directory of that one's log, if it is not to be in the data directory",
        ),
    ],
    run: Run::Do(run),
    ..Command::EMPTY
};

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (wal_dir, to) = (given(arguments, "wal-dir"), given(arguments, "to-etcd"));
    let to_wal_dir = given(arguments, "to-wal-dir");
    let Some(to) = to else {
        arguments.require(&["data-dir", "target-version"])?;
        if to_wal_dir.is_some() {
            return Err(Failure::Arguments("--to-wal-dir goes with --to-etcd"));
        }
        let target = parse(&arguments.text("target-version"))?;
        return Ok(migrate(arguments, wal_dir.as_deref(), target)?);
    };
    arguments.require(&["data-dir"])?;
    if arguments.is_changed("target-version") {
        return Err(Failure::Arguments(
            "--target-version does not go with --to-etcd",
        ));
    }
    let order = hand_back::Order {
        data_dir: &arguments.text("data-dir"),
        wal_dir: wal_dir.as_deref(),
        to: &to,
        to_wal_dir: to_wal_dir.as_deref(),
    };
    Ok(hand_back::run(&order)?)
}

/// Reads `X.Y`.
fn parse(text: &str) -> Result<Version, Failure> {
    let wrong = |text| Failure::Argument(text);
    if text.matches('.').count() != 1 {
        return Err(wrong(format!(
            "wrong target version format, expected \"X.Y\", got {text:?}"
        )));
    }
    let failed = |error| wrong(format!("failed to parse target version: {error}"));
    for part in text.split('.') {
        number::parse_int(part, 10).map_err(|error| failed(error.to_string()))?;
    }
    let version: Version = format!("{text}.0")
        .parse()
        .map_err(|_| failed(format!("{text}.0 is no version")))?;
    if version < OLDEST {
        return Err(wrong(format!(
            "target version {text:?} not supported. Minimal \"3.5\""
        )));
    }
    Ok(version)
}

fn migrate(arguments: &Arguments, wal_dir: Option<&str>, to: Version) -> Result<()> {
    let dir = &arguments.text("data-dir");
    let mut target = Target::open(dir, timeout(arguments))?;
    let from = current(&target.meta()?)?;
    if from == to {
        info(
            PLACE,
            "storage version up-to-date",
            &[("storage-version", json!(from.in_brief()))],
        );
        return Ok(());
    }
    let needed = needed(dir, wal_dir).inspect_err(|error| {
        let details = [("error", json!(format!("{error:#}")))];
        log::error(PLACE, "Failed to finalize config", &details);
    })?;
    let planned = plan(from, to).and_then(|steps| {
        check_downgrade(needed, to, from)?;
        Ok(steps)
    });
    let steps = match planned {
        Ok(steps) => steps,
        Err(error) if arguments.bool("force") => {
            let details = [("error", json!(format!("{error:#}")))];
            info(PLACE, "normal migrate failed, trying with force", &details);
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
            let details = [("storage-version", json!(to.in_brief()))];
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
    if from.major != to.major {
        bail!("cannot create migration plan: changing major storage version is not supported");
    }
    for version in [from, to] {
        if version > NEWEST {
            bail!("cannot create migration plan: version \"{version}\" is not supported");
        }
    }
    let minor = |minor| Version::minor(from.major, minor);
    Ok(match from < to {
        true => (from.minor + 1..=to.minor).map(minor).collect(),
        false => (to.minor..from.minor).rev().map(minor).collect(),
    })
}

/// The version that the log needs.
fn needed(dir: &str, wal_dir: Option<&str>) -> Result<Version> {
    let dirs = place::member_dirs(Path::new(dir), wal_dir.map(Path::new));
    content::version(&*dirs.wal()).context("failed to get the lastest snapshot")
}

/// Entries that an older version does not know must not be left to it.
fn check_downgrade(needed: Version, to: Version, from: Version) -> Result<()> {
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
